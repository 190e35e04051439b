/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IPTABLES_OPENING_H
#define NETI_IPTABLES_OPENING_H
/*
 * How a host begins to refuse strangers without cutting off what it has open: first the same
 * rules without their last word, which have the kernel track connections and refuse nobody;
 * then the open connections are entered; then the last word.
 */
#include "commit.h"

struct opening {
	const struct ruleset *wanted;
	struct ruleset watching;   /* without the last word; borrows all it holds */
	enum table tables[TABLES]; /* that shall refuse strangers and do not yet */
	size_t n;
};

int opening_find(struct opening *ret, struct iptables *iptables, const struct ruleset *wanted,
	struct error *error);
/* The filters, when the nat table is in place. *later: what failed of IPv6 while IPv4 was done. */
int opening_change(const struct opening *opening, struct change *change, struct error *later,
	struct error *error);

#endif
