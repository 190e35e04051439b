/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NFTABLES_READ_H
#define NETI_NFTABLES_READ_H
/*
 * What the kernel holds of the table.
 */
#include "base/error.h"
#include "message.h"

struct kernel_rule {
	enum nft_chain chain;
	uint64_t handle;
	struct nlmsghdr *message; /* as the kernel told it */
};

struct kernel_set {
	bool there, right; /* right: of our shape */
	uint32_t room;
	struct nft_element *elements; /* sorted by their key */
	size_t n, size;
};

struct kernel_chain {
	bool there, right;
};

struct kernel_surplus {
	bool chain; /* else a set */
	char name[256];
};

struct kernel {
	uint32_t generation; /* of all tables, before anything was read */
	bool there, dormant;
	struct kernel_set sets[SETS];
	struct kernel_chain chains[CHAINS];
	struct kernel_rule *rules; /* in order */
	size_t n_rules, size_rules;
	struct kernel_surplus *surplus; /* chains and sets that are not ours */
	size_t n_surplus, size_surplus;
};

/* The shape of the table, its rules and, if they are asked for, its members. Reads again when
 * somebody changed something meanwhile. 0 or -errno with the error. */
int kernel_read(struct netlink_line *line, struct kernel *ret, bool members, struct error *error);
void kernel_clear(struct kernel *kernel);
/* The elements of one set alone, in the kernel's order; none when it is not there. */
int kernel_read_set(struct netlink_line *line, enum nft_set set, struct kernel_set *ret,
	struct error *error);
/* How many elements it has; -ENODATA where the kernel does not say (before 6.16). */
int kernel_count(struct netlink_line *line, enum nft_set set, uint32_t *ret);
int kernel_generation(struct netlink_line *line, uint32_t *ret);
int kernel_has_table(struct netlink_line *line); /* 1, 0 or -errno */
int kernel_failed(int result, const char *doing, struct error *error);

/* What is told to those who listen. */
struct kernel_event {
	bool touches;	     /* our table, or something in it */
	uint32_t generation; /* not 0: the end of a transaction, by that program */
	int32_t pid;
	char program[16];
};
bool kernel_read_event(const struct nlmsghdr *message, struct kernel_event *ret);

/* Whether the kernel would tell the rule so. */
bool kernel_rule_is(const struct kernel_rule *told, const struct nft_rule *rule);

#endif
