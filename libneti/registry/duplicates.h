/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_DUPLICATES_H
#define NETI_REGISTRY_DUPLICATES_H
#include "fleet/member.h"

struct registry;

/* Begin, ask for each of those that share an overlay address in the shard, end. */
void duplicates_begin(struct registry *registry, unsigned shard);
typedef void (*duplicates_known)(struct registry *registry, unsigned shard, int64_t after_ms);
/* Whether another id has the lease; false while that is being asked: known tells when to read the
 * shard again. */
bool duplicates_has_lost(struct registry *registry, const struct member *member, unsigned shard,
	duplicates_known known);
void duplicates_end(struct registry *registry);
void duplicates_lost(struct registry *registry);
void duplicates_clear(struct registry *registry);

#endif
