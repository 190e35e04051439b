/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_FILES_H
#define NETI_FILES_H
/*
 * When the agent's files are written: status and metrics at every heartbeat and soon after a
 * change, the state when the fleet is quiet. A file that cannot be written is told, tried again,
 * and stops nothing.
 */
#include "agent.h"

void files_begin(const struct agent *agent);
/* What a restart would need is not what is on the disk. */
void files_state_changed(struct agent *agent, int64_t now);
void files_write(struct agent *agent, int64_t now); /* those that are due */
int64_t files_due(const struct agent *agent);	    /* -1: nothing to write */
void files_write_last(struct agent *agent);

#endif
