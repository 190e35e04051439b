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
static void follow(struct convergence *convergence, bool connected)
{
	if (convergence->fleet && connected)
		fleet_follow(convergence->fleet,
			2 * (int64_t)registry_timeout(convergence->registry), clock_now());
	else if (convergence->fleet)
		fleet_unfollow(convergence->fleet, clock_now());
}

/* Before anything is written in a new session. When that fails, an agent that is killed waits for
 * the end of its own session, and no more. */
static void keep_sessions(struct convergence *convergence)
{
	const uint64_t *sessions;
	size_t n = registry_sessions(convergence->registry, &sessions);
	struct error error;

	if (!convergence->options.member || n == 0 || sessions[0] == convergence->kept_session)
		return;
	if (sessions_save(convergence->settings->state_dir, sessions, n, &error) < 0)
		log_warning(convergence->log, "%s", error.text);
	convergence->kept_session = sessions[0];
}

static void on_state(void *data, enum store_state state, const char *detail)
{
	static const char *const names[] = {
		[STORE_CONNECTING] = "connecting", [STORE_CONNECTED] = "connected",
		[STORE_SUSPENDED] = "suspended",   [STORE_EXPIRED] = "expired",
		[STORE_REFUSED] = "refused",
	};
	struct convergence *convergence = data;
	struct status *status = &convergence->status;
	uint64_t session = registry_session(convergence->registry);

	snprintf(status->registry, sizeof(status->registry), "%s", names[state]);
	status->session[0] = '\0';
	status->session_timeout_ms = registry_timeout(convergence->registry);
	if (session)
		snprintf(status->session, sizeof(status->session), "0x%llx",
			(unsigned long long)session);
	keep_sessions(convergence);
	convergence->status_stale = true;
	follow(convergence, state == STORE_CONNECTED);
	events_post(convergence->events, event_new(NETI_EVENT_REGISTRY, "registry %s%s%s",
						 names[state], detail ? ": " : "", detail ? detail : ""));
}

/* That there is no file is nothing to tell. */
static void tell_ignored(struct convergence *convergence, int result, const struct error *error)
{
	if (result < 0 && result != -ENOENT)
		log_warning(convergence->log, "%s", error->text);
}

/* Whose removal an earlier agent held, and whom it doubted; what it held may be accepted since. */
static void seed_doubts(struct convergence *convergence)
{
	const char *folder = convergence->settings->state_dir;
	struct member_list held = { 0 }, doubted = { 0 };
	struct fleet_settings then = { 0 }, ignored;
	struct error error;

	tell_ignored(convergence, state_load_held(folder, &then, &held, &error), &error);
	tell_ignored(convergence, state_load_doubted(folder, &ignored, &doubted, &error), &error);
	fleet_seed_doubts(convergence->fleet, &held, &doubted,
		convergence->fleet_settings.accepted > then.accepted);
	member_list_clear(&held);
	member_list_clear(&doubted);
}

/* Members that an earlier agent let in, as far as the kernel still does. */
static void seed_fleet(struct convergence *convergence)
{
	struct member_list members = { 0 };
	struct fleet_settings fleet;
	struct error error;
	int result;

	if (!convergence->options.rules)
		return;
	result = state_load(convergence->settings->state_dir, &fleet, &members, &error);
	if (result == 0)
		result = keeper_filter(&convergence->keeper, &convergence->settings->policy,
			&convergence->fleet_settings, convergence->self, &members, &error);
	if (result == 0 && fleet_seed(convergence->fleet, &members) < 0)
		result = error_memory(&error);
	if (result == 0)
		seed_doubts(convergence);
	/* The lease tells: on_replaced() comes before on_joined() when it had to be taken anew. */
	fleet_keep_seed(convergence->fleet,
		convergence->options.member && !convergence->registered);
	tell_ignored(convergence, result, &error);
	member_list_clear(&members);
}

static void check_overlay(struct convergence *convergence)
{
	const struct prefix *subnet = &convergence->fleet_settings.overlay_subnet;
	const struct settings *settings = convergence->settings;
	char text[PREFIX_TEXT_MAX], own[PREFIX_TEXT_MAX];

	convergence->status.addresses = prefix_count(subnet) - 2; /* network, broadcast */
	convergence->networks_due = 0;
	if (settings->overlay_subnet_given && prefix_compare(&settings->overlay_subnet, subnet) != 0)
		log_warning(convergence->log,
			"overlay_subnet: the fleet's %s counts, not this host's %s",
			prefix_format(subnet, text), prefix_format(&settings->overlay_subnet, own));
}

/* What can never change in a living fleet. */
static int check_same_fleet(const struct convergence *convergence,
	const struct fleet_settings *settings, struct error *error)
{
	const struct fleet_settings *known = &convergence->fleet_settings;
	const struct prefix *subnet = &settings->overlay_subnet;
	char from[PREFIX_TEXT_MAX], to[PREFIX_TEXT_MAX];

	if (known->shards != settings->shards)
		return error_set(error, -EINVAL, NETI_REASON_REGISTRY,
			"the fleet's shards changed from %u to %u: that is another fleet; the rules "
			"stay, restart to follow it", known->shards, settings->shards);
	if (subnet->length <= known->overlay_subnet.length &&
		prefix_contains(subnet, &known->overlay_subnet.address))
		return 0;
	return error_set(error, -EINVAL, NETI_REASON_REGISTRY,
		"the fleet's overlay_subnet changed from %s to %s: that is another fleet; the rules "
		"stay, restart to follow it", prefix_format(&known->overlay_subnet, from),
		prefix_format(subnet, to));
}

static int make_fleet(struct convergence *convergence)
{
	int result = fleet_new(&convergence->fleet, &convergence->fleet_settings);

	if (result < 0)
		return result;
	seed_fleet(convergence);
	follow(convergence, true);
	return 0;
}

static void on_fleet(void *data, const struct fleet_settings *settings)
{
	struct convergence *convergence = data;
	bool was_foreign = convergence->foreign;
	struct error error;

	convergence->foreign = convergence->fleet && check_same_fleet(convergence, settings, &error) < 0;
	if (convergence->foreign) {
		convergence_trouble(convergence, TROUBLE_FOREIGN, &error);
		return;
	}
	convergence_well(convergence, TROUBLE_FOREIGN);
	if (was_foreign) /* what came meanwhile was not taken in */
		registry_read_again(convergence->registry);
	convergence->keeper.accepted |= convergence->fleet &&
					settings->accepted > convergence->fleet_settings.accepted;
	convergence->fleet_settings = *settings;
	convergence->rules_stale = true;
	check_overlay(convergence);
	if (convergence->fleet)
		fleet_configure(convergence->fleet, settings);
	else
		make_fleet(convergence);
	convergence->fleet_due = 0;
}

static void on_replaced(void *data)
{
	struct convergence *convergence = data;

	if (convergence->fleet)
		fleet_doubt(convergence->fleet);
	convergence->doubts_stale = true;
	convergence->fleet_due = 0;
}

/* What fails for want of memory is read again a little later. */
static int on_shard(void *data, const struct fleet_reading *reading)
{
	struct convergence *convergence = data;
	int result = 0;

	if (convergence->foreign)
		return 0;
	if (!convergence->fleet)
		result = make_fleet(convergence);
	if (result == 0)
		result = fleet_shard(convergence->fleet, reading, clock_now());
	if (result < 0)
		log_error(convergence->log, "shard %x was not taken in: %s", reading->shard,
			strerrordesc_np(-result));
	convergence->fleet_due = 0;
	return result == -ENOMEM ? result : 0;
}

static int on_joined(void *data, const struct member *self)
{
	struct convergence *convergence = data;
	struct neti_event *event;
	struct member *copy;

	if (member_new(&copy, self) < 0)
		return -ENOMEM;
	member_unref(convergence->self);
	convergence->self = copy;
	convergence->status.id = copy->id;
	convergence->status.network = copy->network;
	address_format(&self->overlay, convergence->status.overlay);
	convergence->status_stale = true;
	if (convergence->fleet)
		fleet_keep_seed(convergence->fleet, false);
	convergence->fleet_due = 0;
	for (int joined = convergence->registered; joined < 2; joined++) {
		event = event_new(joined ? NETI_EVENT_JOINED : NETI_EVENT_REGISTERED, "%s %s as %s",
			self->id, joined ? "is in the fleet" : "has its overlay address",
			convergence->status.overlay);
		if (event)
			event->member = member_ref(copy);
		events_post(convergence->events, event);
	}
	convergence->registered = true;
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
		convergence_trouble(data, causes[which], error);
	else
		convergence_well(data, causes[which]);
}

struct registry_handler intake_handler(struct convergence *convergence)
{
	return (struct registry_handler){
		.state = on_state,
		.fleet = on_fleet,
		.replaced = on_replaced,
		.shard = on_shard,
		.joined = on_joined,
		.trouble = on_trouble,
		.data = convergence,
	};
}
