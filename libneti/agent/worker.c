/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worker thread: its mailbox, its loop, its pace. What the loop does with the fleet stands
 * in reconcile.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "reconcile.h"
#include "status.h"
#include "worker.h"

#define TURN_MAX_MS 1000

struct worker {
	struct agent agent; /* the thread's alone while it runs */
	pthread_t thread;
	struct events *events;
	struct log log;
	int wake;
	int lock;
	bool view_stale; /* no memory to publish it: at the next turn */
	_Atomic int64_t last_turn;
	pthread_mutex_t mutex; /* guards what follows */
	bool stop;
	struct settings *fresh; /* new settings, not yet taken */
	bool ready;
	struct member_list members;
};

static void post_message(void *data, enum neti_log_level level, const char *text)
{
	struct neti_event *event = event_new(0, "%s", text);

	if (event)
		event->level = level;
	events_post(data, event);
}

static bool patch_members(struct worker *worker, const struct fleet_delta *delta)
{
	bool patched;

	if (!delta || delta->partial || worker->view_stale ||
		fleet_delta_size(delta) > FLEET_VIEW_PATCH_MAX)
		return false;
	pthread_mutex_lock(&worker->mutex);
	patched = worker->ready && fleet_view_patch(&worker->members, delta) == 0;
	pthread_mutex_unlock(&worker->mutex);
	return patched;
}

/* The view changed: what neti_agent_members() gives from now on. */
static void publish_members(void *data, const struct fleet_delta *delta)
{
	struct worker *worker = data;
	const struct member_list *view = fleet_members(worker->agent.fleet);
	struct member_list fresh = { 0 }, old;

	if (patch_members(worker, delta))
		return;
	for (size_t i = 0; i < view->length; i++)
		if (member_list_add(&fresh, view->items[i]) < 0)
			goto later;
	pthread_mutex_lock(&worker->mutex);
	old = worker->members;
	worker->members = fresh;
	worker->ready = true;
	pthread_mutex_unlock(&worker->mutex);
	worker->view_stale = false;
	member_list_clear(&old);
	return;
later:
	worker->view_stale = true;
	member_list_clear(&fresh);
}

/* False when it is time to end. */
static bool read_mailbox(struct worker *worker)
{
	struct settings *fresh;
	eventfd_t ignored;
	bool stop;

	eventfd_read(worker->wake, &ignored);
	pthread_mutex_lock(&worker->mutex);
	fresh = worker->fresh;
	worker->fresh = NULL;
	stop = worker->stop;
	pthread_mutex_unlock(&worker->mutex);
	if (fresh)
		reconcile_reload(&worker->agent, fresh);
	return !stop;
}

static int wait_time(int64_t due, int64_t now)
{
	if (due < 0 || due > now + TURN_MAX_MS)
		return TURN_MAX_MS;
	return due > now ? (int)(due - now) : 0;
}

static void *run(void *data)
{
	struct worker *worker = data;
	struct agent *agent = &worker->agent;
	struct pollfd fds[] = {
		{ .fd = worker->wake, .events = POLLIN },
		{ .fd = registry_descriptor(agent->registry), .events = POLLIN },
		{ .events = POLLIN }, /* the engine's */
	};

	pthread_setname_np(pthread_self(), "neti-agent");
	while (read_mailbox(worker)) {
		int64_t now = clock_now(), due;

		worker->last_turn = now;
		registry_process(agent->registry);
		reconcile_turn(agent, now, &due);
		if (worker->view_stale)
			publish_members(worker, NULL);
		fds[2].fd = reconcile_descriptor(agent);
		poll(fds, 3, wait_time(due, clock_now()));
	}
	reconcile_end(agent);
	return NULL;
}

static int start_thread(struct worker *worker, struct error *error)
{
	int result = thread_start(&worker->thread, run, worker);

	if (result < 0)
		error_set(error, result, NETI_REASON_SYSTEM, "cannot start a thread: %s",
			strerrordesc_np(-result));
	return result;
}

static struct worker *worker_free(struct worker *worker)
{
	reconcile_close(&worker->agent);
	member_list_clear(&worker->members);
	settings_free(worker->fresh);
	if (worker->lock >= 0)
		close(worker->lock);
	if (worker->wake >= 0)
		close(worker->wake);
	pthread_mutex_destroy(&worker->mutex);
	free(worker);
	return NULL;
}

int worker_start(struct worker **ret, const struct settings *settings,
	const struct agent_options *options, struct events *events, struct error *error)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int result = 0;

	if (!worker)
		return error_memory(error);
	pthread_mutex_init(&worker->mutex, NULL);
	worker->events = events;
	worker->log = (struct log){ options->log_level, post_message, events };
	worker->last_turn = clock_now();
	worker->lock = -1;
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake < 0)
		result = error_set(error, -errno, NETI_REASON_SYSTEM, "cannot make an eventfd: %s",
			strerrordesc_np(errno));
	if (result == 0 && (options->member || options->rules))
		worker->lock = result = status_lock(settings->state_dir, error);
	if (result >= 0)
		result = reconcile_open(&worker->agent, settings, options, events, &worker->log,
			error);
	worker->agent.view_changed = publish_members;
	worker->agent.view_data = worker;
	if (result == 0)
		result = start_thread(worker, error);
	if (result < 0) {
		worker_free(worker);
		return result;
	}
	*ret = worker;
	return 0;
}

struct worker *worker_stop(struct worker *worker)
{
	if (!worker)
		return NULL;
	pthread_mutex_lock(&worker->mutex);
	worker->stop = true;
	pthread_mutex_unlock(&worker->mutex);
	eventfd_write(worker->wake, 1);
	pthread_join(worker->thread, NULL);
	return worker_free(worker);
}

int worker_reload(struct worker *worker, const struct settings *settings)
{
	struct settings *fresh, *old;

	if (settings_copy(&fresh, settings) < 0)
		return -ENOMEM;
	pthread_mutex_lock(&worker->mutex);
	old = worker->fresh;
	worker->fresh = fresh;
	pthread_mutex_unlock(&worker->mutex);
	settings_free(old);
	eventfd_write(worker->wake, 1);
	return 0;
}

int worker_members(struct worker *worker, struct member_list *list)
{
	int result = 0;

	pthread_mutex_lock(&worker->mutex);
	if (!worker->ready)
		result = -ENODATA;
	for (size_t i = 0; i < worker->members.length && result == 0; i++)
		result = member_list_add(list, worker->members.items[i]);
	pthread_mutex_unlock(&worker->mutex);
	return result;
}

int64_t worker_last_turn(struct worker *worker)
{
	return worker->last_turn;
}
