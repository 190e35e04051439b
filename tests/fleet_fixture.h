/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_FLEET_FIXTURE_H
#define NETI_TESTS_FLEET_FIXTURE_H
/*
 * A fleet of four shards for the suites of the view, and a registry that is a row of booleans.
 */
#include "fleet/fleet.h"
#include "members.h"

#define SHARDS 4

/* max_removals 20, 10 %, removal delay 5 s. */
extern const struct fleet_settings fleet_fixture_settings;
extern struct fleet *fleet;
extern struct fleet_delta delta; /* of the last step */
extern int64_t next;

/* Checked fixtures. */
void setup(void);
void teardown(void);
int step(int64_t now);
int read_shard(unsigned shard, const struct member_list *list, int64_t now);
/* Of the members 0..n-1 those are in the registry that "has" says; one shard is read. */
void read_those(unsigned shard, const bool *has, unsigned n, int64_t now);
/* Members from..to-1 are in the registry, each in its shard; all shards are read. */
void registry_has(unsigned from, unsigned to, int64_t now);
/* How many the view has; it is in order. */
size_t members(void);
/* The n-th member is in the list. */
bool lists(const struct member_list *list, unsigned n);

#endif
