/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ROAD_H
#define NETI_ROAD_H
/*
 * The road from this host to another.
 */
#include "ruleset.h"

/* The path to a member; false when there is none: nowhere to be reached, or not in the overlay. */
bool road_to(const struct prefix *overlay, const struct fleet_settings *fleet,
	const struct member *self, const struct member *member, struct path *ret);

#endif
