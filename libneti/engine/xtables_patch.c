/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table as the bytes that the kernel gives and takes, patched where a member has come, moved
 * or gone, so that one change costs little more than what the kernel takes for it. libiptc makes
 * objects of all rules and bytes of these again. Whatever is not the change of a DNAT rule in a
 * chain that stays is refused with EOPNOTSUPP before anything is changed, and is libiptc's to do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xtables_patch.h"

static int refuse(int number)
{
	errno = number;
	return 0;
}

static int compare_name(const void *name, const void *place)
{
	return strcmp(name, ((const struct place *)place)->name);
}

static int compare_start(const void *start, const void *place)
{
	size_t a = *(const size_t *)start, b = ((const struct place *)place)->start;

	return (a > b) - (a < b);
}

static struct place *find(struct patch *patch, const char *chain)
{
	for (size_t i = 0; i < NF_INET_NUMHOOKS; i++)
		if (patch->builtins[i].name && strcmp(patch->builtins[i].name, chain) == 0)
			return &patch->builtins[i];
	return bsearch(chain, patch->places, patch->n, sizeof(*patch->places), compare_name);
}

/* Where a jump leads to. */
struct place *patch_find_start(const struct patch *patch, int verdict)
{
	size_t start = (size_t)verdict;

	return bsearch(&start, patch->places, patch->n, sizeof(*patch->places), compare_start);
}

static int patch_has(const char *chain, void *handle)
{
	return find(handle, chain) != NULL;
}

static const void *patch_next(const void *entry, void *handle)
{
	struct patch *patch = handle;
	const struct place *place = patch->reading;
	size_t at = entry ? (size_t)((const unsigned char *)entry - bytes_of(patch)) +
				    length_of(entry) :
			    place->start;

	if (place->slots)
		return patch->next < place->n ? place->slots[patch->next++].entry : NULL;
	return at < place->end ? bytes_of(patch) + at : NULL;
}

static const void *patch_first(const char *chain, void *handle)
{
	struct patch *patch = handle;

	patch->reading = find(patch, chain);
	patch->next = 0;
	if (patch->reading)
		return patch_next(NULL, patch);
	errno = ENOENT;
	return NULL;
}

static const char *patch_target(const void *entry, void *handle)
{
	const struct xt_standard_target *target = (const void *)target_of(entry);
	const struct place *place = patch_find_start(handle, target->verdict);

	return place ? place->name : "?";
}

static unsigned char *copy(const void *entry)
{
	unsigned char *bytes = malloc(length_of(entry));

	return bytes ? memcpy(bytes, entry, length_of(entry)) : NULL;
}

/* Room for one slot more than there are. */
static int grow(struct place *place)
{
	struct slot *slots = realloc(place->slots, (place->n + 1) * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	place->slots = slots;
	return 0;
}

static int copy_rules(struct patch *patch, struct place *place)
{
	int r = grow(place);

	for (size_t at = place->start; r == 0 && at < place->end; place->n++) {
		struct slot slot = { copy(entry_at(patch, at)), place->number + place->n };

		r = slot.entry ? grow(place) : -ENOMEM;
		if (r < 0) {
			free(slot.entry);
			break;
		}
		place->slots[place->n] = slot;
		at += length_of(slot.entry);
	}
	place->old_n = place->n;
	return r;
}

/* The chain, ready to be changed. NULL with errno. */
static struct place *change(struct patch *patch, const char *chain)
{
	struct place *place = find(patch, chain);
	int r = !place ? -ENOENT : place->builtin ? -EOPNOTSUPP : 0;

	if (r == 0 && !place->slots)
		r = copy_rules(patch, place);
	errno = -r;
	return r == 0 ? place : NULL;
}

static int patch_insert(const char *chain, const void *entry, unsigned position, void *handle)
{
	struct place *place = change(handle, chain);
	struct slot slot = { NULL, NEW };

	if (!place)
		return 0;
	if (strcmp(target_of(entry)->u.user.name, "DNAT") != 0)
		return refuse(EOPNOTSUPP); /* verdicts and jumps are numbers in the kernel */
	if (position > place->n)
		return refuse(E2BIG);
	slot.entry = copy(entry);
	if (!slot.entry || grow(place) < 0) {
		free(slot.entry);
		return refuse(ENOMEM);
	}
	memmove(&place->slots[position + 1], &place->slots[position],
		(place->n++ - position) * sizeof(slot));
	place->slots[position] = slot;
	return 1;
}

static int patch_delete(const char *chain, unsigned position, void *handle)
{
	struct place *place = change(handle, chain);

	if (!place)
		return 0;
	if (position >= place->n)
		return refuse(E2BIG);
	free(place->slots[position].entry);
	memmove(&place->slots[position], &place->slots[position + 1],
		(--place->n - position) * sizeof(*place->slots));
	return 1;
}

static int refuse_chain(const char *chain, void *handle)
{
	(void)chain;
	(void)handle;
	return refuse(EOPNOTSUPP);
}

static int refuse_rule(const char *chain, const void *entry, void *handle)
{
	(void)chain;
	(void)entry;
	(void)handle;
	return refuse(EOPNOTSUPP);
}

static int refuse_references(unsigned *ret, const char *chain, void *handle)
{
	*ret = 1;
	return refuse_chain(chain, handle);
}

static const char *no_chain(void *handle)
{
	(void)handle;
	return NULL;
}

const struct xtables_backend xtables_patch = {
	.family = AF_INET,
	.program = "iptables",
	.init = patch_read,
	.free = patch_free,
	.first_chain = no_chain,
	.next_chain = no_chain,
	.has = patch_has,
	.references = refuse_references,
	.first = patch_first,
	.next = patch_next,
	.target = patch_target,
	.create = refuse_chain,
	.insert = patch_insert,
	.append = refuse_rule,
	.delete = patch_delete,
	.empty = refuse_chain,
	.drop = refuse_chain,
	.commit = patch_write,
};
