/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IPTABLES_COMMIT_H
#define NETI_IPTABLES_COMMIT_H
/*
 * Tables of the iptables engine from what they hold to what is wanted of them, and what the
 * engine keeps between calls.
 */
#include "engine/engine_ops.h"
#include "table.h"

struct iptables {
	struct engine engine;
	bool ipv6_missed; /* said once */
	bool lock_busy;	  /* it was not to be had the last time */
	/* Of one pass. */
	const char *names[SETS]; /* that the rules ask */
	bool surplus;		 /* peers are to leave */
	bool ipv6_failed;
};

/* One table's work. */
struct change {
	struct iptables *iptables;
	const struct ruleset *to; /* NULL: nothing of Neti's */
	bool enforce;		  /* with the final drop */
	/* The tree of the overlay alone, from one known state to the next; NULL: whatever the table
	 * holds. */
	const struct ruleset *from;
	const struct ruleset_diff *diff;
	const char *const *names; /* of the sets that rules ask */
	struct engine_report *report;
	bool tried; /* to commit: it may have taken effect also when it failed, and is repeated */
	char kept[CHAIN_NAME_MAX]; /* a surplus chain that stays, for a foreign rule refers to it */
};

/* Under the lock: 1 changed, 0 there was nothing to do, or -errno. */
int commit_change(struct change *change, enum table table, struct error *error);
/* The table has no work, and reading one that is not in use would bring it into being. */
bool commit_is_skipped(struct iptables *iptables, const struct ruleset *wanted, enum table table);
bool commit_ipv6_is_off(struct iptables *iptables); /* in the kernel, or by sysctl */
int commit_failed(enum table table, int r, struct error *error);
void commit_find_indexes(const char *const names[SETS], uint16_t ret[SETS]);

#endif
