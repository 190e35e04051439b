/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IPTABLES_SYNC_H
#define NETI_IPTABLES_SYNC_H
/*
 * The difference between a table that was read and what a ruleset wants of it: carried out in
 * memory, or printed.
 */
#include "table.h"

struct sync {
	size_t changed;		   /* rules and chains, added and deleted */
	char kept[CHAIN_NAME_MAX]; /* a surplus chain that a foreign rule refers to */
};

/* wanted may be NULL; enforce: as in render_visit(). 0 or -errno. Nothing is committed. */
int sync_table(struct xtables *xtables, const struct ruleset *wanted, bool enforce,
	struct sync *sync);
/* The overlay's tree alone, from one known state to the next: -ESTALE when the table holds
 * another state. */
int sync_tree(struct xtables *xtables, const struct ruleset *from, const struct ruleset *to,
	const struct ruleset_diff *diff, struct sync *sync);
/* Whether the table's own INPUT chain drops what it did not let in; what stands behind is not asked. */
int sync_enforces(struct xtables *xtables);
/* Whether INPUT leads to that chain. */
int sync_is_asked(struct xtables *xtables);
int sync_print(struct xtables *xtables, const struct ruleset *wanted, struct buffer *diff);

#endif
