/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_FLEET_VIEW_H
#define NETI_FLEET_VIEW_H
/*
 * The view of a fleet as a sorted list, changed in place.
 */
#include "fleet.h"

#define FLEET_VIEW_PATCH_MAX 64 /* more changes than that, and the list is made anew */

/* Who has the overlay address, or NULL. */
const struct member *fleet_view_find(const struct member_list *view, const struct address *overlay);
/* -ENOMEM: the view is to be made anew. */
int fleet_view_patch(struct member_list *view, const struct fleet_delta *delta);

#endif
