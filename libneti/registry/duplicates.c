/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two entries for one overlay address: the lease decides who is right. It is read only then, once
 * for as long as they stand beside each other, and the shard is read again when it is known.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define DISPUTES_MAX 64

struct dispute {
	struct dispute *next;
	struct registry *registry;
	struct address overlay;
	unsigned shard;
	bool busy;
	bool stands; /* in the reading at hand */
	bool over;   /* to be let go when it is answered */
	char holder[NAME_ID_MAX + 1]; /* "": not known, or nobody */
};

static struct dispute *find(const struct registry *registry, const struct address *overlay)
{
	struct dispute *dispute = registry->disputes;

	while (dispute && !address_equal(&dispute->overlay, overlay))
		dispute = dispute->next;
	return dispute;
}

static void answered(void *data, const struct store_answer *answer)
{
	struct dispute *dispute = data;
	bool failed;

	dispute->busy = false;
	if (answer->result == 0 && answer->size <= NAME_ID_MAX)
		strcpy(dispute->holder, answer->bytes);
	/* Without an answer it is asked again after the next reading. */
	failed = answer->result < 0 && answer->result != -ENOENT;
	dispute->over |= failed;
	roster_read_again(dispute->registry, dispute->shard, failed ? REGISTRY_RETRY_MS : 0);
}

static void ask(struct registry *registry, const struct address *overlay, unsigned shard)
{
	struct dispute *dispute;
	char text[ADDRESS_TEXT_MAX];
	struct node_path path = registry_path(registry, "/ip-to-id/%s", address_format(overlay, text));
	size_t n = 0;

	for (dispute = registry->disputes; dispute; dispute = dispute->next)
		n++;
	dispute = n < DISPUTES_MAX ? calloc(1, sizeof(*dispute)) : NULL;
	if (!dispute)
		return;
	*dispute = (struct dispute){
		.registry = registry, .overlay = *overlay, .shard = shard, .stands = true
	};
	if (registry->backend->get(registry->store, path.text, false, answered, dispute) < 0) {
		free(dispute);
		return;
	}
	dispute->busy = true;
	dispute->next = registry->disputes;
	registry->disputes = dispute;
}

void dispute_begin(struct registry *registry, unsigned shard)
{
	for (struct dispute *dispute = registry->disputes; dispute; dispute = dispute->next)
		if (dispute->shard == shard)
			dispute->stands = false;
}

bool dispute_is_lost(struct registry *registry, const struct member *member, unsigned shard)
{
	struct dispute *dispute = find(registry, &member->overlay);

	if (!dispute) {
		ask(registry, &member->overlay, shard);
		return false;
	}
	dispute->stands = true;
	return *dispute->holder && strcmp(dispute->holder, member->id) != 0;
}

void dispute_end(struct registry *registry)
{
	struct dispute **at = &registry->disputes;

	while (*at) {
		struct dispute *dispute = *at;

		if (dispute->busy || (dispute->stands && !dispute->over)) {
			at = &dispute->next;
			continue;
		}
		*at = dispute->next;
		free(dispute);
	}
}

/* The leases may be others in what the registry is now. */
void dispute_lost(struct registry *registry)
{
	for (struct dispute *dispute = registry->disputes; dispute; dispute = dispute->next)
		dispute->over = true;
}

void dispute_clear(struct registry *registry)
{
	while (registry->disputes) {
		struct dispute *next = registry->disputes->next;

		free(registry->disputes);
		registry->disputes = next;
	}
}
