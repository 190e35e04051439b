/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fleet as this host sees it: what the registry says (latest) beside what the rules are
 * made from (shown), shard by shard. Pure: no clock, no registry, no kernel.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"
#include "slot.h"
#include "view.h"

/* Removals count as at once when their members vanished within so long, also where the removal
 * delay is shorter: the sessions of hosts that lose the registry together end one after another,
 * a third of the time-out and a tick apart. */
#define AT_ONCE_S 5

struct shard {
	struct slot *slots; /* sorted by overlay address */
	size_t length;
	size_t held;  /* removals that the guard holds */
	size_t loose; /* that wait for nothing but the removal delay */
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
	struct proof proof;
	struct removals {
		int64_t second; /* in which they vanished */
		size_t n;	/* that were let go without an operator */
	} recent[AT_ONCE_S];
};

int fleet_new(struct fleet **ret, const struct fleet_settings *settings)
{
	struct fleet *fleet = calloc(1, sizeof(*fleet));

	if (!fleet)
		return -ENOMEM;
	fleet->settings = *settings;
	fleet->n_shards = fleet->unread = settings->shards;
	fleet->proof.ms = FLEET_PROOF_MS;
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
	/* A registry that was emptied and made again, or restored from a copy, counts on from a
	 * smaller number: that says nothing, and the next larger one is an accept again. */
	bool accepted = settings->accepted > fleet->settings.accepted;

	fleet->settings = *settings;
	if (accepted)
		fleet_accept(fleet);
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
		slots[shard->length++] =
			(struct slot){ .shown = member_ref(member), .seeded = true };
	}
	return 0;
}

static void count_removals(struct shard *shard)
{
	shard->held = shard->loose = 0;
	for (size_t i = 0; i < shard->length; i++) {
		shard->held += shard->slots[i].held;
		shard->loose += slot_is_loose(&shard->slots[i]);
	}
}

void fleet_seed_doubts(struct fleet *fleet, const struct member_list *held,
	const struct member_list *doubted, bool accepted)
{
	for (unsigned i = 0; i < fleet->n_shards; i++) {
		struct shard *shard = &fleet->shards[i];

		for (size_t n = 0; n < shard->length; n++) {
			struct slot *slot = &shard->slots[n];
			bool was_held = slot->shown && fleet_view_find(held, &slot->shown->overlay);

			slot->held = was_held && !accepted;
			slot->accepted = was_held && accepted;
			slot->doubted =
				slot->shown && fleet_view_find(doubted, &slot->shown->overlay);
		}
		count_removals(shard);
	}
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

/* One pass over the old slots and the new content, both sorted; slots has room for all. */
static void merge_shard(const struct fleet *fleet, struct shard *shard,
	const struct member_list *members, struct slot *slots, int64_t now)
{
	size_t i = 0, j = 0, n = 0;

	shard->skipped = 0;
	shard->pending = false;
	while (i < shard->length || j < members->length) {
		struct slot *old = i < shard->length ? &shard->slots[i] : NULL;
		struct member *next = j < members->length ? members->items[j] : NULL;
		int order = !old  ? 1 :
			    !next ? -1 :
				    member_compare_overlay(old->latest ? old->latest : old->shown,
					    next);
		size_t run = order >= 0 ? run_length(members, j) : 0;

		slots[n] = order <= 0 ? *old : (struct slot){ 0 };
		slot_settle(&slots[n], &fleet->proof,
			run ? choose(&members->items[j], run, order == 0 ? old : NULL) : NULL, now);
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
	count_removals(shard);
}

bool fleet_guard_holds(const struct fleet_settings *settings, size_t removals, size_t members)
{
	size_t share = members * settings->max_removals_percent / 100;

	return removals > settings->max_removals && removals > share;
}

/* Vanished members that left already, and count with those that vanish now. */
static size_t count_recent(const struct fleet *fleet, int64_t now)
{
	size_t n = 0;

	for (size_t i = 0; i < AT_ONCE_S; i++)
		if (fleet->recent[i].second * 1000 > now - AT_ONCE_S * 1000)
			n += fleet->recent[i].n;
	return n;
}

static void note_recent(struct fleet *fleet, const struct slot *slot)
{
	int64_t second = slot->gone_since / 1000;
	struct removals *removals = &fleet->recent[second % AT_ONCE_S];

	if (removals->second < second)
		*removals = (struct removals){ .second = second };
	if (removals->second == second)
		removals->n++;
}

static void hold_shard(struct shard *shard)
{
	for (size_t i = 0; i < shard->length; i++)
		shard->slots[i].held |= slot_is_loose(&shard->slots[i]);
	count_removals(shard);
}

/* More than may go at once: all of them are held, one by one. It does not matter to them how
 * many others there are later: of a network that heals in steps the last ones live as well as the
 * first. Judged at every reading: the next step may come when half of them are back. */
static void guard(struct fleet *fleet, int64_t now)
{
	size_t left = count_recent(fleet, now), removals = left;

	for (unsigned i = 0; i < fleet->n_shards; i++)
		removals += fleet->shards[i].held + fleet->shards[i].loose;
	if (!fleet_guard_holds(&fleet->settings, removals, fleet->view.length + left))
		return;
	for (unsigned i = 0; i < fleet->n_shards; i++)
		if (fleet->shards[i].loose)
			hold_shard(&fleet->shards[i]);
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
	merge_shard(fleet, shard, members, slots, now > 0 ? now : 1);
	shard->skipped += reading->bad;
	shard->revision = reading->revision;
	if (!shard->read)
		fleet->unread--;
	shard->read = true;
	guard(fleet, now);
	return 0;
}

bool fleet_ready(const struct fleet *fleet)
{
	return fleet->unread == 0;
}

struct step {
	int64_t now;
	int64_t next;
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

static int leave(struct fleet *fleet, struct slot *slot, struct member_list *list)
{
	int result = show(slot, list);

	if (result == 0 && !slot->accepted)
		note_recent(fleet, slot);
	return result;
}

/* Returns whether the slot stays pending, or -ENOMEM. */
static int step_slot(struct fleet *fleet, struct slot *slot, struct step *step)
{
	int64_t due = slot->gone_since + fleet->settings.removal_delay_ms;

	if (!slot_is_pending(slot))
		return 0;
	if (!slot->shown)
		return show(slot, &step->delta->added);
	if (slot->latest)
		return show(slot, &step->delta->moved);
	if (slot->held || (slot->seeded && fleet->keeps_seed && !slot->accepted))
		return 1;
	if (due <= step->now)
		return leave(fleet, slot, &step->delta->removed);
	if (step->next < 0 || due < step->next)
		step->next = due;
	return 1;
}

static int step_shard(struct fleet *fleet, struct shard *shard, struct step *step)
{
	size_t kept = 0;
	bool pending = false, fewer;
	int result = 0;

	for (size_t i = 0; i < shard->length; i++) {
		if (result >= 0)
			result = step_slot(fleet, &shard->slots[i], step);
		pending |= result != 0;
		if (shard->slots[i].shown || shard->slots[i].latest)
			shard->slots[kept++] = shard->slots[i];
	}
	fewer = kept < shard->length;
	shard->length = kept;
	shard->pending = pending;
	if (fewer)
		count_removals(shard);
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

size_t fleet_delta_size(const struct fleet_delta *delta)
{
	return delta->added.length + delta->moved.length + delta->removed.length;
}

static int update_view(struct fleet *fleet, const struct fleet_delta *delta, bool was_stale)
{
	int result;

	if (was_stale || fleet_delta_size(delta) > FLEET_VIEW_PATCH_MAX)
		return rebuild_view(fleet);
	result = fleet_view_patch(&fleet->view, delta);
	fleet->stale = result < 0;
	return result;
}

int fleet_step(struct fleet *fleet, int64_t now, struct fleet_delta *ret, int64_t *ret_next)
{
	struct fleet_delta delta = { 0 };
	struct step step = { .now = now, .next = -1, .delta = &delta };
	bool was_stale = fleet->stale, changed;
	int result = 0;

	if (!fleet_ready(fleet))
		return -ENODATA;
	guard(fleet, now); /* the limits may be others now */
	for (unsigned i = 0; i < fleet->n_shards && result == 0; i++)
		if (fleet->shards[i].pending)
			result = step_shard(fleet, &fleet->shards[i], &step);
	fleet->stale |= fleet_delta_size(&delta) > 0;
	changed = fleet->stale;
	if (result == 0 && changed)
		result = update_view(fleet, &delta, was_stale);
	if (result < 0) {
		fleet_delta_clear(&delta);
		return result;
	}
	delta.partial = was_stale;
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
	size_t held = 0;

	for (unsigned i = 0; i < fleet->n_shards; i++)
		held += fleet->shards[i].held;
	return held;
}

static int list_doubts(const struct fleet *fleet, const struct shard *shard, int64_t now,
	struct member_list *held, struct member_list *doubted)
{
	int result = 0;

	for (size_t i = 0; i < shard->length && result == 0; i++) {
		const struct slot *slot = &shard->slots[i];

		if (slot->held)
			result = member_list_add(held, slot->shown);
		if (slot->shown && slot->doubted && !slot_is_proved(slot, &fleet->proof, now) &&
			result == 0)
			result = member_list_add(doubted, slot->shown);
	}
	return result;
}

int fleet_doubts(const struct fleet *fleet, int64_t now, struct member_list *ret_held,
	struct member_list *ret_doubted)
{
	struct member_list held = { 0 }, doubted = { 0 };
	int result = 0;

	for (unsigned i = 0; i < fleet->n_shards && result == 0; i++)
		result = list_doubts(fleet, &fleet->shards[i], now, &held, &doubted);
	if (result < 0) {
		member_list_clear(&held);
		member_list_clear(&doubted);
		return result;
	}
	member_list_sort(&held);
	member_list_sort(&doubted);
	*ret_held = held;
	*ret_doubted = doubted;
	return 0;
}

/* Runs over every slot that is shown. */
static void each_slot(struct fleet *fleet,
	void (*run)(struct fleet *fleet, struct slot *slot, int64_t now), int64_t now)
{
	for (unsigned i = 0; i < fleet->n_shards; i++) {
		struct shard *shard = &fleet->shards[i];

		for (size_t n = 0; n < shard->length; n++)
			if (shard->slots[n].shown)
				run(fleet, &shard->slots[n], now);
		count_removals(shard);
	}
}

/* What was not read yet is not known to be missing, unless it was held before a restart. */
static void accept_slot(struct fleet *fleet, struct slot *slot, int64_t now)
{
	(void)fleet;
	(void)now;
	slot->accepted |= slot->held || slot->gone_since;
	slot->held = false;
}

void fleet_accept(struct fleet *fleet)
{
	each_slot(fleet, accept_slot, 0);
}

static void doubt_slot(struct fleet *fleet, struct slot *slot, int64_t now)
{
	(void)fleet;
	(void)now;
	slot->doubted = true;
	slot->seen_since = 0; /* what was read before the doubt proves nothing */
	slot->held |= slot->gone_since && !slot->accepted;
}

void fleet_doubt(struct fleet *fleet)
{
	each_slot(fleet, doubt_slot, 0);
}

static void prove_slot(struct fleet *fleet, struct slot *slot, int64_t now)
{
	if (slot->doubted && slot_is_proved(slot, &fleet->proof, now))
		slot->doubted = false;
}

void fleet_unfollow(struct fleet *fleet, int64_t now)
{
	each_slot(fleet, prove_slot, now);
	fleet->proof.since = INT64_MAX;
}

void fleet_follow(struct fleet *fleet, int64_t proof_ms, int64_t now)
{
	fleet->proof.ms = proof_ms > FLEET_PROOF_MS ? proof_ms : FLEET_PROOF_MS;
	fleet->proof.since = now;
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
