/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Puts a patched table back: what stands behind a changed chain moves, jumps follow, rules that
 * stay keep their counters.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "xtables_patch.h"

struct layout {
	ptrdiff_t shift; /* of the table's end */
	bool moved;	 /* something has */
};

static int fail(int number)
{
	errno = number;
	return 0;
}

static size_t slots_length(const struct place *place)
{
	size_t length = 0;

	for (size_t i = 0; i < place->n; i++)
		length += length_of(place->slots[i].entry);
	return length;
}

/* Where every chain will stand, and the table's size. */
static int lay_out(struct patch *patch, struct layout *ret)
{
	ptrdiff_t entries = 0;

	*ret = (struct layout){ 0 };
	for (size_t i = 0; i < patch->n; i++) {
		struct place *place = &patch->places[i];

		place->shift = ret->shift;
		if (!place->slots)
			continue;
		ret->shift += (ptrdiff_t)slots_length(place) - (ptrdiff_t)(place->end - place->start);
		ret->moved |= ret->shift != 0;
		entries += (ptrdiff_t)place->n - (ptrdiff_t)place->old_n;
	}
	patch->table->num_entries = (unsigned)(patch->info.num_entries + entries);
	patch->table->size = (unsigned)(patch->info.size + ret->shift);
	return patch->table->size <= 2 * (size_t)patch->info.size &&
			       patch->table->num_entries <= 2 * (size_t)patch->info.num_entries ?
		       0 :
		       -EOPNOTSUPP; /* no room */
}

/* A jump leads to the start of a chain's rules. */
static int turn_jump(const struct patch *patch, void *entry)
{
	struct xt_standard_target *target = (void *)target_of(entry);
	const struct place *place;

	if (*target->target.u.user.name || target->verdict < 0)
		return 0;
	place = patch_find_start(patch, target->verdict);
	if (!place)
		return -EOPNOTSUPP;
	target->verdict += (int)place->shift;
	return 0;
}

static int turn_jumps(const struct patch *patch)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < patch->info.size; at += length_of(entry_at(patch, at)))
		r = turn_jump(patch, entry_at(patch, at));
	for (size_t i = 0; i < patch->n; i++)
		for (size_t slot = 0; r == 0 && slot < patch->places[i].n; slot++)
			r = turn_jump(patch, patch->places[i].slots[slot].entry);
	return r;
}

/* The changed chains in order. The caller frees. */
static struct place **changed_places(const struct patch *patch, size_t *ret_n)
{
	struct place **changed = calloc(patch->n + 1, sizeof(struct place *));

	*ret_n = 0;
	for (size_t i = 0; changed && i < patch->n; i++)
		if (patch->places[i].slots)
			changed[(*ret_n)++] = &patch->places[i];
	return changed;
}

/* What stands between two changed chains, or a changed one and an end of the table. */
static void move(struct patch *patch, struct place *const *changed, size_t n, size_t i,
	ptrdiff_t shift, bool up)
{
	size_t start = i ? changed[i - 1]->end : 0;
	size_t end = i < n ? changed[i]->start : patch->info.size;

	shift = i < n ? changed[i]->shift : shift;
	if (shift != 0 && (shift > 0) == up)
		memmove(bytes_of(patch) + (ptrdiff_t)start + shift, bytes_of(patch) + start,
			end - start);
}

/* What moves down goes first, in rising order, then what moves up, in falling order: so nothing
 * is written over before it has been moved itself. */
static void move_all(struct patch *patch, struct place *const *changed, size_t n, ptrdiff_t shift)
{
	for (size_t i = 0; i <= n; i++)
		move(patch, changed, n, i, shift, false);
	for (size_t i = n + 1; i-- > 0;)
		move(patch, changed, n, i, shift, true);
	for (size_t i = 0; i < n; i++) {
		unsigned char *to = bytes_of(patch) + (ptrdiff_t)changed[i]->start + changed[i]->shift;

		for (size_t slot = 0; slot < changed[i]->n; slot++) {
			const unsigned char *entry = changed[i]->slots[slot].entry;

			memcpy(to, entry, length_of(entry));
			to += length_of(entry);
		}
	}
}

static int replace(struct patch *patch)
{
	struct ipt_replace *table = patch->table;

	memcpy(table->name, patch->info.name, sizeof(table->name));
	table->valid_hooks = patch->info.valid_hooks;
	memcpy(table->hook_entry, patch->info.hook_entry, sizeof(table->hook_entry));
	memcpy(table->underflow, patch->info.underflow, sizeof(table->underflow));
	table->num_counters = patch->info.num_entries;
	table->counters = patch->counters;
	return setsockopt(patch->fd, SOL_IP, IPT_SO_SET_REPLACE, table,
		       (socklen_t)(sizeof(*table) + table->size)) == 0;
}

/* The kernel starts all counters anew and hands out the old ones, to the last packet. */
static int put_counters_back(struct patch *patch, struct place *const *changed, size_t n)
{
	struct xt_counters *to = patch->added->counters;
	size_t done = 0;

	for (size_t i = 0; i < n; i++) {
		const struct place *place = changed[i];

		memcpy(to, patch->counters + done, (place->number - done) * sizeof(*to));
		to += place->number - done;
		for (size_t slot = 0; slot < place->n; slot++, to++) {
			memset(to, 0, sizeof(*to));
			if (place->slots[slot].number != NEW)
				*to = patch->counters[place->slots[slot].number];
		}
		done = place->number + place->old_n;
	}
	memcpy(to, patch->counters + done, (patch->info.num_entries - done) * sizeof(*to));
	memcpy(patch->added->name, patch->info.name, sizeof(patch->added->name));
	patch->added->num_counters = patch->table->num_entries;
	return setsockopt(patch->fd, SOL_IP, IPT_SO_SET_ADD_COUNTERS, patch->added,
		       (socklen_t)(sizeof(*patch->added) +
				   patch->added->num_counters * sizeof(*to))) == 0;
}

int patch_write(void *handle)
{
	struct patch *patch = handle;
	struct place **changed;
	struct layout layout;
	size_t n;
	int r = lay_out(patch, &layout), good;

	if (r == 0 && layout.moved)
		r = turn_jumps(patch);
	if (r < 0)
		return fail(-r);
	changed = changed_places(patch, &n);
	if (!changed)
		return fail(ENOMEM);
	move_all(patch, changed, n, layout.shift);
	good = replace(patch) && put_counters_back(patch, changed, n);
	free(changed);
	return good;
}
