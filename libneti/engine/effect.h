/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_EFFECT_H
#define NETI_EFFECT_H
/*
 * Whether the kernel does what its rules say: some take all of them and ask none.
 */
#include "ruleset/ruleset.h"

/* Sends a datagram to an overlay address that no member has: 1 when it was refused, 0 when it was
 * not, -errno when that cannot be told here: there is no such address, or no route to it. */
int effect_of(const struct ruleset *ruleset);

#endif
