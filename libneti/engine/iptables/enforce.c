/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of work when strangers are refused for the first time. A table that refuses them
 * already keeps to it throughout; one that does not lets in no more than before.
 */
#include <errno.h>
#include <string.h>

#include "enforce.h"
#include "engine/conntrack/conntrack.h"
#include "sync.h"

static int enforces(struct iptables *iptables, const struct ruleset *wanted, enum table table,
	struct error *error)
{
	static const uint16_t no_sets[SETS];
	struct xtables *xtables;
	int r;

	if (change_is_skipped(iptables, wanted, table))
		return 1;
	if (!xtables_exists(table))
		return 0;
	r = xtables_open(&xtables, table, no_sets, error);
	if (r < 0)
		return r;
	r = sync_enforces(xtables);
	xtables_close(xtables);
	return r < 0 ? change_failed(table, r, error) : r;
}

int opening_find(struct opening *ret, struct iptables *iptables, const struct ruleset *wanted,
	struct error *error)
{
	static const enum table tables[] = { TABLE_FILTER, TABLE_FILTER6 };
	int r = 0;

	*ret = (struct opening){ .wanted = wanted, .watching = *wanted };
	ret->watching.watching = true;
	for (size_t i = 0; r >= 0 && i < 2 && wanted->policy.reject_all; i++) {
		r = enforces(iptables, wanted, tables[i], error);
		if (r == 0)
			ret->tables[ret->n++] = tables[i];
	}
	return r < 0 ? r : 0;
}

/* What cannot be learned is no reason to leave the host open. */
static void learn(const struct ruleset *wanted, const struct log *log,
	struct engine_report *report)
{
	struct learned learned = { 0 };
	int r = conntrack_learn(wanted, &learned);

	report->sockets_learned = learned.sockets - learned.refused;
	if (r < 0)
		log_warning(log,
			"cannot read which connections are open: those that are older than the "
			"rules may be cut off: %s", strerrordesc_np(-r));
	else if (learned.refused)
		log_warning(log, "%zu of the %zu open connections may be cut off: %s",
			learned.refused, learned.sockets, strerrordesc_np(-learned.result));
}

/* A kernel without ip6tables is no reason to leave the host open to IPv4. Whoever could not be
 * watched is not closed either. */
static int change_filters(struct change *change, const enum table *tables, size_t n, bool *six,
	struct error *later, struct error *error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (tables[i] == TABLE_FILTER6 && !*six)
			continue;
		r = change_tables(change, &tables[i], 1, error);
		if (r == 0 || tables[i] != TABLE_FILTER6)
			continue;
		*six = false;
		if (later->result == 0)
			*later = *error;
		r = 0;
	}
	return r;
}

int opening_change(const struct opening *opening, struct change *change, struct error *later,
	struct error *error)
{
	static const enum table filters[] = { TABLE_FILTER, TABLE_FILTER6 };
	struct change watching = *change;
	bool six = true;
	int r;

	if (opening->n) {
		watching.to = &opening->watching;
		r = change_filters(&watching, opening->tables, opening->n, &six, later, error);
		if (r < 0)
			return r;
		learn(opening->wanted, change->iptables->engine.config.log, change->report);
	}
	return change_filters(change, filters, 2, &six, later, error);
}
