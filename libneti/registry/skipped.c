/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the registry holds that is no member: the first few are kept by name, so that a person
 * can find them.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static void take_out(struct skipped_list *list, size_t i)
{
	free(list->items[i].text);
	list->n--;
	memmove(&list->items[i], &list->items[i + 1], (list->n - i) * sizeof(*list->items));
}

void skipped_forget(struct registry *registry, unsigned shard)
{
	struct skipped_list *list = &registry->skipped;

	for (size_t i = list->n; i-- > 0;)
		if (list->items[i].shard == shard)
			take_out(list, i);
}

void skipped_note(struct registry *registry, unsigned shard, const char *sentence)
{
	struct skipped_list *list = &registry->skipped;
	char *text;

	if (list->n == REGISTRY_SKIPPED_NAMED)
		return;
	text = strdup(sentence);
	if (!text)
		return;
	list->items[list->n].shard = shard;
	list->items[list->n++].text = text;
}

void skipped_clear(struct registry *registry)
{
	while (registry->skipped.n > 0)
		take_out(&registry->skipped, registry->skipped.n - 1);
}

size_t registry_skipped(const struct registry *registry, const char *ret[REGISTRY_SKIPPED_NAMED])
{
	for (size_t i = 0; i < registry->skipped.n; i++)
		ret[i] = registry->skipped.items[i].text;
	return registry->skipped.n;
}

size_t registry_strays(const struct registry *registry)
{
	return registry->watch.strays;
}
