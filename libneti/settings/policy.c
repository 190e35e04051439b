/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies and compares policies. The lists differ only in their element and its order, so one
 * table of {offset, size, compare} serves all of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

static int compare_ports(const void *a, const void *b)
{
	const struct port_range *p = a, *q = b;

	if (p->protocol != q->protocol)
		return p->protocol < q->protocol ? -1 : 1;
	if (p->low != q->low)
		return p->low < q->low ? -1 : 1;
	return (p->high > q->high) - (p->high < q->high);
}

static int compare_prefixes(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

static int compare_overrides(const void *a, const void *b)
{
	const struct override *p = a, *q = b;
	int order = address_compare(&p->from, &q->from);

	return order ? order : address_compare(&p->to, &q->to);
}

struct list {
	void **items;
	size_t *length;
};

#define N_LISTS 4

static const struct {
	size_t size;
	int (*compare)(const void *a, const void *b);
} kinds[N_LISTS] = {
	{ sizeof(struct port_range), compare_ports },
	{ sizeof(struct prefix), compare_prefixes },
	{ sizeof(struct prefix), compare_prefixes },
	{ sizeof(struct override), compare_overrides },
};

static void lists_of(struct policy *policy, struct list lists[N_LISTS])
{
	lists[0] = (struct list){ (void **)&policy->open_ports, &policy->n_open_ports };
	lists[1] = (struct list){ (void **)&policy->ssh_whitelist, &policy->n_ssh_whitelist };
	lists[2] = (struct list){ (void **)&policy->trusted, &policy->n_trusted };
	lists[3] = (struct list){ (void **)&policy->nat_overrides, &policy->n_nat_overrides };
}

static size_t drop_repetitions(char *items, size_t n, size_t size,
	int (*compare)(const void *a, const void *b))
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept && compare(items + (kept - 1) * size, items + i * size) == 0)
			continue;
		memmove(items + kept++ * size, items + i * size, size);
	}
	return kept;
}

int policy_copy(struct policy *ret, const struct policy *policy)
{
	struct policy copy = *policy;
	struct list lists[N_LISTS];
	bool failed = false;

	lists_of(&copy, lists);
	for (size_t i = 0; i < N_LISTS; i++) {
		size_t size = kinds[i].size, n = *lists[i].length;
		void *items = n ? calloc(n, size) : NULL;

		failed = failed || (n && !items);
		if (items) {
			memcpy(items, *lists[i].items, n * size);
			qsort(items, n, size, kinds[i].compare);
			*lists[i].length = drop_repetitions(items, n, size, kinds[i].compare);
		}
		*lists[i].items = items;
	}
	if (failed) {
		policy_clear(&copy);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

bool policy_equal(const struct policy *a, const struct policy *b)
{
	struct policy left = *a, right = *b;
	struct list ours[N_LISTS], theirs[N_LISTS];

	if (a->reject_all != b->reject_all || a->forwarded != b->forwarded || a->icmp != b->icmp)
		return false;
	lists_of(&left, ours);
	lists_of(&right, theirs);
	for (size_t i = 0; i < N_LISTS; i++) {
		const char *p = *ours[i].items, *q = *theirs[i].items;

		if (*ours[i].length != *theirs[i].length)
			return false;
		for (size_t n = 0; n < *ours[i].length; n++)
			if (kinds[i].compare(p + n * kinds[i].size, q + n * kinds[i].size))
				return false;
	}
	return true;
}

void policy_clear(struct policy *policy)
{
	struct list lists[N_LISTS];

	lists_of(policy, lists);
	for (size_t i = 0; i < N_LISTS; i++)
		free(*lists[i].items);
	*policy = (struct policy){ 0 };
}
