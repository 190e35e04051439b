/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IPTABLES_CHANGE_H
#define NETI_IPTABLES_CHANGE_H
/*
 * Tables of the iptables engine from what they hold to what is wanted of them, and what the
 * engine keeps between calls.
 */
#include "engine/engine_ops.h"
#include "table.h"

struct iptables {
	struct engine engine;
	bool ipv6_missed; /* said once */
	bool size_missed; /* likewise */
	bool flows_unknown; /* some may lead where an older nat table sent them */
	bool lock_busy; /* it was not to be had the last time */
};

/* One table's work; from and diff NULL: whatever it holds. */
struct change {
	struct iptables *iptables;
	const struct ruleset *from, *to;
	const struct ruleset_diff *diff;
	uint16_t sets[SETS];
	struct engine_report *report;
	char kept[CHAIN_NAME_MAX];
};

/* The tables of a list, under one lock. */
int change_tables(struct change *change, const enum table *tables, size_t n, struct error *error);
/* The table has no work, and reading one that is not in use would bring it into being. */
bool change_is_skipped(struct iptables *iptables, const struct ruleset *wanted, enum table table);
bool change_ipv6_is_off(struct iptables *iptables); /* in the kernel, or by sysctl */
int change_failed(enum table table, int r, struct error *error);

#endif
