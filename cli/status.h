/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_STATUS_H
#define NETI_CLI_STATUS_H
/*
 * What the agent of this host says of itself. Needs no privilege.
 */
#include <jansson.h>
#include <stdbool.h>

/* As "status --json" prints it; NULL when there is none. */
json_t *status_read(const char *state_dir);

#endif
