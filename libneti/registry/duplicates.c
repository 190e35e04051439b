/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two entries for one overlay address: the lease decides who is right. It is read only then, once
 * for as long as they stand beside each other, and the shard is read again when it is known.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "duplicates.h"

#define DUPLICATES_MAX 64

struct duplicate {
	struct duplicate *next;
	struct registry *registry;
	struct address overlay;
	unsigned shard;
	duplicates_known known;
	bool busy;
	bool stands;		      /* in the reading at hand */
	bool over;		      /* to be let go when it is answered */
	char holder[NAME_ID_MAX + 1]; /* "": not known, or nobody */
};

static struct duplicate *find(const struct registry *registry, const struct address *overlay)
{
	struct duplicate *duplicate = registry->duplicates;

	while (duplicate && !address_equal(&duplicate->overlay, overlay))
		duplicate = duplicate->next;
	return duplicate;
}

static void answered(void *data, const struct store_answer *answer)
{
	struct duplicate *duplicate = data;
	bool failed;

	duplicate->busy = false;
	if (answer->result == 0 && answer->size <= NAME_ID_MAX)
		strcpy(duplicate->holder, answer->bytes);
	/* Without an answer it is asked again after the next reading. */
	failed = answer->result < 0 && answer->result != -ENOENT;
	duplicate->over |= failed;
	duplicate->known(duplicate->registry, duplicate->shard, failed ? REGISTRY_RETRY_MS : 0);
}

static void ask(struct registry *registry, const struct address *overlay, unsigned shard,
	duplicates_known known)
{
	struct duplicate *duplicate;
	char text[ADDRESS_TEXT_MAX];
	struct node_path path =
		registry_path(registry, "/ip-to-id/%s", address_format(overlay, text));
	size_t n = 0;

	for (duplicate = registry->duplicates; duplicate; duplicate = duplicate->next)
		n++;
	duplicate = n < DUPLICATES_MAX ? calloc(1, sizeof(*duplicate)) : NULL;
	if (!duplicate)
		return;
	*duplicate = (struct duplicate){ .registry = registry,
		.overlay = *overlay,
		.shard = shard,
		.known = known,
		.stands = true };
	if (registry->backend->get(registry->store, path.text, false, answered, duplicate) < 0) {
		free(duplicate);
		return;
	}
	duplicate->busy = true;
	duplicate->next = registry->duplicates;
	registry->duplicates = duplicate;
}

void duplicates_begin(struct registry *registry, unsigned shard)
{
	for (struct duplicate *duplicate = registry->duplicates; duplicate;
		duplicate = duplicate->next)
		if (duplicate->shard == shard)
			duplicate->stands = false;
}

bool duplicates_has_lost(struct registry *registry, const struct member *member, unsigned shard,
	duplicates_known known)
{
	struct duplicate *duplicate = find(registry, &member->overlay);

	if (!duplicate) {
		ask(registry, &member->overlay, shard, known);
		return false;
	}
	duplicate->stands = true;
	return *duplicate->holder && strcmp(duplicate->holder, member->id) != 0;
}

void duplicates_end(struct registry *registry)
{
	struct duplicate **at = &registry->duplicates;

	while (*at) {
		struct duplicate *duplicate = *at;

		if (duplicate->busy || (duplicate->stands && !duplicate->over)) {
			at = &duplicate->next;
			continue;
		}
		*at = duplicate->next;
		free(duplicate);
	}
}

/* The leases may be others in what the registry is now. */
void duplicates_lost(struct registry *registry)
{
	for (struct duplicate *duplicate = registry->duplicates; duplicate;
		duplicate = duplicate->next)
		duplicate->over = true;
}

void duplicates_clear(struct registry *registry)
{
	for (struct duplicate *duplicate = registry->duplicates; duplicate;
		duplicate = duplicate->next)
		duplicate->busy = duplicate->stands = false;
	duplicates_end(registry);
}
