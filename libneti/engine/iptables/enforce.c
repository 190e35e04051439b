/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table that refuses strangers already keeps to it throughout; one that does not lets in no more
 * than before.
 */
#include <errno.h>
#include <string.h>

#include "enforce.h"
#include "sync.h"

static const enum table filters[] = { TABLE_FILTER, TABLE_FILTER6 };
#define N_FILTERS (sizeof(filters) / sizeof(filters[0]))

/* asked: only when INPUT leads there. */
static int has_final_drop(enum table table, bool asked, struct error *error)
{
	static const uint16_t no_sets[SETS];
	struct xtables *xtables;
	int r;

	if (!xtables_exists(table))
		return 0;
	r = xtables_open(&xtables, table, no_sets, error);
	if (r < 0)
		return r;
	r = asked ? sync_is_asked(xtables) : 1;
	if (r == 1)
		r = sync_enforces(xtables);
	xtables_close(xtables);
	return r < 0 ? commit_failed(table, r, error) : r;
}

/* A kernel without ip6tables is no reason to leave the host open to IPv4; what could not be
 * observed is not closed either. */
static int write_filter(struct engine_work *work, enum table table, bool enforce,
	struct error *error)
{
	struct iptables *iptables = (struct iptables *)work->engine;
	struct change change = { .iptables = iptables,
		.to = work->to,
		.enforce = enforce,
		.names = iptables->names,
		.report = work->report };
	int r;

	if (table == TABLE_FILTER6 && iptables->ipv6_failed)
		return 0;
	r = commit_change(&change, table, error);
	if (r >= 0 || table != TABLE_FILTER6)
		return r < 0 ? r : 0;
	iptables->ipv6_failed = true;
	if (work->later.result == 0)
		work->later = *error;
	return 0;
}

int enforce_observe(struct engine_work *work, struct error *error)
{
	struct iptables *iptables = (struct iptables *)work->engine;
	int observing = 0;

	for (size_t i = 0; i < N_FILTERS && work->to->policy.reject_all; i++) {
		int r = commit_is_skipped(iptables, work->to, filters[i]) ?
				1 :
				has_final_drop(filters[i], false, error);

		if (r == 0) {
			observing = 1;
			r = write_filter(work, filters[i], false, error);
		}
		if (r < 0)
			return r;
	}
	return observing;
}

int enforce_write(struct engine_work *work, struct error *error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < N_FILTERS; i++)
		r = write_filter(work, filters[i], true, error);
	return r;
}

int enforce_is_on(struct engine *engine, struct error *error)
{
	int r = has_final_drop(TABLE_FILTER, true, error);

	return r == 1 && !commit_ipv6_is_off((struct iptables *)engine) ?
		       has_final_drop(TABLE_FILTER6, true, error) :
		       r;
}
