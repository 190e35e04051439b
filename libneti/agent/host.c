/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's own networks and its own policy.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/host_networks.h"
#include "host.h"
#include "ruleset/ruleset_file.h"

#define LOOK_MS 5000
/* A registry that is there is read by then: its members are let in by the first apply of all. */
#define GRACE_MS 1000

void host_begin(struct agent *agent, int64_t now)
{
	agent->networks_due = -1;
	agent->policy_due = agent->options.rules ? now + GRACE_MS : -1;
}

void host_end(struct agent *agent)
{
	prefix_list_clear(&agent->own);
}

static void look_at_networks(struct agent *agent, int64_t now)
{
	const struct prefix *overlay = &agent->fleet_settings.overlay_subnet;
	double begin = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
	struct prefix_list own = { 0 };
	struct error error;
	int result = host_networks_overlapping(overlay, &own, &error);

	agent->networks_due =
		now + LOOK_MS + pace_debt(clock_seconds(CLOCK_THREAD_CPUTIME_ID) - begin);
	if (result < 0) { /* disturbed by a change: the next look will do */
		log_debug(agent->log, "%s", error.text);
		return;
	}
	if (result == 0)
		agent_well(agent, TROUBLE_OVERLAY);
	else
		agent_trouble(agent, TROUBLE_OVERLAY, &error);
	if (!prefix_list_equal(&own, &agent->own))
		agent_rules_stale(agent);
	prefix_list_clear(&agent->own);
	agent->own = own;
}

static bool is_to_refuse(const struct agent *agent)
{
	return agent->settings->policy.reject_all;
}

/* Where a kernel has peers and nothing was kept, their paths would be lost. */
static int check_replaceable(struct engine *engine, struct error *error)
{
	struct address *peers = NULL;
	size_t n = 0;
	int result = engine_peers(engine, &peers, &n, error);

	free(peers);
	if (result == 0 && n > 0)
		result = error_set(error, -EBUSY, NETI_REASON_KERNEL,
			"the rules of an earlier agent stay until the registry has been read");
	return result;
}

/* What was kept, with the peers that the kernel has by now: none is removed before the fleet is
 * known. */
static int put_up(struct agent *agent, struct error *error)
{
	const struct settings *settings = agent->settings;
	struct ruleset *wanted = NULL;
	int kept = ruleset_file_restore(settings, &wanted, error), result;

	if (kept == NETI_RESTORED_TORN)
		log_warning(agent->log, "%s", error->text);
	if ((kept == -ENOENT || kept == -EBADMSG) &&
		ruleset_build_policy(&wanted, &settings->policy, &settings->overlay_subnet) == 0)
		kept = NETI_RESTORED_POLICY;
	if (kept < 0)
		return kept == -ENOENT || kept == -EBADMSG ? error_memory(error) : kept;
	result = kept == NETI_RESTORED_WHOLE ? 0 : check_replaceable(agent->applier.engine, error);
	if (result == 0)
		result = applier_start(&agent->applier, wanted, error);
	if (result < 0) {
		ruleset_free(wanted);
		return result;
	}
	agent->policy_stale = false;
	if (!agent->status.ready) {
		agent->failures = 0;
		agent_well(agent, TROUBLE_KERNEL);
	}
	log_warning(agent->log, "%s: %s",
		agent->status.ready ? "removals are held" : "the registry has not been read",
		kept == NETI_RESTORED_WHOLE ? "the rules of the last run are in place" :
		is_to_refuse(agent)	    ? "strangers are refused, and no members are known" :
					      "nobody is refused, and no members are known");
	return 0;
}

/* An apply is under way, which will tell. */
static bool waits_for_apply(const struct agent *agent)
{
	return agent->status.ready && agent->stale.rules && !agent->failures;
}

/* Before the registry's rules are in force: what nobody put up yet, what other settings were read
 * for since, and what could not be looked at or repaired. */
static bool is_to_put_up(const struct agent *agent, int enforces)
{
	if (!agent_waits(agent))
		return false;
	if (agent->applier.applied)
		return agent->policy_stale;
	return (agent->failures && !agent->status.ready) || (enforces == 0 && is_to_refuse(agent));
}

/* Whether the policy is in force now. What is in force already stays so when that fails. */
static int put_up_again(struct agent *agent, int enforces, struct error *error)
{
	int result = put_up(agent, error);

	if (result == 0)
		return engine_enforces(agent->applier.engine, error);
	if (enforces != 1)
		return result;
	agent_trouble(agent, TROUBLE_KERNEL, error);
	return enforces;
}

static void look_at_policy(struct agent *agent, int64_t now)
{
	struct engine *engine = agent->applier.engine;
	struct error error, told;
	int enforces;

	agent->policy_due = now + (waits_for_apply(agent) ? GRACE_MS : LOOK_MS);
	if (waits_for_apply(agent))
		return;
	enforces = engine_enforces(engine, &error);
	if (is_to_put_up(agent, enforces))
		enforces = put_up_again(agent, enforces, &error);
	if (enforces == 0)
		error_set(&error, -EPERM, NETI_REASON_KERNEL,
			"the rules that refuse them are not in the kernel");
	agent->status_stale |= agent->status.refusing != (enforces == 1);
	agent->status.refusing = enforces == 1;
	if (enforces == 1 || !is_to_refuse(agent)) {
		agent_well(agent, TROUBLE_OPEN);
		return;
	}
	error_set(&told, error.result, error.reason,
		"this host lets strangers in, although reject_all is true: %.400s", error.text);
	agent_trouble(agent, TROUBLE_OPEN, &told);
}

void host_turn(struct agent *agent, int64_t now)
{
	if (agent->networks_due >= 0 && now >= agent->networks_due)
		look_at_networks(agent, now);
	if (agent->policy_due >= 0 && now >= agent->policy_due)
		look_at_policy(agent, now);
}

int64_t host_due(const struct agent *agent)
{
	int64_t a = agent->networks_due, b = agent->policy_due;

	return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}
