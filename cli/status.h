/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_STATUS_H
#define NETI_CLI_STATUS_H
/*
 * What the agent of this host says of itself. Needs no privilege.
 */
#include <jansson.h>
#include <stdbool.h>

/* The agent writes its status every 3 s: after so many it hangs, or is gone. */
#define STATUS_SILENT_S 8

/* Whether an agent of this host lives; without the right to ask its lock, by its status. */
bool agent_runs(const char *state_dir);
/* As "status --json" prints it; NULL when there is none. */
json_t *status_read(const char *state_dir);

#endif
