/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the difference between a chain and the wanted one. Changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "diff.h"

/* How far a wanted rule is looked for behind the place where it should stand. */
#define LOOK_AHEAD 64

static size_t look_ahead(struct xtables *xtables, const void *const *old, size_t n_old, size_t i,
	const struct rule *rule)
{
	size_t end = n_old - i > LOOK_AHEAD ? i + LOOK_AHEAD : n_old;

	for (; i < end; i++)
		if (xtables_same(xtables, old[i], rule))
			return i;
	return n_old;
}

int chain_diff(struct xtables *xtables, const struct chain *chain, struct step **ret, size_t *ret_n)
{
	const void *const *old = NULL;
	size_t n_old = 0, n = 0, i = 0, found;
	int r = xtables_rules(xtables, chain->name, &old, &n_old);
	struct step *steps;

	if (r < 0 && r != -ENOENT)
		return r;
	steps = calloc(n_old + chain->length + 1, sizeof(*steps));
	if (!steps)
		return -ENOMEM;
	for (size_t j = 0; j < chain->length; j++) {
		found = look_ahead(xtables, old, n_old, i, &chain->rules[j]);
		if (found == n_old) {
			steps[n++] = (struct step){ STEP_INSERT, i, j };
			continue;
		}
		while (i < found)
			steps[n++] = (struct step){ STEP_DELETE, i++, j };
		steps[n++] = (struct step){ STEP_SAME, i++, j };
	}
	while (i < n_old)
		steps[n++] = (struct step){ STEP_DELETE, i++, chain->length };
	*ret = steps;
	*ret_n = n;
	return 0;
}

bool chain_diff_is_jump(struct xtables *xtables, const char *builtin, const void *entry)
{
	struct rule rule;

	return xtables_decode(xtables, entry, &rule) == 0 &&
	       render_is_jump(xtables_table(xtables), builtin, &rule);
}

int chain_diff_want(struct wanted_list *list, const char *name, bool created)
{
	if (ARRAY_RESERVE(list->items, list->size, list->n + 1) < 0)
		return -ENOMEM;
	memset(&list->items[list->n], 0, sizeof(*list->items));
	strncpy(list->items[list->n].name, name, CHAIN_NAME_MAX - 1);
	list->items[list->n++].created = created;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

void chain_diff_sort(struct wanted_list *list)
{
	if (list->n)
		qsort(list->items, list->n, sizeof(*list->items), compare_names);
}

bool chain_diff_is_wanted(const struct wanted_list *list, const char *name)
{
	return list->n && bsearch(name, list->items, list->n, sizeof(*list->items), compare_names);
}
