/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Giving back the leases that nobody has joined with for a long time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static int compare_ids(const void *a, const void *b)
{
	const struct member *p = *(struct member *const *)a, *q = *(struct member *const *)b;

	return strcmp(p->id, q->id);
}

/* live is sorted by id. */
static bool is_old(const struct member_list *live, struct member *lease, int64_t before)
{
	return lease->since < before &&
	       !(live->length && bsearch(&lease, live->items, live->length, sizeof(live->items[0]),
					 compare_ids));
}

/* One that was joined with, or given back, since we looked is left alone. */
static int give_back(struct registry *registry, struct member *lease, bool dry, int timeout_ms,
	struct member_list *done, struct error *error)
{
	int result = dry ? 0 : registry_lease_release(registry, lease->id, timeout_ms, error);

	if (result == -EBUSY || result == -ENOENT)
		return 0;
	if (result == 0 && member_list_add(done, lease) < 0)
		return error_memory(error);
	return result;
}

int registry_lease_reclaim(struct registry *registry, int64_t before, bool dry,
	struct member_list *ret, int timeout_ms, struct error *error)
{
	struct member_list leases = { 0 }, live = { 0 }, done = { 0 };
	int result = registry_leases(registry, &leases, timeout_ms, error);

	if (result == 0)
		result = registry_members(registry, &live, false, timeout_ms, error);
	if (live.length)
		qsort(live.items, live.length, sizeof(live.items[0]), compare_ids);
	for (size_t i = 0; i < leases.length && result == 0; i++)
		if (is_old(&live, leases.items[i], before))
			result = give_back(registry, leases.items[i], dry, timeout_ms, &done, error);
	member_list_clear(&leases);
	member_list_clear(&live);
	if (result < 0)
		member_list_clear(&done);
	else
		*ret = done;
	return result;
}
