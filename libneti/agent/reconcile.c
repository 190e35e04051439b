/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the registry to the kernel: what comes in goes to the fleet, what the fleet lets pass
 * becomes a ruleset, and the keeper makes the kernel hold it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "files.h"
#include "host.h"
#include "open_registry.h"
#include "reconcile.h"
#include "registry_events.h"
#include "sessions.h"
#include "state.h"

#define CHECK_MS 5000
#define RETRY_MAX_MS 30000

static void tell_trouble(struct convergence *convergence, enum neti_reason code,
	const char *prefix, const char *sentence)
{
	struct neti_event *event = event_new(NETI_EVENT_TROUBLE, "%s%s", prefix, sentence);

	if (event)
		event->reason = code;
	events_post(convergence->events, event);
	convergence->status_stale = true;
}

void convergence_trouble(struct convergence *convergence, enum trouble_cause cause,
	const struct error *error)
{
	if (trouble_set(&convergence->status.troubles, cause, error->text))
		tell_trouble(convergence, error->reason, "", error->text);
}

void convergence_well(struct convergence *convergence, enum trouble_cause cause)
{
	char sentence[ERROR_TEXT_MAX];

	strcpy(sentence, convergence->status.troubles.text[cause]);
	if (trouble_clear(&convergence->status.troubles, cause))
		tell_trouble(convergence, NETI_REASON_NONE, "over: ", sentence);
}

bool convergence_waits(const struct convergence *convergence)
{
	return !convergence->status.ready || convergence->keeper.held;
}

/*
 * Opening and settings.
 */
static int make_self(struct convergence *convergence, struct error *error)
{
	const struct settings *settings = convergence->settings;
	struct member *self, fields = {
		.id = settings->id ? settings->id : "",
		.network = settings->network ? settings->network : "",
		.version = neti_version(),
		.private_address = settings->private_ip,
		.public_address = settings->public_ip,
		.live = true,
	};

	if (convergence->self)
		fields.overlay = convergence->self->overlay;
	if (member_new(&self, &fields) < 0)
		return error_memory(error);
	member_unref(convergence->self);
	convergence->self = self;
	convergence->status.id = self->id;
	convergence->status.network = self->network;
	return 0;
}

/*
 * What an earlier agent here knew. A registry that was emptied meanwhile is made anew with the
 * fleet's settings as they were, and is asked for the address that this host had.
 */
static void remember(struct convergence *convergence)
{
	const struct settings *settings = convergence->settings;
	struct member_list members = { 0 };
	struct fleet_settings fleet;
	struct error error;

	if (!convergence->options.rules ||
		state_load(settings->state_dir, &fleet, &members, &error) < 0)
		return; /* seed_fleet() says why */
	if (!settings->overlay_subnet_given ||
		prefix_compare(&settings->overlay_subnet, &fleet.overlay_subnet) == 0)
		convergence->initial = fleet;
	for (size_t i = 0; i < members.length; i++)
		if (strcmp(members.items[i]->id, convergence->self->id) == 0) {
			convergence->self->overlay = members.items[i]->overlay;
			break;
		}
	member_list_clear(&members);
}

/* What this host left behind when it was killed is its own. */
static void remember_sessions(struct convergence *convergence)
{
	uint64_t sessions[REGISTRY_SESSIONS];
	struct error error;
	size_t n = 0;
	int result = sessions_load(convergence->settings->state_dir, sessions, &n, &error);

	if (result == 0)
		registry_remember(convergence->registry, sessions, n);
	else if (result != -ENOENT)
		log_warning(convergence->log, "%s", error.text);
}

static int join(struct convergence *convergence, struct error *error)
{
	if (!convergence->options.member)
		return 0;
	return registry_join(convergence->registry, convergence->self,
		convergence->options.takeover, error);
}

int convergence_open(struct convergence *convergence, const struct settings *settings,
	const struct worker_options *options, struct events *events, const struct log *log,
	struct error *error)
{
	const struct registry_handler handler = intake_handler(convergence);
	int result;

	*convergence = (struct convergence){
		.options = *options, .events = events, .log = log, .fleet_due = -1,
		.status = { .registry = "connecting" },
	};
	refresh_init(&convergence->refresh, clock_now());
	host_begin(convergence, clock_now());
	if (settings_copy(&convergence->settings, settings) < 0)
		return error_memory(error);
	files_begin(convergence);
	fleet_settings_default(&convergence->initial, &settings->overlay_subnet);
	result = make_self(convergence, error);
	if (result == 0)
		remember(convergence);
	if (result == 0 && options->rules)
		result = keeper_open(&convergence->keeper, settings, log, error);
	if (result == 0)
		result = open_registry(&convergence->registry, settings,
			options->member ? &convergence->initial : NULL, &handler, log, error);
	if (result == 0 && options->member)
		remember_sessions(convergence);
	if (result == 0)
		result = join(convergence, error);
	if (result == 0 && registry_watch(convergence->registry) < 0)
		result = error_memory(error);
	return result;
}

static bool same_registry(const struct settings *a, const struct settings *b)
{
	char *uri_a = NULL, *uri_b = NULL;
	struct error error;
	bool same = settings_registry(a, &uri_a, &error) < 0 ||
		    settings_registry(b, &uri_b, &error) < 0 || strcmp(uri_a, uri_b) == 0;

	free(uri_a);
	free(uri_b);
	return same;
}

/* The registry is open and the lock is held, until the end. */
static void keep_places(struct convergence *convergence, struct settings *fresh)
{
	struct settings *old = convergence->settings;
	char *state_dir = old->state_dir;

	if (!same_registry(old, fresh))
		log_warning(convergence->log, "registry: another one counts from the next start on");
	if (strcmp(old->state_dir, fresh->state_dir) != 0)
		log_warning(convergence->log, "state_dir: another one counts from the next start on");
	old->state_dir = fresh->state_dir;
	fresh->state_dir = state_dir;
}

void convergence_reload(struct convergence *convergence, struct settings *fresh)
{
	struct settings *old = convergence->settings;
	bool moves = !address_equal(&old->private_ip, &fresh->private_ip) ||
		     !address_equal(&old->public_ip, &fresh->public_ip) ||
		     strcmp(old->network ? old->network : "", fresh->network ? fresh->network : "") != 0;
	struct error error;
	int result = 0;

	keep_places(convergence, fresh);
	if (convergence->options.rules && !engine_suits(convergence->keeper.engine, fresh))
		result = keeper_reopen(&convergence->keeper, fresh, &error);
	convergence->settings = fresh;
	convergence->rules_stale = true;
	if (convergence->keeper.applied && convergence_waits(convergence)) {
		convergence->policy_stale = true;
		convergence->policy_due = 0;
	}
	settings_free(old);
	convergence->moving |= moves;
	if (result == 0 && convergence->moving)
		result = make_self(convergence, &error);
	if (result == 0 && convergence->moving)
		result = join(convergence, &error);
	if (result < 0) {
		convergence_trouble(convergence, TROUBLE_SETTINGS, &error);
		return;
	}
	convergence->moving = false;
	convergence_well(convergence, TROUBLE_SETTINGS);
}

void convergence_close(struct convergence *convergence)
{
	refresh_clear(&convergence->refresh);
	host_end(convergence);
	if (convergence->registry)
		registry_close(convergence->registry);
	if (convergence->keeper.engine)
		keeper_close(&convergence->keeper);
	fleet_free(convergence->fleet);
	member_unref(convergence->self);
	settings_free(convergence->settings);
	*convergence = (struct convergence){ 0 };
}

/*
 * One round.
 */
static int steal_list(struct neti_members **ret, struct member_list *list)
{
	struct neti_members *members = calloc(1, sizeof(*members));

	if (!members)
		return -ENOMEM;
	members->references = 1;
	members->list = *list;
	*list = (struct member_list){ 0 };
	*ret = members;
	return 0;
}

static void post_delta(struct convergence *convergence, struct fleet_delta *delta)
{
	struct neti_event *event = event_new(NETI_EVENT_MEMBERS,
		"%zu members: %zu added, %zu moved, %zu removed",
		fleet_members(convergence->fleet)->length, delta->added.length, delta->moved.length,
		delta->removed.length);

	if (event && (steal_list(&event->added, &delta->added) < 0 ||
			     steal_list(&event->moved, &delta->moved) < 0 ||
			     steal_list(&event->removed, &delta->removed) < 0)) {
		event_free(event);
		event = NULL;
	}
	events_post(convergence->events, event);
}

static void note_held(struct convergence *convergence)
{
	size_t held = fleet_held(convergence->fleet) + convergence->keeper.held;
	struct neti_event *event;

	if (held == convergence->status.held)
		return;
	convergence->status.held = held;
	convergence->status_stale = true;
	event = event_new(NETI_EVENT_HELD, held ? "%zu removals are held back: they go when the "
						  "members come back or \"netictl fleet accept\" "
						  "lets them" :
						  "%zu removals are held back", held);
	if (event)
		event->count = held;
	events_post(convergence->events, event);
}

/* What the other hosts can read of this one. The kernel holds the newest revision also when the
 * change was none for it: a member that came back within its delay, say. */
static void note_revision(struct convergence *convergence)
{
	struct status *status = &convergence->status;

	status->newest = fleet_revision(convergence->fleet);
	if (convergence->keeper.applied && !convergence->rules_stale &&
		convergence->fleet_due < 0 && status->held == 0)
		status->revision = status->newest;
	if (status->newest == status->revision)
		status->behind_since = 0;
	else if (!status->behind_since)
		status->behind_since = time(NULL);
	registry_publish(convergence->registry, status->revision, status->held);
}

static void step_fleet(struct convergence *convergence, int64_t now)
{
	struct fleet_delta delta = { 0 };
	int result = fleet_step(convergence->fleet, now, &delta, &convergence->fleet_due);

	if (result == -ENODATA) {
		convergence->fleet_due = -1;
		return;
	}
	if (result < 0) {
		convergence->fleet_due = now + 1000;
		return;
	}
	/* Before the event: who hears of a change and asks must see it. After a restart the first
	 * view is what was kept, and no change. */
	if (result == 1 || !convergence->status.ready)
		convergence->view_changed(convergence->view_data);
	convergence->status_stale |= !convergence->status.ready;
	convergence->status.ready = true;
	/* Also while as many are held as before: they may be others. */
	convergence->doubts_stale |= fleet_held(convergence->fleet) || convergence->status.held;
	if (result == 1 || convergence->doubts_stale)
		files_state_changed(convergence, now);
	if (result == 1) {
		convergence->rules_stale = true;
		post_delta(convergence, &delta);
	}
	fleet_delta_clear(&delta);
	note_held(convergence);
	note_revision(convergence);
}

static void kernel_failed(struct convergence *convergence, const struct error *error, int64_t now)
{
	int64_t wait = 500ll << (convergence->failures < 6 ? convergence->failures : 6);

	convergence->pace.not_before = now + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
	convergence->failures++;
	convergence_trouble(convergence, TROUBLE_KERNEL, error);
}

static void applied(struct convergence *convergence, const struct engine_report *report)
{
	struct status *status = &convergence->status;
	struct neti_event *event;

	convergence->rules_stale = false;
	files_state_changed(convergence, clock_now());
	convergence->failures = 0;
	status->peers = convergence->keeper.applied->n_peers;
	status->revision = fleet_revision(convergence->fleet);
	status->applied_at = time(NULL);
	status->applied_seconds = report->seconds;
	status->commits++;
	status->commit_seconds += report->seconds;
	convergence_well(convergence, TROUBLE_KERNEL);
	if (convergence->keeper.applied->policy.reject_all != status->refusing)
		convergence->policy_due = 0;
	convergence->status_stale = true;
	event = event_new(NETI_EVENT_APPLIED,
		"the kernel holds revision %llu: %zu peers, %zu entries changed, %.1f ms",
		(unsigned long long)status->revision, status->peers, report->entries,
		report->seconds * 1e3);
	if (event) {
		event->revision = status->revision;
		event->seconds = report->seconds;
	}
	events_post(convergence->events, event);
}

static void apply_rules(struct convergence *convergence, int64_t now)
{
	struct engine_report report = { 0 };
	struct ruleset *wanted;
	struct error error;

	if (ruleset_build(&wanted, &convergence->settings->policy, &convergence->fleet_settings,
		    convergence->self, fleet_members(convergence->fleet), &convergence->own) < 0) {
		error_memory(&error);
		kernel_failed(convergence, &error, now);
		return;
	}
	if (keeper_apply(&convergence->keeper, &convergence->fleet_settings, wanted, &report,
		    &error) < 0) {
		ruleset_free(wanted);
		kernel_failed(convergence, &error, now);
	} else {
		applied(convergence, &report);
		convergence->check_due = now + CHECK_MS;
	}
	note_held(convergence);
	note_revision(convergence);
}

static void check_rules(struct convergence *convergence, int64_t now)
{
	struct buffer diff = { 0 };
	struct error error;
	int result = keeper_check(&convergence->keeper, &diff, &error);

	convergence->check_due = now + CHECK_MS;
	if (result < 0) {
		convergence->rules_stale = true;
		kernel_failed(convergence, &error, now);
	} else if (result == 1) {
		convergence->status.repairs++;
		convergence->status.repaired_at = time(NULL);
		convergence->status_stale = true;
		log_warning(convergence->log, "drift:\n%s", buffer_text(&diff));
		events_post(convergence->events, event_new(NETI_EVENT_DRIFT,
			"somebody changed Neti's rules; they are as they should be again"));
	}
	buffer_clear(&diff);
}

static void ask_addresses(struct convergence *convergence, int64_t now)
{
	struct settings *fresh;

	if (refresh_turn(&convergence->refresh, convergence->settings, now, convergence->log,
		    &fresh) == 0)
		return;
	log_warning(convergence->log, "this host has other addresses now, and moves");
	convergence_reload(convergence, fresh);
}

static bool may_apply(const struct convergence *convergence)
{
	return convergence->options.rules && convergence->rules_stale &&
	       convergence->status.ready;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* While the guard holds what is to come, what is in force stays in force. */
static int64_t next_check(const struct convergence *convergence)
{
	if (!convergence->keeper.applied)
		return -1;
	if (convergence->keeper.held || convergence->check_due > convergence->pace.not_before)
		return convergence->check_due;
	return convergence->pace.not_before;
}

static int64_t next_due(const struct convergence *convergence)
{
	int64_t due = convergence->fleet ? convergence->fleet_due : -1;

	if (may_apply(convergence))
		due = sooner(due, 0);
	if (due >= 0 && due < convergence->pace.not_before)
		due = convergence->pace.not_before;
	due = sooner(due, next_check(convergence));
	due = sooner(due, files_due(convergence));
	due = sooner(due, host_due(convergence));
	return sooner(due, convergence->refresh.due);
}

void convergence_turn(struct convergence *convergence, int64_t now, int64_t *ret_due)
{
	double begin = clock_seconds(CLOCK_THREAD_CPUTIME_ID), cost;
	bool applied_now = false, checked = false;

	ask_addresses(convergence, now);
	/* A look at the kernel may wait for a lock: whether strangers are refused is told before. */
	if (convergence->keeper.applied && now >= convergence->check_due && convergence->policy_due > now)
		convergence->policy_due = now;
	host_turn(convergence, now);
	if (!convergence->status.ready)
		files_write(convergence, now);
	if (now >= convergence->pace.not_before) {
		if (convergence->fleet && convergence->fleet_due >= 0 &&
			now >= convergence->fleet_due)
			step_fleet(convergence, now);
		if (may_apply(convergence)) {
			apply_rules(convergence, now);
			applied_now = true;
		}
	}
	if (next_check(convergence) >= 0 && now >= next_check(convergence)) {
		check_rules(convergence, now);
		checked = true;
	}
	cost = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
	/* Files wait for the next turn, which looks first for another change. */
	if (!applied_now)
		files_write(convergence, now);
	if (applied_now)
		pace_pay(&convergence->pace, cost, clock_now());
	if (checked)
		convergence->check_due += pace_debt(cost);
	*ret_due = next_due(convergence);
}

void convergence_end(struct convergence *convergence)
{
	convergence->status.session[0] = '\0';
	snprintf(convergence->status.registry, sizeof(convergence->status.registry), "left");
	files_write_last(convergence);
}
