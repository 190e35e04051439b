/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of work when strangers are refused for the first time. A table that refuses them
 * already keeps to it throughout; one that does not lets in no more than before.
 */
#include <errno.h>
#include <string.h>

#include "conntrack.h"
#include "iptables_opening.h"
#include "iptables_sync.h"

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

const struct ruleset *opening_rules(const struct opening *opening, enum table table)
{
	for (size_t i = 0; i < opening->n; i++)
		if (opening->tables[i] == table)
			return &opening->watching;
	return opening->wanted;
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

int opening_change(const struct opening *opening, struct change *change, struct error *error)
{
	static const enum table tables[] = { TABLE_FILTER, TABLE_FILTER6 };
	struct change watching = *change;
	int r = 0;

	if (opening->n) {
		watching.to = &opening->watching;
		r = change_tables(&watching, opening->tables, opening->n, error);
		if (r == 0)
			learn(opening->wanted, change->iptables->engine.config.log, change->report);
	}
	return r < 0 ? r : change_tables(change, tables, 2, error);
}
