/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes status, metrics and state. A watcher leaves no file behind, and who makes no rules has
 * none to put up again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "files.h"
#include "metrics.h"
#include "ruleset/ruleset_file.h"
#include "state.h"
#include "tables.h"

#define STATUS_MS 500
#define HEARTBEAT_MS 3000 /* "netictl check" calls an agent hung after three of them */
#define METRICS_MS 10000
#define DENIED_MANY 4096 /* more than that are counted once a minute */
#define DENIED_MS 60000
#define STATE_MS 60000 /* with 16,000 members 180 ms on a busy machine, and a change waits */
#define RETRY_MS 5000

static bool has_status(const struct agent *agent)
{
	return agent->options.member || agent->options.rules;
}

void files_begin(const struct agent *agent)
{
	const char *path = agent->settings->metrics_file;

	if (path && has_status(agent))
		metrics_sweep(path);
}

static bool state_is_dirty(const struct agent *agent)
{
	return agent->state_stale && agent->options.rules;
}

static void note_result(struct agent *agent, enum trouble_cause cause, int result,
	const struct error *error)
{
	if (result < 0)
		agent_trouble(agent, cause, error);
	else
		agent_well(agent, cause);
}

/* It waits for the disk, so it is written when the fleet is quiet; but not much later. What is not
 * on the disk is lost to an agent that is killed: where it costs little it is there at once. */
void files_state_changed(struct agent *agent, int64_t now)
{
	if (!agent->state_stale)
		agent->state_since = now;
	agent->state_stale = true;
	agent->state_due = now + pace_quiet(agent->state_seconds);
	if (agent->state_due > agent->state_since + STATE_MS)
		agent->state_due = agent->state_since + STATE_MS;
}

static size_t count_skipped(const struct agent *agent)
{
	return (agent->fleet ? fleet_skipped(agent->fleet) : 0) + registry_strays(agent->registry);
}

/* The set may be long, and reading all of it then takes the kernel half a second. */
static void count_denied(struct agent *agent, int64_t now)
{
	struct status *status = &agent->status;
	struct denied *denied = NULL;
	struct error error;
	size_t n = 0;

	if (!agent->applier.applied || now < agent->denied_due)
		return;
	agent->denied_due = now + DENIED_MS; /* also when it cannot be read */
	if (engine_denied(agent->applier.engine, &denied, &n, &error) < 0)
		return;
	if (n <= DENIED_MANY)
		agent->denied_due = 0;
	status->denied_sources = n;
	status->denied_packets = 0;
	for (size_t i = 0; i < n; i++)
		status->denied_packets += denied[i].packets;
	free(denied);
}

static void write_metrics(struct agent *agent, int64_t now)
{
	const char *path = agent->settings->metrics_file;
	struct error error;

	agent->metrics_due = now + METRICS_MS;
	count_denied(agent, now);
	if (path)
		note_result(agent, TROUBLE_METRICS, metrics_write(path, &agent->status, &error),
			&error);
	else
		agent_well(agent, TROUBLE_METRICS);
}

static void look_around(struct agent *agent)
{
	struct status *status = &agent->status;

	status->members = agent->fleet ? fleet_members(agent->fleet)->length : 0;
	status->skipped = count_skipped(agent);
	status->n_skipped_entries = registry_skipped(agent->registry, status->skipped_entries);
	status->engine = agent->applier.engine ? engine_name(agent->applier.engine) : NULL;
	status->member = agent->options.member;
	status->joined = registry_joined(agent->registry);
	tables_look(agent);
}

static void write_status(struct agent *agent, int64_t now)
{
	bool changed = agent->status_stale;
	struct error error;
	int result;

	agent->status_stale = false; /* first: what comes up meanwhile is news */
	look_around(agent);
	if (changed || now >= agent->metrics_due)
		write_metrics(agent, now);
	agent->status_due = now + STATUS_MS;
	result = status_write(agent->settings->state_dir, &agent->status, &error);
	note_result(agent, TROUBLE_STATUS, result, &error);
	if (result < 0)
		agent->status_due = now + RETRY_MS;
}

static int save_doubts(struct agent *agent, int64_t now, struct error *error)
{
	struct member_list held, doubted;
	int result;

	if (fleet_doubts(agent->fleet, now, &held, &doubted) < 0)
		return error_memory(error);
	result = state_save_doubts(agent->settings->state_dir, &agent->fleet_settings, &held,
		&doubted, error);
	agent->doubts_stale = result < 0;
	agent->doubts_kept = held.length || doubted.length;
	member_list_clear(&held);
	member_list_clear(&doubted);
	return result;
}

/* Few changes of what was written whole, else all of it. */
static int save_fleet(struct agent *agent, struct error *error)
{
	const char *folder = agent->settings->state_dir;
	struct changes *changes = &agent->fleet_changes;
	int result = -ESTALE;

	if (changes_suffice(changes))
		result = state_append(folder, changes, error);
	if (result == -ESTALE)
		result = state_save(folder, &agent->fleet_settings, fleet_members(agent->fleet),
			changes, error);
	return result;
}

static int save_ruleset(struct agent *agent, struct error *error)
{
	const char *folder = agent->settings->state_dir;
	struct changes *changes = &agent->ruleset_changes;
	int result = -ESTALE;

	if (!agent->applier.applied)
		return 0;
	if (changes_suffice(changes))
		result = ruleset_file_append(folder, changes, error);
	if (result == -ESTALE)
		result = ruleset_file_save(folder, agent->applier.applied, changes, error);
	return result;
}

static void write_state(struct agent *agent, int64_t now)
{
	double begin = clock_seconds(CLOCK_MONOTONIC);
	struct error error;
	int result = 0;

	if (agent->doubts_stale || agent->doubts_kept || !changes_suffice(&agent->fleet_changes))
		result = save_doubts(agent, now, &error);
	if (result == 0)
		result = save_fleet(agent, &error);
	if (result == 0)
		result = save_ruleset(agent, &error);
	agent->state_seconds = clock_seconds(CLOCK_MONOTONIC) - begin;
	note_result(agent, TROUBLE_STATE, result, &error);
	agent->state_stale = result < 0;
	agent->state_since = now;
	agent->state_due = now + RETRY_MS;
}

static int64_t next_status(const struct agent *agent)
{
	if (!has_status(agent))
		return -1;
	return agent->status_due + (agent->status_stale ? 0 : HEARTBEAT_MS - STATUS_MS);
}

void files_write(struct agent *agent, int64_t now)
{
	if (!has_status(agent))
		return;
	agent->status_stale |= count_skipped(agent) != agent->status.skipped;
	if (now >= next_status(agent))
		write_status(agent, now);
	if (state_is_dirty(agent) && now >= agent->state_due)
		write_state(agent, now);
}

int64_t files_due(const struct agent *agent)
{
	int64_t due = next_status(agent);

	if (state_is_dirty(agent) && (due < 0 || agent->state_due < due))
		due = agent->state_due;
	return due;
}

/* Who was proved since the state was written shall not be in doubt after a restart. */
void files_write_last(struct agent *agent)
{
	int64_t now = clock_now();
	struct error ignored;

	if (agent->options.rules && agent->status.ready)
		save_doubts(agent, now, &ignored);
	agent->state_due = agent->status_due = agent->metrics_due = 0;
	agent->status_stale = true;
	files_write(agent, now);
}
