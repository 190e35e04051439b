/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which flows lead where their member no longer is. Reads the table and deletes in one go:
 * the kernel copes with entries that vanish under a dump.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conntrack.h"
#include "message.h"

/* Reading those of one address takes the kernel a fifth of reading all (20 ms of 90, with
 * 100,000 entries), and deleting by address no less than reading and deleting one by one. */
#define ADDRESSES_MAX 4

struct work {
	struct netlink_line *line;
	const struct ruleset *from, *to;
	struct address
		*targets; /* where paths and overrides of "to" lead, sorted; NULL: not asked yet */
	size_t n_targets;
	struct netlink_batch *batch;
	size_t forgotten;
	int refused;
};

/* Sorting them costs milliseconds in a large fleet, and most changes find no flow to ask for. */
static int gather_targets(struct work *work)
{
	const struct ruleset *to = work->to;
	size_t n = 0;

	if (work->targets)
		return 0;
	work->targets =
		calloc(to->n_paths + to->policy.n_nat_overrides + 1, sizeof(*work->targets));
	if (!work->targets)
		return -ENOMEM;
	for (size_t i = 0; i < to->n_paths; i++)
		work->targets[n++] = to->paths[i].target;
	for (size_t i = 0; i < to->policy.n_nat_overrides; i++)
		work->targets[n++] = to->policy.nat_overrides[i].to;
	address_sort(work->targets, n);
	work->n_targets = n;
	return 0;
}

static const struct address *find_override(const struct ruleset *ruleset,
	const struct address *destination)
{
	for (size_t i = 0; ruleset && i < ruleset->policy.n_nat_overrides; i++)
		if (address_equal(&ruleset->policy.nat_overrides[i].from, destination))
			return &ruleset->policy.nat_overrides[i].to;
	return NULL;
}

static const struct address *find_path(const struct ruleset *ruleset,
	const struct address *destination)
{
	size_t i = ruleset_path_index(ruleset, destination);

	return i < ruleset->n_paths && address_equal(&ruleset->paths[i].overlay, destination) ?
		       &ruleset->paths[i].target :
		       NULL;
}

static bool is_ours(const struct work *work, const struct address *destination)
{
	return prefix_contains(&work->to->overlay, destination) ||
	       (work->from && prefix_contains(&work->from->overlay, destination)) ||
	       find_override(work->to, destination) || find_override(work->from, destination);
}

/* Where a new flow would go. */
static const struct address *find_target(const struct work *work, const struct address *destination)
{
	const struct address *target = find_override(work->to, destination);

	if (!target)
		target = find_path(work->to, destination);
	if (!target && !prefix_contains(&work->to->overlay, destination))
		target = destination;
	return target;
}

/* Only who was in the fleet can have left it: not the target of an override, nor who was reached
 * without any mapping. But what goes to an overlay address unmapped goes nowhere, as NETI-OUTPUT
 * refuses it, and so would the next connection from the same port. */
static int has_left(struct work *work, const struct entry *entry)
{
	const struct address *override = find_override(work->from, &entry->destination);

	if (address_equal(&entry->answers, &entry->destination))
		return prefix_contains(&work->to->overlay, &entry->destination);
	if ((override && address_equal(&entry->answers, override)) ||
		address_is_among(&entry->answers, work->to->peers, work->to->n_peers))
		return false;
	if (gather_targets(work) < 0)
		return -ENOMEM;
	return !address_is_among(&entry->answers, work->targets, work->n_targets);
}

static int is_stale(struct work *work, const struct entry *entry)
{
	const struct address *target;

	if (!is_ours(work, &entry->destination))
		return false;
	target = find_target(work, &entry->destination);
	if (target && address_equal(target, &entry->answers))
		return false;
	return entry->protocol != IPPROTO_TCP ? true : has_left(work, entry);
}

static int on_flow(void *data, const struct entry *entry)
{
	struct work *work = data;
	int stale = is_stale(work, entry);
	void *space;

	if (stale <= 0)
		return stale;
	space = netlink_batch_next(work->batch);
	if (!space)
		return -EIO; /* netlink_batch_close says why */
	entry_delete(space, entry);
	work->forgotten++;
	return 0;
}

/* One that is gone by itself is forgotten, too. */
static void on_delete_refused(void *data, int result)
{
	struct work *work = data;

	if (result == -ENOENT)
		return;
	work->forgotten--;
	work->refused = result;
}

/* Only what is gone or changed: an address that is new had no flows. */
static int read_some(struct work *work, const struct path *paths, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = entry_read(work->line, &paths[i].overlay, on_flow, work);
	return r;
}

static int read_flows(struct work *work, const struct ruleset_diff *diff)
{
	int r;

	if (!diff || diff->n_paths_removed + diff->n_paths_changed > ADDRESSES_MAX)
		return entry_read(work->line, NULL, on_flow, work);
	r = read_some(work, diff->paths_removed, diff->n_paths_removed);
	return r < 0 ? r : read_some(work, diff->paths_changed, diff->n_paths_changed);
}

static int do_work(struct work *work, const struct forget *forget)
{
	int closed,
		r = netlink_batch_open(&work->batch, NETLINK_NETFILTER, on_delete_refused, work);

	if (r < 0)
		return r;
	r = read_flows(work, forget->diff);
	closed = netlink_batch_close(work->batch);
	return closed < 0 ? closed : r < 0 ? r : work->refused;
}

int conntrack_flush_stale(const struct forget *forget, size_t *ret_forgotten, struct error *error)
{
	struct work work = { .line = forget->line, .from = forget->from, .to = forget->to };
	const struct ruleset_diff *diff = forget->diff;
	uint64_t entries, max;
	int r;

	*ret_forgotten = 0;
	if (diff && diff->n_paths_removed + diff->n_paths_changed == 0)
		return 0;
	/* The walk is through the whole machine's table: spare it a host that tracks nothing. */
	if (conntrack_fill(&entries, &max) && entries == 0)
		return 0;
	r = do_work(&work, forget);
	free(work.targets);
	*ret_forgotten = work.forgotten;
	if (r == -ENOMEM)
		return error_memory(error);
	if (r < 0)
		return error_set(error, r, NETI_REASON_KERNEL,
			"cannot forget the flows to members that moved: %s", strerrordesc_np(-r));
	return 0;
}
