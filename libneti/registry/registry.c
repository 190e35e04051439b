/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The conductor: events of the store go to the state machines that last, and their next moments
 * into one timer.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "conductor.h"
#include "core.h"
#include "lease.h"

#define STARTED_MS 10	   /* what was due and did not start waits for so long */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void arm_timer(struct registry *registry)
{
	int64_t at = layout_next(registry), soonest = registry_now() + STARTED_MS;
	struct itimerspec when = { 0 };

	at = sooner(at, watch_next(registry));
	at = sooner(at, membership_next(registry));
	at = sooner(at, lease_next(registry));
	at = sooner(at, twin_next(registry));
	if (at < soonest)
		at = soonest;
	if (at < REGISTRY_NEVER) {
		when.it_value.tv_sec = at / 1000;
		when.it_value.tv_nsec = at % 1000 * 1000000 + 1;
	}
	timerfd_settime(registry->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* In the order in which they build on each other. */
void registry_advance(struct registry *registry)
{
	layout_advance(registry);
	watch_advance(registry);
	membership_advance(registry);
	lease_advance(registry);
	twin_advance(registry);
	arm_timer(registry);
}

/* --- events of the store ----------------------------------------------------------------- */

static void unreachable(struct registry *registry, enum store_state state)
{
	bool refused = state == STORE_REFUSED;
	struct error error;

	error_set(&error, refused ? -EACCES : -ENOTCONN,
		refused ? NETI_REASON_DENIED : NETI_REASON_REGISTRY, "registry %s: %s", registry->uri,
		*registry->detail ? registry->detail : "access is denied");
	registry_trouble(registry, REGISTRY_TROUBLE_FLEET, &error);
}

void registry_on_state(void *data, enum store_state state, const char *detail)
{
	static const char *const words[] = {
		[STORE_CONNECTING] = "connecting",
		[STORE_CONNECTED] = "connected",
		[STORE_SUSPENDED] = "connection lost",
		[STORE_EXPIRED] = "session expired",
		[STORE_REFUSED] = "refused",
	};
	struct registry *registry = data;

	registry->state = state;
	snprintf(registry->detail, sizeof(registry->detail), "%s", detail ? detail : "");
	log_info(&registry->log, "registry %s: %s%s%s", registry->uri, words[state],
		detail ? ": " : "", registry->detail);
	if (state == STORE_CONNECTED)
		twin_connected(registry);
	if (state == STORE_EXPIRED || state == STORE_REFUSED) { /* the session is over */
		layout_lost(registry);
		watch_lost(registry);
		membership_lost(registry);
	}
	if (state == STORE_CONNECTED)
		watch_connected(registry);
	if (registry->handler.state)
		registry->handler.state(registry->handler.data, state, detail);
	if (state == STORE_REFUSED || (state == STORE_CONNECTING && detail))
		unreachable(registry, state);
}

void registry_on_changed(void *data, const char *path)
{
	struct registry *registry = data;

	layout_changed(registry, path);
	watch_changed(registry, path);
	membership_changed(registry, path);
}

int registry_process(struct registry *registry)
{
	uint64_t count;
	int result;

	if (registry->processing)
		return -EDEADLK;
	registry->processing = true;
	while (read(registry->timer, &count, sizeof(count)) > 0)
		;
	result = registry->backend->process(registry->store);
	registry_advance(registry);
	registry->processing = false;
	return result;
}

int registry_descriptor(struct registry *registry)
{
	return registry->epoll;
}
