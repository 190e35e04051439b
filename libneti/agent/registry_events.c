/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the registry says, taken into the fleet. Runs inside registry_process(), on the worker.
 */
#include <stdio.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "registry_events.h"
#include "sessions.h"
#include "state.h"

/* Twice the time-out that the servers grant is longer than they wait for anybody's. */
static void follow(struct agent *agent, bool connected)
{
	if (agent->fleet && connected)
		fleet_follow(agent->fleet, 2 * (int64_t)registry_timeout(agent->registry),
			clock_now());
	else if (agent->fleet)
		fleet_unfollow(agent->fleet, clock_now());
}

/* Before anything is written in a new session. When that fails, an agent that is killed waits for
 * the end of its own session, and no more. */
static void keep_sessions(struct agent *agent)
{
	const uint64_t *sessions;
	size_t n = registry_sessions(agent->registry, &sessions);
	struct error error;

	if (!agent->options.member || n == 0 || sessions[0] == agent->kept_session)
		return;
	if (sessions_save(agent->settings->state_dir, sessions, n, &error) < 0)
		log_warning(agent->log, "%s", error.text);
	agent->kept_session = sessions[0];
}

static void on_state(void *data, enum store_state state, const char *detail)
{
	static const char *const names[] = {
		[STORE_CONNECTING] = "connecting",
		[STORE_CONNECTED] = "connected",
		[STORE_SUSPENDED] = "suspended",
		[STORE_EXPIRED] = "expired",
		[STORE_REFUSED] = "refused",
	};
	struct agent *agent = data;
	struct status *status = &agent->status;
	uint64_t session = registry_session(agent->registry);

	snprintf(status->registry, sizeof(status->registry), "%s", names[state]);
	status->session[0] = '\0';
	status->session_timeout_ms = registry_timeout(agent->registry);
	if (session)
		snprintf(status->session, sizeof(status->session), "0x%llx",
			(unsigned long long)session);
	keep_sessions(agent);
	agent->status_stale = true;
	follow(agent, state == STORE_CONNECTED);
	events_post(agent->events, event_new(NETI_EVENT_REGISTRY, "registry %s%s%s", names[state],
					   detail ? ": " : "", detail ? detail : ""));
}

/* That there is no file is nothing to tell. */
static void tell_ignored(struct agent *agent, int result, const struct error *error)
{
	if (result < 0 && result != -ENOENT)
		log_warning(agent->log, "%s", error->text);
}

/* Whose removal an earlier agent held, and whom it doubted; what it held may be accepted since. */
static void seed_doubts(struct agent *agent)
{
	const char *folder = agent->settings->state_dir;
	struct member_list held = { 0 }, doubted = { 0 };
	struct fleet_settings then = { 0 }, ignored;
	struct error error;

	tell_ignored(agent, state_load_held(folder, &then, &held, &error), &error);
	tell_ignored(agent, state_load_doubted(folder, &ignored, &doubted, &error), &error);
	fleet_seed_doubts(agent->fleet, &held, &doubted,
		agent->fleet_settings.accepted > then.accepted);
	member_list_clear(&held);
	member_list_clear(&doubted);
}

/* Members that an earlier agent let in, as far as the kernel still does. */
static void seed_fleet(struct agent *agent)
{
	struct member_list members = { 0 };
	struct fleet_settings fleet;
	struct error error;
	int result;

	if (!agent->options.rules)
		return;
	result = state_load(agent->settings->state_dir, &fleet, &members, &error);
	if (result == 0)
		result = applier_filter(&agent->applier, &agent->settings->policy,
			&agent->fleet_settings, agent->self, &members, &error);
	if (result == 0 && fleet_seed(agent->fleet, &members) < 0)
		result = error_memory(&error);
	if (result == 0)
		seed_doubts(agent);
	/* The lease tells: on_replaced() comes before on_joined() when it had to be taken anew. */
	fleet_keep_seed(agent->fleet, agent->options.member && !agent->registered);
	tell_ignored(agent, result, &error);
	member_list_clear(&members);
}

static void check_overlay(struct agent *agent)
{
	const struct prefix *subnet = &agent->fleet_settings.overlay_subnet;
	const struct settings *settings = agent->settings;
	char text[PREFIX_TEXT_MAX], own[PREFIX_TEXT_MAX];

	agent->status.addresses = prefix_count(subnet) - 2; /* network, broadcast */
	agent->networks_due = 0;
	if (settings->overlay_subnet_given &&
		prefix_compare(&settings->overlay_subnet, subnet) != 0)
		log_warning(agent->log,
			"overlay_subnet: the fleet's %s is used, not this host's setting %s",
			prefix_format(subnet, text), prefix_format(&settings->overlay_subnet, own));
}

/* What can never change in a living fleet. */
static int check_same_fleet(const struct agent *agent, const struct fleet_settings *settings,
	struct error *error)
{
	const struct fleet_settings *known = &agent->fleet_settings;
	const struct prefix *subnet = &settings->overlay_subnet;
	char from[PREFIX_TEXT_MAX], to[PREFIX_TEXT_MAX];

	if (known->shards != settings->shards)
		return error_set(error, -EINVAL, NETI_REASON_REGISTRY,
			"the fleet's shards changed from %u to %u: that is another fleet; the rules "
			"stay, restart to follow it",
			known->shards, settings->shards);
	if (subnet->length <= known->overlay_subnet.length &&
		prefix_contains(subnet, &known->overlay_subnet.address))
		return 0;
	return error_set(error, -EINVAL, NETI_REASON_REGISTRY,
		"the fleet's overlay_subnet changed from %s to %s: that is another fleet; the rules "
		"stay, restart to follow it",
		prefix_format(&known->overlay_subnet, from), prefix_format(subnet, to));
}

static int make_fleet(struct agent *agent)
{
	int result = fleet_new(&agent->fleet, &agent->fleet_settings);

	if (result < 0)
		return result;
	seed_fleet(agent);
	follow(agent, true);
	return 0;
}

static void on_fleet(void *data, const struct fleet_settings *settings)
{
	struct agent *agent = data;
	bool was_foreign = agent->foreign;
	struct error error;

	agent->foreign = agent->fleet && check_same_fleet(agent, settings, &error) < 0;
	if (agent->foreign) {
		agent_trouble(agent, TROUBLE_FOREIGN, &error);
		return;
	}
	agent_well(agent, TROUBLE_FOREIGN);
	if (was_foreign) /* what came meanwhile was not taken in */
		registry_read_again(agent->registry);
	agent->applier.accepted |=
		agent->fleet && settings->accepted > agent->fleet_settings.accepted;
	agent->fleet_settings = *settings;
	agent_rules_stale(agent);
	check_overlay(agent);
	if (agent->fleet)
		fleet_configure(agent->fleet, settings);
	else
		make_fleet(agent);
	agent->fleet_due = 0;
}

static void on_replaced(void *data)
{
	struct agent *agent = data;

	if (agent->fleet)
		fleet_doubt(agent->fleet);
	agent->doubts_stale = true;
	agent->fleet_due = 0;
}

/* What fails for want of memory is read again a little later. */
static int on_shard(void *data, const struct fleet_reading *reading)
{
	struct agent *agent = data;
	int result = 0;

	if (agent->foreign)
		return 0;
	if (!agent->fleet)
		result = make_fleet(agent);
	if (result == 0)
		result = fleet_shard(agent->fleet, reading, clock_now());
	if (result < 0)
		log_error(agent->log, "shard %x was not taken in: %s", reading->shard,
			strerrordesc_np(-result));
	agent->fleet_due = 0;
	return result == -ENOMEM ? result : 0;
}

static int on_joined(void *data, const struct member *self)
{
	struct agent *agent = data;
	struct neti_event *event;
	struct member *copy;

	if (member_new(&copy, self) < 0)
		return -ENOMEM;
	if (!member_same(copy, agent->self))
		agent_rules_stale(agent);
	member_unref(agent->self);
	agent->self = copy;
	agent->status.id = copy->id;
	agent->status.network = copy->network;
	address_format(&self->overlay, agent->status.overlay);
	agent->status_stale = true;
	if (agent->fleet)
		fleet_keep_seed(agent->fleet, false);
	agent->fleet_due = 0;
	for (int joined = agent->registered; joined < 2; joined++) {
		event = event_new(joined ? NETI_EVENT_JOINED : NETI_EVENT_REGISTERED, "%s %s as %s",
			self->id, joined ? "is in the fleet" : "has its overlay address",
			agent->status.overlay);
		if (event)
			event->member = member_ref(copy);
		events_post(agent->events, event);
	}
	agent->registered = true;
	return 0;
}

static void on_trouble(void *data, enum registry_trouble which, const struct error *error)
{
	static const enum trouble_cause causes[REGISTRY_TROUBLES] = {
		[REGISTRY_TROUBLE_FLEET] = TROUBLE_FLEET,
		[REGISTRY_TROUBLE_SHARDS] = TROUBLE_SHARDS,
		[REGISTRY_TROUBLE_ENTRY] = TROUBLE_ENTRY,
		[REGISTRY_TROUBLE_TWIN] = TROUBLE_TWIN,
	};

	if (error)
		agent_trouble(data, causes[which], error);
	else
		agent_well(data, causes[which]);
}

struct registry_handler registry_events_handler(struct agent *agent)
{
	return (struct registry_handler){
		.state = on_state,
		.fleet = on_fleet,
		.replaced = on_replaced,
		.shard = on_shard,
		.joined = on_joined,
		.trouble = on_trouble,
		.data = agent,
	};
}
