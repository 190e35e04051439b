/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_MEMBERS_H
#define NETI_REGISTRY_MEMBERS_H
#include "fleet/fleet.h"
#include "wait.h"

/* Live members in whose entries' names this text stands (NULL: all); not of all shards but of the
 * one where an overlay address belongs, unless that is NULL. The others cost next to nothing. */
int members_with(struct registry *registry, const char *part, const struct address *overlay,
	bool details, const struct deadline *deadline, struct member_list *ret,
	struct error *error);
/* Exchanges a live member for one with version, since and revision; it stays when it has left. */
int members_detail(struct registry *registry, struct member **member,
	const struct deadline *deadline, struct error *error);
/* The live member of a lease: 1 and a reference, or 0. */
int members_live(struct registry *registry, const char *id, const struct address *overlay,
	const struct deadline *deadline, struct member **ret, struct error *error);

#endif
