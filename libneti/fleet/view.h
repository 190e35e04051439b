/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_FLEET_VIEW_H
#define NETI_FLEET_VIEW_H
/*
 * The view of a fleet as a sorted list, changed in place.
 */
#include "fleet.h"

/* Whether its overlay address is in it. */
bool fleet_view_has(const struct member_list *view, const struct member *member);
/* -ENOMEM: the view is to be made anew. */
int fleet_view_patch(struct member_list *view, const struct fleet_delta *delta);

#endif
