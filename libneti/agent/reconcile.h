/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_RECONCILE_H
#define NETI_RECONCILE_H
/*
 * From the registry to the kernel, in rounds. One thread's own: no locks.
 */
#include "agent.h"

int reconcile_open(struct agent *agent, const struct settings *settings,
	const struct agent_options *options, struct events *events, const struct log *log,
	struct error *error);
/* One round: whatever is due. *ret_due is when to come again. */
void reconcile_turn(struct agent *agent, int64_t now, int64_t *ret_due);
void reconcile_reload(struct agent *agent, struct settings *fresh); /* steals */
/* What the turn has to be early for; -1: nothing. */
int reconcile_descriptor(struct agent *agent);
void reconcile_end(struct agent *agent); /* writes what others read once more, before the close */
void reconcile_close(struct agent *agent);

#endif
