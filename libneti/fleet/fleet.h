/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_FLEET_H
#define NETI_FLEET_H
/*
 * The fleet as this host sees it. Pure: shards come in as they are read, deltas go out; the
 * clock is passed in (milliseconds of a clock that never goes back).
 *
 * Until every shard was read once there is no view. Additions and moved members count at once;
 * a vanished one leaves after the removal delay; more removals than the guard allows are held,
 * each of them until its member is read again or an operator accepts it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fleet_settings.h"
#include "member.h"

/* For so long an entry has to stay after fleet_doubt() to prove that somebody lives: a ZooKeeper
 * server waits for a session 40 seconds and a tick at the most, unless it is set to wait longer. */
#define FLEET_PROOF_MS 90000

struct fleet;

/* The whole content of one shard, as just read. */
struct fleet_reading {
	unsigned shard;
	const struct member_list *members; /* sorted */
	size_t bad;			   /* entries that were no members */
	uint64_t revision;		   /* of the registry, when the shard changed last */
};

struct fleet_delta {
	struct member_list added;   /* new members */
	struct member_list moved;   /* same overlay address, other id, network or addresses */
	struct member_list removed; /* as they were */
	bool partial;		    /* the view changed in more than these, for want of memory */
};

int fleet_new(struct fleet **ret, const struct fleet_settings *settings);
struct fleet *fleet_free(struct fleet *fleet);
/* Guard and delay may change while living; so may the subnet. The shard count may not. */
void fleet_configure(struct fleet *fleet, const struct fleet_settings *settings);
/* Members known from before a restart, sorted, before the first shard: removals are counted
 * against them. */
int fleet_seed(struct fleet *fleet, const struct member_list *members);
/* Those of them that are not seen stay for as long: it is not known yet whether this is the registry
 * that had them. */
void fleet_keep_seed(struct fleet *fleet, bool keep);
/*
 * What a restart must not forget: of the members in the view those whose removal is held, and
 * those in doubt; and the same for a fleet that was seeded with that view. accepted: an operator
 * has let go meanwhile what was held.
 */
int fleet_doubts(const struct fleet *fleet, int64_t now, struct member_list *ret_held,
	struct member_list *ret_doubted);
void fleet_seed_doubts(struct fleet *fleet, const struct member_list *held,
	const struct member_list *doubted, bool accepted);
/* Of several entries with one overlay address the one already in the view stays, else the first
 * counts; the others are skipped. */
int fleet_shard(struct fleet *fleet, const struct fleet_reading *reading, int64_t now);
bool fleet_ready(const struct fleet *fleet);
/*
 * Takes into the view what may go in now and tells what that was. Returns 1 when the view
 * changed, 0 when not, -ENODATA before every shard was read. *ret_next is the time at which to
 * call again, or -1. After -ENOMEM a later step makes the view whole, with a partial delta.
 */
int fleet_step(struct fleet *fleet, int64_t now, struct fleet_delta *ret, int64_t *ret_next);
size_t fleet_delta_size(const struct fleet_delta *delta);
void fleet_delta_clear(struct fleet_delta *delta);
/* The view: sorted by overlay address; valid until the next step. */
const struct member_list *fleet_members(const struct fleet *fleet);
/* Removals held by the guard now. Other limits let none of them go; accept does, at the next
 * step. */
size_t fleet_held(const struct fleet *fleet);
void fleet_accept(struct fleet *fleet);
/* The registry lost its data, or went back in time: whoever is missing from now on is held, however
 * few they are, until it is read again or accepted; and so is who is read and vanishes before
 * the entry was there for the time of proof, for it may be an old one. */
void fleet_doubt(struct fleet *fleet);
/* The connection to the registry stands from now on, or no longer: only while it does time proves
 * anything. proof_ms counts when it is more than FLEET_PROOF_MS. */
void fleet_follow(struct fleet *fleet, int64_t proof_ms, int64_t now);
void fleet_unfollow(struct fleet *fleet, int64_t now);
/* Whether the guard holds so many removals back from so many members. */
bool fleet_guard_holds(const struct fleet_settings *settings, size_t removals, size_t members);
/* Bad entries and second ones for an overlay address, in all shards. */
size_t fleet_skipped(const struct fleet *fleet);
/* The newest revision among the shards. */
uint64_t fleet_revision(const struct fleet *fleet);

#endif
