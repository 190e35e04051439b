/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_FLEET_SLOT_H
#define NETI_FLEET_SLOT_H
/*
 * One overlay address of the fleet. Not more than that: the guard, who counts, is in fleet.c.
 */
#include <stdbool.h>
#include <stdint.h>

#include "member.h"

struct slot {
	struct member *shown;  /* in the view, or NULL */
	struct member *latest; /* in the registry, or NULL */
	int64_t gone_since;    /* when latest became NULL */
	int64_t seen_since;    /* doubted: when latest was read first, 0 while it is not there */
	bool accepted;	       /* an operator lets the removal pass the guard */
	bool held;	       /* the guard holds the removal: until seen again or accepted */
	bool seeded;	       /* shown by fleet_seed(), not seen since */
	bool doubted;	       /* shown from before the registry lost its data, not proved since */
};

/* How long an entry has to be there, seen from when on, to prove anything. */
struct proof {
	int64_t ms;
	int64_t since; /* INT64_MAX: the registry is not followed now */
};

bool slot_is_proved(const struct slot *slot, const struct proof *proof, int64_t now);
/* The address was read: latest has it, or NULL. */
void slot_settle(struct slot *slot, const struct proof *proof, struct member *latest, int64_t now);
/* What is shown is not what the registry has. */
bool slot_is_pending(const struct slot *slot);
/* Its member vanished, and is to go by the rules: neither held nor accepted. */
bool slot_is_loose(const struct slot *slot);

#endif
