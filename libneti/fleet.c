/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fleet as this host sees it: what the registry says (latest) beside what the rules are
 * made from (shown), shard by shard. Pure: no clock, no registry, no kernel.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"

#define PATCH_MAX 64 /* changes put into the view one by one */

struct slot {
	struct member *shown;  /* in the view, or NULL */
	struct member *latest; /* in the registry, or NULL */
	int64_t gone_since;    /* when latest became NULL */
	bool accepted;	       /* an operator lets the removal pass the guard */
	bool seeded;	       /* shown by fleet_seed(), not seen since */
	bool doubted;	       /* shown from before the registry lost its data, not seen since */
};

struct shard {
	struct slot *slots; /* sorted by overlay address */
	size_t length;
	size_t skipped;
	uint64_t revision;
	bool read;
	bool pending; /* some slot's latest is not what is shown */
};

struct fleet {
	struct fleet_settings settings;
	struct shard *shards;
	unsigned n_shards;
	unsigned unread;
	struct member_list view; /* what is shown, in order */
	bool stale;		 /* the slots moved on and the view did not (no memory) */
	bool keeps_seed;
	size_t held;
};

int fleet_new(struct fleet **ret, const struct fleet_settings *settings)
{
	struct fleet *fleet = calloc(1, sizeof(*fleet));

	if (!fleet)
		return -ENOMEM;
	fleet->settings = *settings;
	fleet->n_shards = fleet->unread = settings->shards;
	fleet->shards = calloc(settings->shards, sizeof(*fleet->shards));
	if (!fleet->shards) {
		free(fleet);
		return -ENOMEM;
	}
	*ret = fleet;
	return 0;
}

static void clear_shard(struct shard *shard)
{
	for (size_t i = 0; i < shard->length; i++) {
		member_unref(shard->slots[i].shown);
		member_unref(shard->slots[i].latest);
	}
	free(shard->slots);
}

struct fleet *fleet_free(struct fleet *fleet)
{
	if (!fleet)
		return NULL;
	for (unsigned i = 0; i < fleet->n_shards; i++)
		clear_shard(&fleet->shards[i]);
	free(fleet->shards);
	member_list_clear(&fleet->view);
	free(fleet);
	return NULL;
}

void fleet_configure(struct fleet *fleet, const struct fleet_settings *settings)
{
	/* A registry that was emptied and made again counts from the beginning. */
	bool accepted = settings->accepted > fleet->settings.accepted;

	fleet->settings = *settings;
	if (accepted)
		fleet_accept(fleet);
}

static const struct member *member_of(const struct slot *slot)
{
	return slot->latest ? slot->latest : slot->shown;
}

int fleet_seed(struct fleet *fleet, const struct member_list *members)
{
	for (size_t i = 0; i < members->length; i++) {
		struct member *member = members->items[i];
		struct shard *shard;
		struct slot *slots;

		if (i && member_compare_overlay(members->items[i - 1], member) == 0)
			continue;
		shard = &fleet->shards[address_modulo(&member->overlay, fleet->n_shards)];
		slots = reallocarray(shard->slots, shard->length + 1, sizeof(*slots));
		if (!slots)
			return -ENOMEM;
		shard->slots = slots;
		if (member_list_add(&fleet->view, member) < 0)
			return -ENOMEM;
		slots[shard->length++] = (struct slot){ .shown = member_ref(member),
			.seeded = true };
	}
	return 0;
}

void fleet_keep_seed(struct fleet *fleet, bool keep)
{
	fleet->keeps_seed = keep;
}

/*
 * Two entries for one overlay address: keep the one that is shown already, else the first. The
 * other is a mistake or an attack; it must not move traffic that flows.
 */
static struct member *choose(struct member *const *items, size_t n, const struct slot *slot)
{
	for (size_t i = 0; slot && slot->shown && i < n; i++)
		if (member_same(items[i], slot->shown))
			return items[i];
	return items[0];
}

static size_t run_length(const struct member_list *members, size_t from)
{
	size_t to = from + 1;

	while (to < members->length &&
		member_compare_overlay(members->items[from], members->items[to]) == 0)
		to++;
	return to - from;
}

static void settle_slot(struct slot *slot, struct member *latest, int64_t now)
{
	if (latest) {
		slot->gone_since = 0;
		slot->accepted = slot->doubted = slot->seeded = false;
	} else if (slot->latest || !slot->gone_since) {
		slot->gone_since = now;
	}
	member_unref(slot->latest);
	slot->latest = latest ? member_ref(latest) : NULL;
}

static bool slot_is_pending(const struct slot *slot)
{
	return !slot->shown || !slot->latest || !member_same(slot->shown, slot->latest);
}

/* One pass over the old slots and the new content, both sorted; slots has room for all. */
static void merge_shard(struct shard *shard, const struct member_list *members, struct slot *slots,
	int64_t now)
{
	size_t i = 0, j = 0, n = 0;

	shard->skipped = 0;
	shard->pending = false;
	while (i < shard->length || j < members->length) {
		struct slot *old = i < shard->length ? &shard->slots[i] : NULL;
		struct member *next = j < members->length ? members->items[j] : NULL;
		int order = !old ? 1 : !next ? -1 : member_compare_overlay(member_of(old), next);
		size_t run = order >= 0 ? run_length(members, j) : 0;

		slots[n] = order <= 0 ? *old : (struct slot){ 0 };
		settle_slot(&slots[n], run ? choose(&members->items[j], run, order == 0 ? old : NULL) : NULL,
			now);
		shard->skipped += run > 1 ? run - 1 : 0;
		if (slots[n].shown || slots[n].latest) {
			shard->pending |= slot_is_pending(&slots[n]);
			n++;
		}
		i += order <= 0;
		j += run;
	}
	free(shard->slots);
	shard->slots = slots;
	shard->length = n;
}

int fleet_shard(struct fleet *fleet, const struct fleet_reading *reading, int64_t now)
{
	const struct member_list *members = reading->members;
	struct shard *shard;
	struct slot *slots;

	if (reading->shard >= fleet->n_shards)
		return -EINVAL;
	shard = &fleet->shards[reading->shard];
	slots = calloc(shard->length + members->length + 1, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	/* 0 stands for "not gone", so a clock that starts at 0 is moved on by one. */
	merge_shard(shard, members, slots, now > 0 ? now : 1);
	shard->skipped += reading->bad;
	shard->revision = reading->revision;
	if (!shard->read)
		fleet->unread--;
	shard->read = true;
	return 0;
}

bool fleet_ready(const struct fleet *fleet)
{
	return fleet->unread == 0;
}

struct vanished {
	size_t all, doubted;
};

static struct vanished count_vanished(const struct fleet *fleet)
{
	struct vanished vanished = { 0 };

	for (unsigned i = 0; i < fleet->n_shards; i++) {
		const struct shard *shard = &fleet->shards[i];

		for (size_t n = 0; shard->pending && n < shard->length; n++) {
			const struct slot *slot = &shard->slots[n];
			bool gone = !slot->latest && !slot->accepted;

			vanished.all += gone;
			vanished.doubted += gone && slot->doubted;
		}
	}
	return vanished;
}

bool fleet_guard_holds(const struct fleet_settings *settings, size_t removals, size_t members)
{
	size_t share = members * settings->max_removals_percent / 100;

	return removals > settings->max_removals && removals > share;
}

struct step {
	int64_t now;
	int64_t next;
	bool hold;
	struct fleet_delta *delta;
};

static int show(struct slot *slot, struct member_list *list)
{
	int result = member_list_add(list, slot->latest ? slot->latest : slot->shown);

	if (result < 0)
		return result;
	member_unref(slot->shown);
	slot->shown = slot->latest ? member_ref(slot->latest) : NULL;
	return 0;
}

/* Returns whether the slot stays pending, or -ENOMEM. */
static int step_slot(const struct fleet *fleet, struct slot *slot, struct step *step)
{
	int64_t due = slot->gone_since + fleet->settings.removal_delay_ms;

	if (!slot_is_pending(slot))
		return 0;
	if (!slot->shown)
		return show(slot, &step->delta->added);
	if (slot->latest)
		return show(slot, &step->delta->moved);
	if ((step->hold || slot->doubted || (slot->seeded && fleet->keeps_seed)) && !slot->accepted)
		return 1;
	if (due <= step->now)
		return show(slot, &step->delta->removed);
	if (step->next < 0 || due < step->next)
		step->next = due;
	return 1;
}

static int step_shard(const struct fleet *fleet, struct shard *shard, struct step *step)
{
	size_t kept = 0;
	bool pending = false;
	int result = 0;

	for (size_t i = 0; i < shard->length; i++) {
		if (result >= 0)
			result = step_slot(fleet, &shard->slots[i], step);
		pending |= result != 0;
		if (shard->slots[i].shown || shard->slots[i].latest)
			shard->slots[kept++] = shard->slots[i];
	}
	shard->length = kept;
	shard->pending = pending;
	return result < 0 ? result : 0;
}

static int rebuild_view(struct fleet *fleet)
{
	struct member_list view = { 0 };

	for (unsigned i = 0; i < fleet->n_shards; i++) {
		const struct shard *shard = &fleet->shards[i];

		for (size_t n = 0; n < shard->length; n++) {
			if (!shard->slots[n].shown)
				continue;
			if (member_list_add(&view, shard->slots[n].shown) < 0) {
				member_list_clear(&view);
				return -ENOMEM;
			}
		}
	}
	member_list_sort(&view);
	member_list_clear(&fleet->view);
	fleet->view = view;
	fleet->stale = false;
	return 0;
}

static size_t view_index(const struct member_list *view, const struct member *member)
{
	size_t low = 0, high = view->length;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (member_compare_overlay(view->items[middle], member) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void take_out(struct member_list *view, size_t i)
{
	member_unref(view->items[i]);
	view->length--;
	memmove(&view->items[i], &view->items[i + 1], (view->length - i) * sizeof(*view->items));
}

static int put_in(struct member_list *view, struct member *member)
{
	size_t i = view_index(view, member);
	int result = member_list_add(view, member);

	if (result < 0)
		return result;
	memmove(&view->items[i + 1], &view->items[i],
		(view->length - 1 - i) * sizeof(*view->items));
	view->items[i] = member;
	return 0;
}

/* Few changes of a large view: it is not read and sorted again. */
static int patch_view(struct fleet *fleet, const struct fleet_delta *delta)
{
	struct member_list *view = &fleet->view;
	int result = 0;

	for (size_t i = 0; i < delta->removed.length; i++)
		take_out(view, view_index(view, delta->removed.items[i]));
	for (size_t i = 0; i < delta->moved.length; i++) {
		struct member **item = &view->items[view_index(view, delta->moved.items[i])];

		member_unref(*item);
		*item = member_ref(delta->moved.items[i]);
	}
	for (size_t i = 0; i < delta->added.length && result == 0; i++)
		result = put_in(view, delta->added.items[i]);
	if (result == 0)
		fleet->stale = false;
	return result;
}

static size_t delta_size(const struct fleet_delta *delta)
{
	return delta->added.length + delta->moved.length + delta->removed.length;
}

static int update_view(struct fleet *fleet, const struct fleet_delta *delta, bool was_stale)
{
	if (was_stale || delta_size(delta) > PATCH_MAX)
		return rebuild_view(fleet);
	return patch_view(fleet, delta);
}

int fleet_step(struct fleet *fleet, int64_t now, struct fleet_delta *ret, int64_t *ret_next)
{
	struct fleet_delta delta = { 0 };
	struct step step = { .now = now, .next = -1, .delta = &delta };
	bool was_stale = fleet->stale, changed;
	struct vanished vanished;
	int result = 0;

	if (!fleet_ready(fleet))
		return -ENODATA;
	vanished = count_vanished(fleet);
	step.hold = fleet_guard_holds(&fleet->settings, vanished.all, fleet->view.length);
	fleet->held = step.hold ? vanished.all : vanished.doubted;
	for (unsigned i = 0; i < fleet->n_shards && result == 0; i++)
		if (fleet->shards[i].pending)
			result = step_shard(fleet, &fleet->shards[i], &step);
	fleet->stale |= delta_size(&delta) > 0;
	changed = fleet->stale;
	if (result == 0 && changed)
		result = update_view(fleet, &delta, was_stale);
	if (result < 0) {
		fleet_delta_clear(&delta);
		return result;
	}
	*ret = delta;
	*ret_next = step.next;
	return changed;
}

void fleet_delta_clear(struct fleet_delta *delta)
{
	member_list_clear(&delta->added);
	member_list_clear(&delta->moved);
	member_list_clear(&delta->removed);
}

const struct member_list *fleet_members(const struct fleet *fleet)
{
	return &fleet->view;
}

size_t fleet_held(const struct fleet *fleet)
{
	return fleet->held;
}

void fleet_accept(struct fleet *fleet)
{
	for (unsigned i = 0; i < fleet->n_shards; i++)
		for (size_t n = 0; n < fleet->shards[i].length; n++)
			fleet->shards[i].slots[n].accepted = !fleet->shards[i].slots[n].latest;
}

void fleet_doubt(struct fleet *fleet)
{
	for (unsigned i = 0; i < fleet->n_shards; i++)
		for (size_t n = 0; n < fleet->shards[i].length; n++)
			fleet->shards[i].slots[n].doubted = fleet->shards[i].slots[n].shown;
}

size_t fleet_skipped(const struct fleet *fleet)
{
	size_t skipped = 0;

	for (unsigned i = 0; i < fleet->n_shards; i++)
		skipped += fleet->shards[i].skipped;
	return skipped;
}

uint64_t fleet_revision(const struct fleet *fleet)
{
	uint64_t revision = 0;

	for (unsigned i = 0; i < fleet->n_shards; i++)
		if (fleet->shards[i].revision > revision)
			revision = fleet->shards[i].revision;
	return revision;
}
