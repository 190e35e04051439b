/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CONNTRACK_H
#define NETI_CONNTRACK_H
/*
 * The kernel's table of connections, of the calling thread's network namespace: how large it
 * is, which flows lead where their member no longer is, and the connections that were open
 * before the kernel began to track them.
 */
#include "base/error.h"
#include "base/log.h"
#include "ruleset/ruleset.h"

/* Whether the kernel lets connections be read and made at all; brings the module in. */
int conntrack_check(struct error *error);

/* Raises the table's size to the setting (0: from the machine's memory), never lowers it. What
 * cannot be done is said once, for which *said is kept. */
void conntrack_size(uint32_t setting, bool *said, const struct log *log);
/* How full the table is; false when this kernel does not tell. */
bool conntrack_fill(uint64_t *ret_entries, uint64_t *ret_max);
/* A time-out of the kernel's, in seconds. */
uint32_t conntrack_timeout(const char *name, uint32_t otherwise);

/*
 * Forgets the flows to overlay addresses (and overrides) that lead elsewhere than a new one
 * would: the kernel maps a flow once and keeps to that for as long as it lives. TCP goes only
 * when its target has left the fleet, for it cannot go on anywhere else. To be called when the
 * nat table holds "to".
 */
struct forget {
	const struct ruleset *from; /* what held before; NULL: not known */
	const struct ruleset *to;
	const struct ruleset_diff *diff; /* looks only at what changed; NULL: at every flow */
	struct netlink_line *line;	 /* may be NULL */
};
int conntrack_flush_stale(const struct forget *forget, size_t *ret_forgotten, struct error *error);

/*
 * Enters the connections that the host has open now into the table, as if it had seen them
 * from their beginning; but none that the ruleset leads elsewhere, which would
 * then be led nowhere. -errno when they could not be read.
 */
struct imported {
	size_t sockets; /* that were looked at */
	size_t refused; /* of these, could not be entered */
	int result;	/* why, -errno */
};
int conntrack_import(const struct ruleset *wanted, struct imported *ret);

#endif
