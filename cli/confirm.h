/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_CONFIRM_H
#define NETI_CLI_CONFIRM_H
/*
 * apply --confirm: rules that undo themselves unless somebody can still say that they are good.
 */
#include "netictl.h"

/* Applies in a process of its own, which outlives this one and its terminal, and undoes it after
 * the time. Returns when the rules are up. */
int confirm_apply(struct netictl *netictl, const struct neti_ruleset *ruleset, uint64_t time_ms);
/* line.confirm; EXIT_USAGE when it is no time, and that was said. */
int confirm_time(const struct netictl *netictl, uint64_t *ret_ms);
/* Ends the keeper of unconfirmed rules without undoing them; false when there is none. */
bool confirm_end(const char *state_dir);

#endif
