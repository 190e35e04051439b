/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes a ruleset as a few members of a large fleet change.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "fleet/view.h"
#include "road.h"

struct revision {
	struct ruleset *ruleset;
	struct ruleset_diff *diff; /* with room for all */
	struct address *left;	   /* by members: dropped last, for another one may have taken it */
	size_t n_left;
};

static void take_peer(struct revision *revision, const struct address *peer)
{
	struct ruleset *ruleset = revision->ruleset;
	size_t i = address_index(peer, ruleset->peers, ruleset->n_peers);
	const unsigned one = 1;

	if (i < ruleset->n_peers && address_equal(&ruleset->peers[i], peer)) {
		ruleset->uses[i]++;
		return;
	}
	array_insert(ruleset->peers, sizeof(*peer), ruleset->n_peers, i, peer);
	array_insert(ruleset->uses, sizeof(one), ruleset->n_peers++, i, &one);
	revision->diff->peers_added[revision->diff->n_peers_added++] = *peer;
}

static void drop_peer(struct revision *revision, const struct address *peer)
{
	struct ruleset *ruleset = revision->ruleset;
	size_t i = address_index(peer, ruleset->peers, ruleset->n_peers);

	if (--ruleset->uses[i] > 0)
		return;
	array_remove(ruleset->peers, sizeof(*peer), ruleset->n_peers, i);
	array_remove(ruleset->uses, sizeof(*ruleset->uses), ruleset->n_peers--, i);
	revision->diff->peers_removed[revision->diff->n_peers_removed++] = *peer;
}

static void leave_peer(struct revision *revision, const struct address *peer)
{
	if (address_is_set(peer))
		revision->left[revision->n_left++] = *peer;
}

/* to: NULL when nobody has the overlay address any more. */
static void move_path(struct revision *revision, const struct address *overlay,
	const struct path *to)
{
	struct ruleset *ruleset = revision->ruleset;
	struct ruleset_diff *diff = revision->diff;
	size_t i = ruleset_path_index(ruleset, overlay);
	struct path *at = &ruleset->paths[i];
	bool there = i < ruleset->n_paths && address_equal(&at->overlay, overlay);

	if (there ? to && memcmp(at, to, sizeof(*at)) == 0 : !to)
		return;
	if (there) {
		leave_peer(revision, &at->target);
		leave_peer(revision, &at->other);
	}
	if (to)
		take_peer(revision, &to->target);
	if (to && address_is_set(&to->other))
		take_peer(revision, &to->other);
	if (there && to) {
		if (!address_equal(&at->target, &to->target))
			diff->paths_changed[diff->n_paths_changed++] = *to;
		*at = *to;
	} else if (to) {
		diff->paths_added[diff->n_paths_added++] = *to;
		array_insert(ruleset->paths, sizeof(*to), ruleset->n_paths++, i, to);
	} else {
		diff->paths_removed[diff->n_paths_removed++] = *at;
		array_remove(ruleset->paths, sizeof(*at), ruleset->n_paths--, i);
	}
}

/* For so many paths more, each with two peers. */
static int make_room(struct ruleset *ruleset, struct ruleset_diff *diff, size_t n)
{
	size_t n_peers = ruleset->n_peers + 2 * n;
	struct address *peers = reallocarray(ruleset->peers, n_peers, sizeof(*peers));
	struct path *paths;
	unsigned *uses;

	if (!peers)
		return -ENOMEM;
	ruleset->peers = peers;
	uses = reallocarray(ruleset->uses, n_peers, sizeof(*uses));
	if (!uses)
		return -ENOMEM;
	ruleset->uses = uses;
	paths = reallocarray(ruleset->paths, ruleset->n_paths + n, sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	ruleset->paths = paths;
	diff->peers_added = calloc(2 * n, sizeof(*diff->peers_added));
	diff->peers_removed = calloc(2 * n, sizeof(*diff->peers_removed));
	diff->paths_added = calloc(n, sizeof(*diff->paths_added));
	diff->paths_removed = calloc(n, sizeof(*diff->paths_removed));
	diff->paths_changed = calloc(n, sizeof(*diff->paths_changed));
	return diff->peers_added && diff->peers_removed && diff->paths_added &&
			       diff->paths_removed && diff->paths_changed ?
		       0 :
		       -ENOMEM;
}

/* The host itself is no peer of its own, and what it sends to its own networks has no path: who is
 * seen from where cannot be told from the paths then. */
static bool is_plain(const struct ruleset *ruleset, const struct member *self,
	const struct member_list *members, const struct address *overlays, size_t n)
{
	if (!ruleset->uses || ruleset->was_elsewhere || ruleset->own.length || !self->id)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct member *member = fleet_view_find(members, &overlays[i]);

		if (address_equal(&overlays[i], &self->overlay) ||
			(member && strcmp(member->id, self->id) == 0))
			return false;
	}
	return true;
}

int ruleset_revise(struct ruleset *ruleset, const struct fleet_settings *fleet,
	const struct member *self, const struct member_list *members,
	const struct address *overlays, size_t n, struct ruleset_diff *ret)
{
	struct ruleset_diff diff = { .before = ruleset->serial };
	struct revision revision = { .ruleset = ruleset, .diff = &diff };

	if (!is_plain(ruleset, self, members, overlays, n))
		return -ESTALE;
	revision.left = calloc(2 * n + 1, sizeof(*revision.left));
	if (make_room(ruleset, &diff, n + 1) < 0 || !revision.left) {
		free(revision.left);
		ruleset_diff_clear(&diff);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const struct member *member = fleet_view_find(members, &overlays[i]);
		struct path path;
		bool there = member && road_to(&ruleset->overlay, fleet, self, member, &path);

		move_path(&revision, &overlays[i], there ? &path : NULL);
	}
	for (size_t i = 0; i < revision.n_left; i++)
		drop_peer(&revision, &revision.left[i]);
	free(revision.left);
	address_sort(diff.peers_added, diff.n_peers_added);
	address_sort(diff.peers_removed, diff.n_peers_removed);
	ruleset->serial = ruleset_new_serial();
	*ret = diff;
	return 0;
}
