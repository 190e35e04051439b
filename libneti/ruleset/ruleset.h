/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_RULESET_H
#define NETI_RULESET_H
/*
 * What the kernel should hold, in no engine's words. Pure: a value, built, compared, printed.
 */
#include "fleet/fleet_settings.h"
#include "fleet/member.h"
#include "settings/settings.h"

/* Traffic for an overlay address goes to this address. */
#define RULESET_PEERS_MAX 1048576 /* what an engine must be able to hold */

struct path {
	struct address overlay;
	struct address target;
	struct address other; /* where else who is there is seen from; unset: nowhere */
};

struct ruleset {
	struct prefix overlay;
	struct path *paths; /* sorted by overlay address, each once */
	size_t n_paths;
	struct address *peers; /* addresses members are seen from: sorted, each once */
	size_t n_peers;
	unsigned *uses;	      /* of each peer: how many are seen from it; NULL: not counted */
	bool was_elsewhere;   /* one more overlay address is this host's own */
	struct policy policy; /* a copy of its own; lists sorted, each entry once */
	uint64_t serial;      /* rulesets of one serial are equal; 0: nothing is known */
	/* Networks of the host itself that overlap the overlay: what it sends there goes there, has
	 * no path and is not refused. */
	struct prefix_list own;
};

struct ruleset_diff {
	struct address *peers_added, *peers_removed; /* sorted */
	size_t n_peers_added, n_peers_removed;
	struct path *paths_added, *paths_removed, *paths_changed; /* changed: the new path */
	size_t n_paths_added, n_paths_removed, n_paths_changed;
	bool policy_changed; /* policy, overlay subnet or own networks */
	uint64_t before;     /* the serial of the first of the two */
};

/*
 * self: network, private and overlay address of this host (overlay may be unset).
 * A member of the same or of a peered network is reached at its private address, and seen there and
 * at its public one, from which it comes back when it calls a public address; any other is reached and
 * seen at its public one, without which it has no path from there. own: see above; may be NULL.
 */
int ruleset_build(struct ruleset **ret, const struct policy *policy,
	const struct fleet_settings *fleet, const struct member *self,
	const struct member_list *members, const struct prefix_list *own);
/* The host's policy alone: no peers, and the whole overlay left to the host. */
int ruleset_build_policy(struct ruleset **ret, const struct policy *policy,
	const struct prefix *overlay);
/*
 * Changes in place what was built of the same fleet, settings and host, for members that came, moved
 * or went: those at the overlay addresses, which are sorted; and tells the difference. Costs what
 * they are, not what the fleet is. -ESTALE: it has to be built anew, nothing was changed. After
 * -ENOMEM it is of no use any more.
 */
int ruleset_revise(struct ruleset *ruleset, const struct fleet_settings *fleet,
	const struct member *self, const struct member_list *members,
	const struct address *overlays, size_t n, struct ruleset_diff *ret);
uint64_t ruleset_new_serial(void);
int ruleset_add_peers(struct ruleset *ruleset, const struct address *peers, size_t n); /* -ENOMEM */
struct ruleset *ruleset_free(struct ruleset *ruleset);
/* Both may be NULL: an empty ruleset. */
int ruleset_diff(struct ruleset_diff *ret, const struct ruleset *from, const struct ruleset *to);
bool ruleset_diff_empty(const struct ruleset_diff *diff);
void ruleset_diff_clear(struct ruleset_diff *diff);
/* Index of the first path not below the address: the paths of a prefix stand together. */
size_t ruleset_path_index(const struct ruleset *ruleset, const struct address *overlay);

#endif
