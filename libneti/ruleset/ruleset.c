/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Builds and compares rulesets. Pure: no engine's word and no library but libc.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "road.h"
#include "ruleset.h"

bool road_to(const struct prefix *overlay, const struct fleet_settings *fleet,
	const struct member *self, const struct member *member, struct path *ret)
{
	struct path path = { .overlay = member->overlay, .target = member->public_address };

	if (strcmp(member->network, self->network) == 0 ||
		fleet_settings_peered(fleet, member->network, self->network)) {
		path.target = member->private_address;
		path.other = member->public_address;
	}
	/* An address of another family than the overlay is none: no engine could take it. */
	if (path.other.family != overlay->address.family ||
		address_equal(&path.other, &path.target))
		path.other = (struct address){ 0 };
	*ret = path;
	return path.target.family == overlay->address.family &&
	       prefix_contains(overlay, &member->overlay);
}

/* Each of them once. */
static void sort_peers(struct ruleset *ruleset)
{
	struct address *peers = ruleset->peers;
	size_t n = ruleset->n_peers > 0;

	address_sort(peers, ruleset->n_peers);
	for (size_t i = 0; i < ruleset->n_peers; i++) {
		if (!address_equal(&peers[n - 1], &peers[i]))
			peers[n++] = peers[i];
		if (ruleset->uses)
			ruleset->uses[n - 1]++;
	}
	ruleset->n_peers = n;
}

static bool is_own(const struct ruleset *ruleset, const struct address *overlay)
{
	for (size_t i = 0; i < ruleset->own.length; i++)
		if (prefix_contains(&ruleset->own.items[i], overlay))
			return true;
	return false;
}

static void add_member(struct ruleset *ruleset, const struct fleet_settings *fleet,
	const struct member *self, const struct member *member)
{
	struct path path;

	if (!road_to(&ruleset->overlay, fleet, self, member, &path))
		return;
	if (!is_own(ruleset, &member->overlay))
		ruleset->paths[ruleset->n_paths++] = path;
	if (self->id && strcmp(self->id, member->id) == 0) {
		/* Also where this host was before: a path without a peer. */
		ruleset->was_elsewhere |= !address_equal(&member->overlay, &self->overlay);
		return;
	}
	ruleset->peers[ruleset->n_peers++] = path.target;
	if (address_is_set(&path.other))
		ruleset->peers[ruleset->n_peers++] = path.other;
}

uint64_t ruleset_new_serial(void)
{
	static atomic_uint_fast64_t last;

	return atomic_fetch_add(&last, 1) + 1;
}

int ruleset_build(struct ruleset **ret, const struct policy *policy,
	const struct fleet_settings *fleet, const struct member *self,
	const struct member_list *members, const struct prefix_list *own)
{
	struct ruleset *ruleset = calloc(1, sizeof(*ruleset));

	if (!ruleset)
		return -ENOMEM;
	ruleset->overlay = fleet->overlay_subnet;
	ruleset->paths = calloc(members->length + 1, sizeof(*ruleset->paths));
	ruleset->peers = calloc(2 * members->length + 1, sizeof(*ruleset->peers));
	ruleset->uses = calloc(2 * members->length + 1, sizeof(*ruleset->uses));
	if (!ruleset->paths || !ruleset->peers || !ruleset->uses ||
		policy_copy(&ruleset->policy, policy) < 0 ||
		prefix_list_copy(&ruleset->own, own) < 0) {
		ruleset_free(ruleset);
		return -ENOMEM;
	}
	for (size_t i = 0; i < members->length; i++)
		if (i == 0 || member_compare_overlay(members->items[i - 1], members->items[i]) != 0)
			add_member(ruleset, fleet, self, members->items[i]);
	sort_peers(ruleset);
	ruleset->serial = ruleset_new_serial();
	*ret = ruleset;
	return 0;
}

int ruleset_build_policy(struct ruleset **ret, const struct policy *policy,
	const struct prefix *overlay)
{
	static const struct member_list nobody;
	struct prefix whole = *overlay;
	const struct prefix_list own = { .items = &whole, .length = 1 };
	struct fleet_settings fleet;

	fleet_settings_default(&fleet, overlay);
	return ruleset_build(ret, policy, &fleet, NULL, &nobody, &own);
}

int ruleset_add_peers(struct ruleset *ruleset, const struct address *peers, size_t n)
{
	struct address *all = reallocarray(ruleset->peers, ruleset->n_peers + n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	if (n)
		memcpy(all + ruleset->n_peers, peers, n * sizeof(*peers));
	free(ruleset->uses);
	ruleset->uses = NULL;
	ruleset->peers = all;
	ruleset->n_peers += n;
	ruleset->serial = ruleset_new_serial();
	sort_peers(ruleset);
	return 0;
}

struct ruleset *ruleset_free(struct ruleset *ruleset)
{
	if (!ruleset)
		return NULL;
	free(ruleset->paths);
	free(ruleset->peers);
	free(ruleset->uses);
	policy_clear(&ruleset->policy);
	prefix_list_clear(&ruleset->own);
	free(ruleset);
	return NULL;
}

/* How many items the two begin with alike, in whole blocks: most of two rulesets is the same,
 * and a block is compared twenty times faster than its items one by one. */
#define BLOCK 64
static size_t alike(const void *a, size_t n_a, const void *b, size_t n_b, size_t size)
{
	size_t n = 0;

	while (n + BLOCK <= n_a && n + BLOCK <= n_b &&
		memcmp((const char *)a + n * size, (const char *)b + n * size, BLOCK * size) == 0)
		n += BLOCK;
	return n;
}

static int diff_peers(struct ruleset_diff *diff, const struct ruleset *from,
	const struct ruleset *to)
{
	size_t i = 0, j = 0, n;

	diff->peers_added = calloc(to->n_peers + 1, sizeof(*diff->peers_added));
	diff->peers_removed = calloc(from->n_peers + 1, sizeof(*diff->peers_removed));
	if (!diff->peers_added || !diff->peers_removed)
		return -ENOMEM;
	while (i < from->n_peers || j < to->n_peers) {
		int order = i == from->n_peers ? 1 :
			    j == to->n_peers   ? -1 :
						 address_compare(&from->peers[i], &to->peers[j]);

		if (order < 0)
			diff->peers_removed[diff->n_peers_removed++] = from->peers[i];
		if (order > 0)
			diff->peers_added[diff->n_peers_added++] = to->peers[j];
		i += order <= 0;
		j += order >= 0;
		n = alike(from->peers + i, from->n_peers - i, to->peers + j, to->n_peers - j,
			sizeof(*from->peers));
		i += n;
		j += n;
	}
	return 0;
}

static int diff_paths(struct ruleset_diff *diff, const struct ruleset *from,
	const struct ruleset *to)
{
	size_t i = 0, j = 0, n;

	diff->paths_added = calloc(to->n_paths + 1, sizeof(*diff->paths_added));
	diff->paths_removed = calloc(from->n_paths + 1, sizeof(*diff->paths_removed));
	diff->paths_changed = calloc(to->n_paths + 1, sizeof(*diff->paths_changed));
	if (!diff->paths_added || !diff->paths_removed || !diff->paths_changed)
		return -ENOMEM;
	while (i < from->n_paths || j < to->n_paths) {
		int order = i == from->n_paths ?
				    1 :
			    j == to->n_paths ?
				    -1 :
				    address_compare(&from->paths[i].overlay, &to->paths[j].overlay);

		if (order < 0)
			diff->paths_removed[diff->n_paths_removed++] = from->paths[i];
		else if (order > 0)
			diff->paths_added[diff->n_paths_added++] = to->paths[j];
		else if (!address_equal(&from->paths[i].target, &to->paths[j].target))
			diff->paths_changed[diff->n_paths_changed++] = to->paths[j];
		i += order <= 0;
		j += order >= 0;
		n = alike(from->paths + i, from->n_paths - i, to->paths + j, to->n_paths - j,
			sizeof(*from->paths));
		i += n;
		j += n;
	}
	return 0;
}

int ruleset_diff(struct ruleset_diff *ret, const struct ruleset *from, const struct ruleset *to)
{
	static const struct ruleset nothing;
	struct ruleset_diff diff = { .before = from ? from->serial : 0 };

	from = from ? from : &nothing;
	to = to ? to : &nothing;
	if (diff_peers(&diff, from, to) < 0 || diff_paths(&diff, from, to) < 0) {
		ruleset_diff_clear(&diff);
		return -ENOMEM;
	}
	diff.policy_changed = prefix_compare(&from->overlay, &to->overlay) != 0 ||
			      !prefix_list_equal(&from->own, &to->own) ||
			      !policy_equal(&from->policy, &to->policy);
	*ret = diff;
	return 0;
}

bool ruleset_diff_empty(const struct ruleset_diff *diff)
{
	return !diff->policy_changed && !diff->n_peers_added && !diff->n_peers_removed &&
	       !diff->n_paths_added && !diff->n_paths_removed && !diff->n_paths_changed;
}

void ruleset_diff_clear(struct ruleset_diff *diff)
{
	free(diff->peers_added);
	free(diff->peers_removed);
	free(diff->paths_added);
	free(diff->paths_removed);
	free(diff->paths_changed);
	*diff = (struct ruleset_diff){ 0 };
}

size_t ruleset_path_index(const struct ruleset *ruleset, const struct address *overlay)
{
	size_t low = 0, high = ruleset->n_paths;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address_compare(&ruleset->paths[middle].overlay, overlay) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
