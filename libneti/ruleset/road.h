/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ROAD_H
#define NETI_ROAD_H
/*
 * The road from this host to another.
 */
#include "ruleset.h"

/* Where a member is reached from here, and from where it is seen: unset when nowhere, or when it is
 * not in the overlay. */
struct address road_to(const struct prefix *overlay, const struct fleet_settings *fleet,
	const struct member *self, const struct member *member);

#endif
