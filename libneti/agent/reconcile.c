/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the registry to the kernel: what comes in goes to the fleet, what the fleet lets pass
 * becomes a ruleset, and the applier makes the kernel hold it.
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
#define HEARD_MS 200 /* between two looks for what others did */
#define RETRY_MAX_MS 30000

/*
 * Opening and settings.
 */
static int make_self(struct agent *agent, struct error *error)
{
	const struct settings *settings = agent->settings;
	struct member *self, fields = {
		.id = settings->id ? settings->id : "",
		.network = settings->network ? settings->network : "",
		.version = neti_version(),
		.private_address = settings->private_ip,
		.public_address = settings->public_ip,
		.live = true,
	};

	if (agent->self)
		fields.overlay = agent->self->overlay;
	if (member_new(&self, &fields) < 0)
		return error_memory(error);
	member_unref(agent->self);
	agent->self = self;
	agent->status.id = self->id;
	agent->status.network = self->network;
	return 0;
}

/*
 * What an earlier agent here knew. A registry that was emptied meanwhile is made anew with the
 * fleet's settings as they were, and is asked for the address that this host had.
 */
static void remember(struct agent *agent)
{
	const struct settings *settings = agent->settings;
	struct member_list members = { 0 };
	struct fleet_settings fleet;
	struct error error;

	if (!agent->options.rules || state_load(settings->state_dir, &fleet, &members, &error) < 0)
		return; /* seed_fleet() says why */
	if (!settings->overlay_subnet_given ||
		prefix_compare(&settings->overlay_subnet, &fleet.overlay_subnet) == 0)
		agent->initial = fleet;
	for (size_t i = 0; i < members.length; i++)
		if (strcmp(members.items[i]->id, agent->self->id) == 0) {
			agent->self->overlay = members.items[i]->overlay;
			break;
		}
	member_list_clear(&members);
}

/* What this host left behind when it was killed is its own. */
static void remember_sessions(struct agent *agent)
{
	uint64_t sessions[REGISTRY_SESSIONS];
	struct error error;
	size_t n = 0;
	int result = sessions_load(agent->settings->state_dir, sessions, &n, &error);

	if (result == 0)
		registry_remember(agent->registry, sessions, n);
	else if (result != -ENOENT)
		log_warning(agent->log, "%s", error.text);
}

static int join(struct agent *agent, struct error *error)
{
	if (!agent->options.member)
		return 0;
	return registry_join(agent->registry, agent->self, agent->options.takeover, error);
}

int reconcile_open(struct agent *agent, const struct settings *settings,
	const struct agent_options *options, struct events *events, const struct log *log,
	struct error *error)
{
	const struct registry_handler handler = registry_events_handler(agent);

	*agent = (struct agent){
		.options = *options,
		.events = events,
		.log = log,
		.fleet_due = -1,
		.status = { .registry = "connecting" },
	};
	refresh_init(&agent->refresh, clock_now());
	host_begin(agent, clock_now());
	if (settings_copy(&agent->settings, settings) < 0)
		return error_memory(error);
	files_begin(agent);
	fleet_settings_default(&agent->initial, &settings->overlay_subnet);
	if (make_self(agent, error) < 0)
		return error->result;
	remember(agent);
	if (options->rules && applier_open(&agent->applier, settings, log, error) < 0)
		return error->result;
	if (open_registry(&agent->registry, settings, options->member ? &agent->initial : NULL,
		    &handler, log, error) < 0)
		return error->result;
	if (options->member)
		remember_sessions(agent);
	if (join(agent, error) < 0)
		return error->result;
	return registry_watch(agent->registry) < 0 ? error_memory(error) : 0;
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
static void keep_places(struct agent *agent, struct settings *fresh)
{
	struct settings *old = agent->settings;
	char *state_dir = old->state_dir;

	if (!same_registry(old, fresh))
		log_warning(agent->log, "registry changed: takes effect at the next start");
	if (strcmp(old->state_dir, fresh->state_dir) != 0)
		log_warning(agent->log, "state_dir changed: takes effect at the next start");
	old->state_dir = fresh->state_dir;
	fresh->state_dir = state_dir;
}

void reconcile_reload(struct agent *agent, struct settings *fresh)
{
	struct settings *old = agent->settings;
	bool moves =
		!address_equal(&old->private_ip, &fresh->private_ip) ||
		!address_equal(&old->public_ip, &fresh->public_ip) ||
		strcmp(old->network ? old->network : "", fresh->network ? fresh->network : "") != 0;
	struct error error, moved;
	int result = 0;

	keep_places(agent, fresh);
	if (agent->options.rules && !engine_suits(agent->applier.engine, fresh))
		result = applier_reopen(&agent->applier, fresh, &error);
	agent->settings = fresh;
	agent_rules_stale(agent);
	if (agent->applier.applied && agent_waits(agent)) {
		agent->policy_stale = true;
		agent->policy_due = 0;
	}
	settings_free(old);
	/* Whatever the engine says, the fleet is told. */
	agent->moving |= moves;
	if (agent->moving && make_self(agent, &moved) >= 0 && join(agent, &moved) >= 0)
		agent->moving = false;
	if (agent->moving)
		agent_trouble(agent, TROUBLE_SETTINGS, &moved);
	else if (result < 0)
		agent_trouble(agent, TROUBLE_SETTINGS, &error);
	else
		agent_well(agent, TROUBLE_SETTINGS);
}

void reconcile_close(struct agent *agent)
{
	refresh_clear(&agent->refresh);
	host_end(agent);
	if (agent->registry)
		registry_close(agent->registry);
	if (agent->applier.engine)
		applier_close(&agent->applier);
	fleet_free(agent->fleet);
	member_unref(agent->self);
	settings_free(agent->settings);
	changes_void(&agent->fleet_changes);
	changes_void(&agent->ruleset_changes);
	*agent = (struct agent){ 0 };
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

static void post_delta(struct agent *agent, struct fleet_delta *delta)
{
	struct neti_event *event =
		event_new(NETI_EVENT_MEMBERS, "%zu members: %zu added, %zu moved, %zu removed",
			fleet_members(agent->fleet)->length, delta->added.length,
			delta->moved.length, delta->removed.length);

	if (event && (steal_list(&event->added, &delta->added) < 0 ||
			     steal_list(&event->moved, &delta->moved) < 0 ||
			     steal_list(&event->removed, &delta->removed) < 0)) {
		event_free(event);
		event = NULL;
	}
	events_post(agent->events, event);
}

static void note_held(struct agent *agent)
{
	size_t held = fleet_held(agent->fleet) + agent->applier.held;
	struct neti_event *event;

	if (held == agent->status.held)
		return;
	agent->status.held = held;
	agent->status_stale = true;
	event = event_new(NETI_EVENT_HELD,
		held ? "%zu removals are held by the guard: until the "
		       "members are back, or \"netictl fleet accept\" "
		       "confirms that they are gone" :
		       "%zu removals are held by the guard",
		held);
	if (event)
		event->count = held;
	events_post(agent->events, event);
}

/* What the other hosts can read of this one. The kernel holds the newest revision also when the
 * change was none for it: a member that came back within its delay, say. */
static void note_revision(struct agent *agent)
{
	struct status *status = &agent->status;

	status->newest = fleet_revision(agent->fleet);
	if (agent->applier.applied && !agent->stale.rules && agent->fleet_due < 0 &&
		status->held == 0)
		status->revision = status->newest;
	if (status->newest == status->revision)
		status->behind_since = 0;
	else if (!status->behind_since)
		status->behind_since = time(NULL);
	registry_publish(agent->registry, status->revision, status->held);
}

static void note_stale_members(struct stale *stale, const struct member_list *members)
{
	for (size_t i = 0; i < members->length; i++)
		stale->overlays[stale->n++] = members->items[i]->overlay;
}

static void note_stale(struct agent *agent, const struct fleet_delta *delta)
{
	struct stale *stale = &agent->stale;

	stale->rules = true;
	stale->whole |= delta->partial || stale->n + fleet_delta_size(delta) > FLEET_VIEW_PATCH_MAX;
	if (stale->whole)
		return;
	note_stale_members(stale, &delta->added);
	note_stale_members(stale, &delta->moved);
	note_stale_members(stale, &delta->removed);
}

static void step_fleet(struct agent *agent, int64_t now)
{
	struct fleet_delta delta = { 0 };
	int result = fleet_step(agent->fleet, now, &delta, &agent->fleet_due);

	if (result == -ENODATA) {
		agent->fleet_due = -1;
		return;
	}
	if (result < 0) {
		agent->fleet_due = now + 1000;
		return;
	}
	/* Before the event: who hears of a change and asks must see it. After a restart the first
	 * view is what was kept, and no change. */
	if (result == 1 || !agent->status.ready)
		agent->view_changed(agent->view_data, agent->status.ready ? &delta : NULL);
	agent->status_stale |= !agent->status.ready;
	agent->status.ready = true;
	/* Also while as many are held as before: they may be others. */
	agent->doubts_stale |= fleet_held(agent->fleet) || agent->status.held;
	if (result == 1 || agent->doubts_stale)
		files_state_changed(agent, now);
	if (result == 1) {
		note_stale(agent, &delta);
		state_note(&agent->fleet_changes, &delta);
		post_delta(agent, &delta);
	}
	fleet_delta_clear(&delta);
	note_held(agent);
	note_revision(agent);
}

static void kernel_failed(struct agent *agent, const struct error *error, int64_t now)
{
	int64_t wait = 500ll << (agent->failures < 6 ? agent->failures : 6);

	agent->pace.not_before = now + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
	agent->failures++;
	agent_trouble(agent, TROUBLE_KERNEL, error);
}

static void applied(struct agent *agent, const struct engine_report *report)
{
	struct status *status = &agent->status;
	struct neti_event *event;

	agent->stale = (struct stale){ 0 };
	files_state_changed(agent, clock_now());
	agent->failures = 0;
	status->peers = agent->applier.applied->n_peers;
	status->revision = fleet_revision(agent->fleet);
	status->applied_at = time(NULL);
	status->applied_seconds = report->seconds;
	status->commits++;
	status->commit_seconds += report->seconds;
	agent_well(agent, TROUBLE_KERNEL);
	if (agent->applier.applied->policy.reject_all != status->refusing)
		agent->policy_due = 0;
	agent->status_stale = true;
	event = event_new(NETI_EVENT_APPLIED,
		"rules applied for registry revision %llu: %zu peers, %zu entries changed, %.1f ms",
		(unsigned long long)status->revision, status->peers, report->entries,
		report->seconds * 1e3);
	if (event) {
		event->revision = status->revision;
		event->seconds = report->seconds;
	}
	events_post(agent->events, event);
}

/* Few members of many: the ruleset is neither built again nor compared. */
static int apply_members(struct agent *agent, struct engine_report *ret, struct error *error)
{
	struct stale *stale = &agent->stale;
	size_t n = stale->n > 0;

	if (stale->whole)
		return -ESTALE;
	address_sort(stale->overlays, stale->n);
	for (size_t i = 1; i < stale->n; i++)
		if (!address_equal(&stale->overlays[n - 1], &stale->overlays[i]))
			stale->overlays[n++] = stale->overlays[i];
	stale->n = n;
	return applier_follow(&agent->applier, &agent->fleet_settings, agent->self,
		fleet_members(agent->fleet), stale->overlays, n, &agent->ruleset_changes, ret,
		error);
}

static int apply_all(struct agent *agent, struct engine_report *ret, struct error *error)
{
	struct ruleset *wanted;
	int result;

	if (ruleset_build(&wanted, &agent->settings->policy, &agent->fleet_settings, agent->self,
		    fleet_members(agent->fleet), &agent->own) < 0)
		return error_memory(error);
	result = applier_apply(&agent->applier, &agent->fleet_settings, wanted, ret, error);
	if (result < 0)
		ruleset_free(wanted);
	return result;
}

static void apply_rules(struct agent *agent, int64_t now)
{
	struct engine_report report = { 0 };
	struct error error;
	int result = apply_members(agent, &report, &error);

	if (result == -ESTALE) {
		changes_void(&agent->ruleset_changes);
		result = apply_all(agent, &report, &error);
	}
	if (result < 0) {
		kernel_failed(agent, &error, now);
		agent->stale.whole = true;
	} else {
		applied(agent, &report);
		agent->check_due = now + CHECK_MS;
	}
	note_held(agent);
	note_revision(agent);
}

/* Lines of a difference that are told; the rest is counted. */
#define DRIFT_LINES 40

static void shorten(struct buffer *diff)
{
	size_t lines = 0, rest = 0, end = 0;

	for (size_t i = 0; i < diff->length; i++) {
		if (diff->text[i] != '\n')
			continue;
		if (++lines == DRIFT_LINES)
			end = i + 1;
		rest += lines > DRIFT_LINES;
	}
	if (rest == 0)
		return;
	diff->text[end] = '\0';
	diff->length = end;
	buffer_print(diff, "  and %zu lines more\n", rest);
}

/* Who is at it all the time finds them repaired five times a second. */
static void listen_to_others(struct agent *agent, int64_t now)
{
	struct engine_heard heard;

	if (!agent->options.rules || engine_hear(agent->applier.engine, &heard) != 1)
		return;
	agent->heard = heard;
	if (agent->check_due > agent->checked_at + HEARD_MS)
		agent->check_due =
			now > agent->checked_at + HEARD_MS ? now : agent->checked_at + HEARD_MS;
}

static void tell_drift(struct agent *agent, const char *diff)
{
	struct status *status = &agent->status;
	const struct engine_heard *heard = &agent->heard;

	status->repairs++;
	status->repaired_at = time(NULL);
	status->repaired_from[0] = '\0';
	if (heard->pid)
		snprintf(status->repaired_from, sizeof(status->repaired_from), "%s, pid %d",
			heard->program, (int)heard->pid);
	agent->status_stale = true;
	log_warning(agent->log, "drift%s%s:\n%s", heard->pid ? ", by " : "", status->repaired_from,
		diff);
	events_post(agent->events,
		event_new(NETI_EVENT_DRIFT, "%s changed Neti's rules: they have been repaired",
			heard->pid ? status->repaired_from : "another program"));
}

static void check_rules(struct agent *agent, int64_t now)
{
	struct buffer diff = { 0 };
	struct error error;
	int result = applier_check(&agent->applier, &diff, &error);

	agent->check_due = now + CHECK_MS;
	agent->checked_at = now;
	if (result < 0) {
		agent_rules_stale(agent);
		kernel_failed(agent, &error, now);
	} else if (result == 1) {
		shorten(&diff);
		tell_drift(agent, buffer_text(&diff));
		agent->policy_due = 0;
	}
	agent->heard = (struct engine_heard){ 0 };
	buffer_clear(&diff);
}

static void ask_addresses(struct agent *agent, int64_t now)
{
	struct settings *fresh;

	if (refresh_turn(&agent->refresh, agent->settings, now, agent->log, &fresh) == 0)
		return;
	log_warning(agent->log,
		"this host's addresses have changed: the fleet is told the new ones");
	reconcile_reload(agent, fresh);
}

static bool may_apply(const struct agent *agent)
{
	return agent->options.rules && agent->stale.rules && agent->status.ready;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* While the guard holds what is to come, what is in force stays in force. */
static int64_t next_check(const struct agent *agent)
{
	if (!agent->applier.applied)
		return -1;
	if (agent->applier.held || agent->check_due > agent->pace.not_before)
		return agent->check_due;
	return agent->pace.not_before;
}

static int64_t next_due(const struct agent *agent)
{
	int64_t due = agent->fleet ? agent->fleet_due : -1;

	if (may_apply(agent))
		due = sooner(due, 0);
	if (due >= 0 && due < agent->pace.not_before)
		due = agent->pace.not_before;
	due = sooner(due, next_check(agent));
	due = sooner(due, files_due(agent));
	due = sooner(due, host_due(agent));
	return sooner(due, agent->refresh.due);
}

void reconcile_turn(struct agent *agent, int64_t now, int64_t *ret_due)
{
	double begin = clock_seconds(CLOCK_THREAD_CPUTIME_ID), cost;
	bool applied_now = false, checked = false;

	ask_addresses(agent, now);
	listen_to_others(agent, now);
	/* A look at the kernel may wait for a lock: whether strangers are refused is told before. */
	if (agent->applier.applied && now >= agent->check_due && agent->policy_due > now)
		agent->policy_due = now;
	host_turn(agent, now);
	if (!agent->status.ready)
		files_write(agent, now);
	if (now >= agent->pace.not_before) {
		if (agent->fleet && agent->fleet_due >= 0 && now >= agent->fleet_due)
			step_fleet(agent, now);
		if (may_apply(agent)) {
			apply_rules(agent, now);
			applied_now = true;
		}
	}
	if (next_check(agent) >= 0 && now >= next_check(agent)) {
		check_rules(agent, now);
		checked = true;
	}
	cost = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
	/* Files wait for the next turn, which looks first for another change. */
	if (!applied_now)
		files_write(agent, now);
	if (applied_now)
		pace_pay(&agent->pace, cost, clock_now());
	if (checked) {
		agent->check_due += pace_debt(cost);
		agent->checked_at += pace_debt(cost);
	}
	*ret_due = next_due(agent);
}

int reconcile_descriptor(struct agent *agent)
{
	return agent->options.rules && agent->applier.applied ?
		       engine_descriptor(agent->applier.engine) :
		       -1;
}

void reconcile_end(struct agent *agent)
{
	agent->status.session[0] = '\0';
	snprintf(agent->status.registry, sizeof(agent->status.registry), "left");
	files_write_last(agent);
}
