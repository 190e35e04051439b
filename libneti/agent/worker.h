/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_WORKER_H
#define NETI_WORKER_H
/*
 * The agent's thread: registry, fleet, ruleset and kernel joined in one loop. Nothing of it
 * runs on the caller's thread but the calls below.
 */
#include "agent.h"

struct worker;

/* Settings are complete (identity) and borrowed. Everything that can fail at once fails here;
 * the thread runs when it returns 0. */
int worker_start(struct worker **ret, const struct settings *settings,
	const struct agent_options *options, struct events *events, struct error *error);
/* Leaves the fleet, keeps the rules, ends the thread. Returns NULL. */
struct worker *worker_stop(struct worker *worker);
int worker_reload(struct worker *worker, const struct settings *settings);
/* Adds the fleet as it is seen now. -ENODATA before the whole list was read. */
int worker_members(struct worker *worker, struct member_list *list);
/* When the loop last turned, by clock_now(). */
int64_t worker_last_turn(struct worker *worker);

#endif
