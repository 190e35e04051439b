/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_CONFIRM_H
#define NETI_CLI_CONFIRM_H
/*
 * apply --confirm: rules that are rolled back unless somebody can still say that they are good.
 */
#include "netictl.h"

/* Applies in a process of its own, the rollback, which outlives this one and its terminal, and
 * takes the change back after the time. Returns when the rules are up. */
int confirm_apply(struct netictl *netictl, const struct neti_ruleset *ruleset, uint64_t time_ms);
/* line.confirm; EXIT_USAGE after saying that it is not a duration. */
int confirm_time(const struct netictl *netictl, uint64_t *ret_ms);
/* Ends the rollback without a change: the rules stay. False when there is none. */
bool confirm_end(const char *state_dir);

#endif
