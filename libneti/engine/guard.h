/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_GUARD_H
#define NETI_GUARD_H
/*
 * The removal guard against the kernel itself: for who has no view of what was before.
 */
#include "engine.h"

/* -EPERM (NETI_REASON_HELD) when the ruleset would take more peers away from the kernel than
 * the fleet's settings allow at once; *ret_held (may be NULL) then tells how many, else 0. */
int guard_check(struct engine *engine, const struct fleet_settings *fleet,
	const struct ruleset *wanted, size_t *ret_held, struct error *error);

#endif
