/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counts what a ruleset would take away from the kernel's peers.
 */
#include <errno.h>
#include <stdlib.h>

#include "fleet/fleet.h"
#include "guard.h"

static size_t count_removals(const struct address *peers, size_t n, const struct ruleset *wanted)
{
	size_t removals = 0;

	for (size_t i = 0; i < n; i++)
		removals += !address_is_among(&peers[i], wanted->peers, wanted->n_peers);
	return removals;
}

int guard_check(struct engine *engine, const struct fleet_settings *fleet,
	const struct ruleset *wanted, size_t *ret_held, struct error *error)
{
	struct address *peers = NULL;
	size_t n = 0, removals;
	bool held;
	int result = engine_peers(engine, &peers, &n, error);

	if (result < 0)
		return result;
	removals = count_removals(peers, n, wanted);
	free(peers);
	held = fleet_guard_holds(fleet, removals, n);
	if (ret_held)
		*ret_held = held ? removals : 0;
	if (!held)
		return 0;
	return error_set(error, -EPERM, NETI_REASON_HELD,
		"held: %zu of the %zu peers in the kernel are not in the registry, more than "
		"max_removals (%u, or %u %%) lets go at once; nothing was changed",
		removals, n, fleet->max_removals, fleet->max_removals_percent);
}
