/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Giving back the leases that nobody has joined with for a long time: by the registry's clock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "core.h"
#include "leases.h"

struct reclaim {
	struct registry *registry;
	int64_t before; /* seconds of the epoch, by the registry's clock */
	bool dry;
	int timeout_ms;
	struct member_list live; /* sorted by id */
	struct member_list done;
};

static int compare_ids(const void *a, const void *b)
{
	const struct member *p = *(struct member *const *)a, *q = *(struct member *const *)b;

	return strcmp(p->id, q->id);
}

/* One whose time lies ahead of the registry's clock is young, whatever the reason. */
static bool is_old(const struct reclaim *reclaim, struct member *lease)
{
	const struct member_list *live = &reclaim->live;

	return lease->since < reclaim->before &&
	       !(live->length && bsearch(&lease, live->items, live->length, sizeof(live->items[0]),
					 compare_ids));
}

/* One that was joined with, or given back, since we looked is left alone. */
static int give_back(struct reclaim *reclaim, struct member *lease, struct error *error)
{
	struct deadline deadline = wait_deadline(reclaim->timeout_ms, "giving back a lease");
	int result = reclaim->dry ? 0 :
				    lease_release(reclaim->registry, lease->id, reclaim->before,
					    &deadline, error);

	if (result == -EBUSY || result == -ENOENT)
		return 0;
	if (result == 0 && member_list_add(&reclaim->done, lease) < 0)
		return error_memory(error);
	return result;
}

int registry_lease_reclaim(struct registry *registry, int64_t older_than, bool dry,
	struct member_list *ret, int timeout_ms, struct error *error)
{
	struct reclaim reclaim = { .registry = registry, .dry = dry, .timeout_ms = timeout_ms };
	struct member_list leases = { 0 }, *live = &reclaim.live;
	struct deadline deadline = wait_deadline(timeout_ms, "asking it for the time");
	int64_t now = 0;
	int result = registry_clock(registry, &now, &deadline, error);

	reclaim.before = now / 1000 - older_than;
	if (result == 0)
		result = registry_leases(registry, &leases, timeout_ms, error);
	if (result == 0)
		result = registry_members(registry, live, false, timeout_ms, error);
	if (live->length)
		qsort(live->items, live->length, sizeof(live->items[0]), compare_ids);
	for (size_t i = 0; i < leases.length && result == 0; i++)
		if (is_old(&reclaim, leases.items[i]))
			result = give_back(&reclaim, leases.items[i], error);
	member_list_clear(&leases);
	member_list_clear(live);
	if (result < 0)
		member_list_clear(&reclaim.done);
	else
		*ret = reclaim.done;
	return result;
}
