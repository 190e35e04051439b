/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes status, metrics and state. A watcher leaves no file behind, and who makes no rules has
 * none to put up again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "files.h"
#include "metrics.h"
#include "state.h"
#include "tables.h"

#define STATUS_MS 500
#define HEARTBEAT_MS 3000 /* "netictl check" calls an agent hung after three of them */
#define METRICS_MS 10000
#define STATE_MS 60000 /* with 16,000 members 180 ms on a busy machine, and a change waits */
#define RETRY_MS 5000

static bool has_status(const struct convergence *convergence)
{
	return convergence->options.member || convergence->options.rules;
}

void files_begin(const struct convergence *convergence)
{
	const char *path = convergence->settings->metrics_file;

	if (path && has_status(convergence))
		metrics_sweep(path);
}

static bool state_is_dirty(const struct convergence *convergence)
{
	return convergence->state_stale && convergence->options.rules;
}

static void note_result(struct convergence *convergence, enum trouble_cause cause, int result,
	const struct error *error)
{
	if (result < 0)
		convergence_trouble(convergence, cause, error);
	else
		convergence_well(convergence, cause);
}

/* It waits for the disk, so it is written when the fleet is quiet; but not much later. What is not
 * on the disk is lost to an agent that is killed: where it costs little it is there at once. */
void files_state_changed(struct convergence *convergence, int64_t now)
{
	if (!convergence->state_stale)
		convergence->state_since = now;
	convergence->state_stale = true;
	convergence->state_due = now + pace_quiet(convergence->state_seconds);
	if (convergence->state_due > convergence->state_since + STATE_MS)
		convergence->state_due = convergence->state_since + STATE_MS;
}

static size_t count_skipped(const struct convergence *convergence)
{
	return (convergence->fleet ? fleet_skipped(convergence->fleet) : 0) +
	       registry_strays(convergence->registry);
}

/* The set may be long. */
static void count_denied(struct convergence *convergence)
{
	struct status *status = &convergence->status;
	struct denied *denied = NULL;
	struct error error;
	size_t n = 0;

	if (!convergence->keeper.applied ||
		engine_denied(convergence->keeper.engine, &denied, &n, &error) < 0)
		return;
	status->denied_sources = n;
	status->denied_packets = 0;
	for (size_t i = 0; i < n; i++)
		status->denied_packets += denied[i].packets;
	free(denied);
}

static void write_metrics(struct convergence *convergence, int64_t now)
{
	const char *path = convergence->settings->metrics_file;
	struct error error;

	convergence->metrics_due = now + METRICS_MS;
	count_denied(convergence);
	if (path)
		note_result(convergence, TROUBLE_METRICS,
			metrics_write(path, &convergence->status, &error), &error);
	else
		convergence_well(convergence, TROUBLE_METRICS);
}

static void look_around(struct convergence *convergence)
{
	struct status *status = &convergence->status;

	status->members = convergence->fleet ? fleet_members(convergence->fleet)->length : 0;
	status->skipped = count_skipped(convergence);
	status->n_skipped_entries =
		registry_skipped(convergence->registry, status->skipped_entries);
	status->member = convergence->options.member;
	status->joined = registry_joined(convergence->registry);
	tables_look(convergence);
}

static void write_status(struct convergence *convergence, int64_t now)
{
	bool changed = convergence->status_stale;
	struct error error;
	int result;

	convergence->status_stale = false; /* first: what comes up meanwhile is news */
	look_around(convergence);
	if (changed || now >= convergence->metrics_due)
		write_metrics(convergence, now);
	convergence->status_due = now + STATUS_MS;
	result = status_write(convergence->settings->state_dir, &convergence->status, &error);
	note_result(convergence, TROUBLE_STATUS, result, &error);
	if (result < 0)
		convergence->status_due = now + RETRY_MS;
}

static int save_doubts(struct convergence *convergence, int64_t now, struct error *error)
{
	struct member_list held, doubted;
	int result;

	if (fleet_doubts(convergence->fleet, now, &held, &doubted) < 0)
		return error_memory(error);
	result = state_save_doubts(convergence->settings->state_dir, &convergence->fleet_settings,
		&held, &doubted, error);
	convergence->doubts_stale = result < 0;
	member_list_clear(&held);
	member_list_clear(&doubted);
	return result;
}

static void write_state(struct convergence *convergence, int64_t now)
{
	const char *folder = convergence->settings->state_dir;
	const struct ruleset *applied = convergence->keeper.applied;
	double begin = clock_seconds(CLOCK_MONOTONIC);
	struct error error;
	int result = save_doubts(convergence, now, &error);

	if (result == 0)
		result = state_save(folder, &convergence->fleet_settings,
			fleet_members(convergence->fleet), &error);
	if (result == 0 && applied)
		result = state_save_ruleset(folder, applied, &error);
	convergence->state_seconds = clock_seconds(CLOCK_MONOTONIC) - begin;
	note_result(convergence, TROUBLE_STATE, result, &error);
	convergence->state_stale = result < 0;
	convergence->state_since = now;
	convergence->state_due = now + RETRY_MS;
}

static int64_t next_status(const struct convergence *convergence)
{
	if (!has_status(convergence))
		return -1;
	return convergence->status_due + (convergence->status_stale ? 0 : HEARTBEAT_MS - STATUS_MS);
}

void files_write(struct convergence *convergence, int64_t now)
{
	if (!has_status(convergence))
		return;
	convergence->status_stale |= count_skipped(convergence) != convergence->status.skipped;
	if (now >= next_status(convergence))
		write_status(convergence, now);
	if (state_is_dirty(convergence) && now >= convergence->state_due)
		write_state(convergence, now);
}

int64_t files_due(const struct convergence *convergence)
{
	int64_t due = next_status(convergence);

	if (state_is_dirty(convergence) && (due < 0 || convergence->state_due < due))
		due = convergence->state_due;
	return due;
}

/* Who was proved since the state was written shall not be in doubt after a restart. */
void files_write_last(struct convergence *convergence)
{
	int64_t now = clock_now();
	struct error ignored;

	if (convergence->options.rules && convergence->status.ready)
		save_doubts(convergence, now, &ignored);
	convergence->state_due = convergence->status_due = convergence->metrics_due = 0;
	convergence->status_stale = true;
	files_write(convergence, now);
}
