/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IPTABLES_DIFF_H
#define NETI_IPTABLES_DIFF_H
/*
 * How a chain differs from the wanted one, and which chains are wanted: what carrying out and
 * printing a difference have in common.
 */
#include "table.h"

/* One step of turning a chain into the wanted one. */
struct step {
	enum { STEP_SAME, STEP_DELETE, STEP_INSERT } what;
	size_t old, new; /* index of the rule in the kernel's chain, in the wanted one */
};

/* In order of position; a chain that does not exist is empty. The caller frees. */
int chain_diff(struct xtables *xtables, const struct chain *chain, struct step **ret,
	size_t *ret_n);
/* One of the own rules in a built-in chain. */
bool chain_diff_is_jump(struct xtables *xtables, const char *builtin, const void *entry);

struct wanted {
	char name[CHAIN_NAME_MAX]; /* first: found by it */
	bool created;
};

/* In the order of adding, until it is sorted. */
struct wanted_list {
	struct wanted *items;
	size_t n, size;
};

int chain_diff_want(struct wanted_list *list, const char *name, bool created); /* -ENOMEM */
void chain_diff_sort(struct wanted_list *list);
bool chain_diff_is_wanted(const struct wanted_list *list, const char *name); /* of a sorted list */

#endif
