/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_POLICY_H
#define NETI_POLICY_H
/*
 * Who is let in beside the members: a value that settings give and a ruleset carries.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct port_range {
	uint8_t protocol;   /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t low, high; /* inclusive, host order */
};

struct override {
	struct address from, to;
};

struct policy {
	struct port_range *open_ports;
	size_t n_open_ports;
	struct prefix *ssh_whitelist;
	size_t n_ssh_whitelist;
	struct prefix *trusted;
	size_t n_trusted;
	struct override *nat_overrides;
	size_t n_nat_overrides;
	bool reject_all;
	bool forwarded;
	bool icmp; /* answer echo requests of strangers */
};

/* A deep copy, each list sorted and without repetitions: equal policies compare equal. */
int policy_copy(struct policy *ret, const struct policy *policy); /* -ENOMEM */
bool policy_equal(const struct policy *a, const struct policy *b);
void policy_clear(struct policy *policy);

#endif
