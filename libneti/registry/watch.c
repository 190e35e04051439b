/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watching every shard. A change makes one shard read again; changes that come while that read
 * is under way make one more, however many they are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "duplicates.h"

#define LOST_MICROSECONDS 200 /* a whole fleet that reads everything again */
#define LOST_MOST_MS 3000

static void read_again(struct watch_shard *shard, int64_t first_ms)
{
	shard->dirty = true;
	shard->read_at = retry_at(&shard->retry, first_ms);
}

static void shard_read_again(struct registry *registry, unsigned shard, int64_t ms)
{
	if (shard >= registry->watch.n)
		return;
	registry->watch.shards[shard].dirty = true;
	registry->watch.shards[shard].read_at = registry_now() + ms;
}

void watch_lost(struct registry *registry)
{
	int64_t at = registry_now() + registry_spread(registry, LOST_MICROSECONDS, LOST_MOST_MS);

	for (unsigned i = 0; i < registry->watch.n; i++) {
		registry->watch.shards[i].dirty = true;
		registry->watch.shards[i].read_at = at;
	}
	registry->watch.beside.dirty = true;
	registry->watch.beside.read_at = 0;
	duplicates_lost(registry);
	registry->watch.retry_at = 0;
}

void watch_replaced(void *data, const char *why)
{
	struct registry *registry = data;
	struct watch *watch = &registry->watch;

	registry->replaced = NULL;
	log_warning(&registry->log, "registry %s has lost data: %s", registry->uri, why);
	for (unsigned i = 0; i < watch->n; i++)
		watch->shards[i].revision = 0;
	watch_lost(registry);
	/* Not over and over at once: a server may say at every reading that it went back. */
	watch->retry_at = retry_at(&watch->replaced, 0);
	if (registry->handler.replaced)
		registry->handler.replaced(registry->handler.data);
}

/* Bad entries are logged when their number changes, not at every read. */
static void skip(struct registry *registry, unsigned number, size_t n, const char *sentence)
{
	skipped_note(registry, number, sentence);
	if (n >= registry->watch.shards[number].skipped)
		log_warning(&registry->log, "skipped: %s", sentence);
}

/* Without memory the whole read counts for nothing: a good entry that is left out looks like a
 * member that has gone. */
static int parse_shard(struct registry *registry, const struct store_answer *answer,
	struct fleet_reading *reading, struct member_list *ret)
{
	struct error error;

	for (size_t i = 0; i < answer->n_names; i++) {
		struct member *member;
		int result = entry_parse(&member, answer->names[i], &registry->layout.settings,
			reading->shard, &error);

		if (result == 0) {
			result = member_list_add(ret, member);
			member_unref(member);
		}
		if (result == -ENOMEM)
			return result;
		if (result < 0)
			skip(registry, reading->shard, reading->bad++,
				result == -EINVAL ? error.text : strerror(-result));
	}
	return 0;
}

static bool has_twin(const struct member_list *members, size_t i)
{
	return (i > 0 && member_compare_overlay(members->items[i - 1], members->items[i]) == 0) ||
	       (i + 1 < members->length &&
		       member_compare_overlay(members->items[i], members->items[i + 1]) == 0);
}

/* Of several entries for one overlay address, those whose id has not its lease are skipped. */
static size_t judge(struct registry *registry, unsigned number, size_t skipped,
	struct member_list *members)
{
	bool *lost = calloc(members->length + 1, sizeof(*lost));
	char text[ADDRESS_TEXT_MAX];
	struct error error;
	size_t kept = 0;

	duplicates_begin(registry, number);
	for (size_t i = 0; lost && i < members->length; i++)
		lost[i] = has_twin(members, i) && duplicates_has_lost(registry, members->items[i],
							  number, shard_read_again);
	duplicates_end(registry);
	for (size_t i = 0; lost && i < members->length; i++) {
		struct member *member = members->items[i];

		if (!lost[i]) {
			members->items[kept++] = member;
			continue;
		}
		error_set(&error, -EINVAL, NETI_REASON_REGISTRY,
			"registry entry of %s: the overlay address %s is leased to another id",
			member->id, address_format(&member->overlay, text));
		skip(registry, number, skipped++, error.text);
		member_unref(member);
	}
	members->length = lost ? kept : members->length;
	free(lost);
	return skipped;
}

static int take_in(struct registry *registry, const struct store_answer *answer,
	struct fleet_reading *reading, struct member_list *members)
{
	struct watch_shard *shard = &registry->watch.shards[reading->shard];
	int result = parse_shard(registry, answer, reading, members);

	if (result < 0)
		return result;
	member_list_sort(members);
	reading->bad = judge(registry, reading->shard, reading->bad, members);
	shard->skipped = reading->bad;
	registry->n_members += members->length - shard->members;
	shard->members = members->length;
	return registry->handler.shard ? registry->handler.shard(registry->handler.data, reading) :
					 0;
}

static void tell(struct registry *registry, unsigned number, const struct store_answer *answer)
{
	struct watch_shard *shard = &registry->watch.shards[number];
	struct member_list members = { 0 };
	struct fleet_reading reading = {
		.shard = number,
		.members = &members,
		.revision = answer->revision,
	};

	if (reading.revision < shard->revision)
		registry->replaced = "it went back to an older state";
	if (registry->replaced) /* told before anything that is read now */
		watch_replaced(registry, registry->replaced);
	shard->revision = reading.revision;
	skipped_forget(registry, number);
	if (take_in(registry, answer, &reading, &members) < 0)
		read_again(shard, REGISTRY_RETRY_MS);
	member_list_clear(&members);
}

/* The first of them is told, until all can be read; what as a rule passes by itself, when it lasts. */
static void read_failed(struct registry *registry, struct watch_shard *shard, int result)
{
	unsigned number = (unsigned)(shard - registry->watch.shards);
	bool lost = registry_lost(result), missing = result == -ENOENT;
	char doing[32];

	read_again(shard, lost ? 0 : missing ? 4 * REGISTRY_AGAIN_MS : REGISTRY_RETRY_MS);
	if ((lost || missing) && !retry_is_long(&shard->retry))
		return;
	shard->failed = true;
	if (*registry->told[REGISTRY_TROUBLE_SHARDS])
		return;
	snprintf(doing, sizeof(doing), "reading shard %02x", number);
	registry_failed(registry, REGISTRY_TROUBLE_SHARDS, result, doing);
}

static void read_worked(struct registry *registry, struct watch_shard *shard)
{
	const struct watch *watch = &registry->watch;

	if (!shard->failed)
		return;
	shard->failed = false;
	for (unsigned i = 0; i < watch->n; i++)
		if (watch->shards[i].failed)
			return;
	registry_trouble(registry, REGISTRY_TROUBLE_SHARDS, NULL);
}

static void shard_read(void *data, const struct store_answer *answer)
{
	struct watch_shard *shard = data;
	struct registry *registry = shard->registry;
	struct watch *watch = &registry->watch;
	unsigned number = (unsigned)(shard - watch->shards);

	shard->reading = false;
	/* The fleet was made again: with other shards, or with fewer. */
	if (number >= watch->n || watch->n != registry->layout.settings.shards)
		return;
	if (answer->result == 0) {
		read_worked(registry, shard);
		tell(registry, number, answer);
	} else if (answer->result == -ENOENT && !layout_may_make(registry)) {
		tell(registry, number, &(struct store_answer){ 0 });
		shard_read_again(registry, number, REGISTRY_RETRY_MS);
	} else {
		if (answer->result == -ENOENT)
			layout_repair(registry);
		read_failed(registry, shard, answer->result);
	}
}

/* --- beside the shards -------------------------------------------------------------------- */

static bool is_shard(const struct watch *watch, const char *name)
{
	char *end, text[9];
	unsigned long number = strtoul(name, &end, 16);

	return *end == '\0' && number < watch->n &&
	       strcmp(entry_shard_name((unsigned)number, text), name) == 0;
}

static void beside_read(void *data, const struct store_answer *answer)
{
	struct registry *registry = ((struct watch_shard *)data)->registry;
	struct watch *watch = &registry->watch;
	struct error error;

	watch->beside.reading = false;
	if (answer->result < 0) {
		read_again(&watch->beside, registry_lost(answer->result) ? 0 : REGISTRY_RETRY_MS);
		return;
	}
	watch->strays = 0;
	skipped_forget(registry, SKIPPED_BESIDE);
	for (size_t i = 0; i < answer->n_names; i++) {
		if (is_shard(watch, answer->names[i]))
			continue;
		watch->strays++;
		error_set(&error, -EINVAL, NETI_REASON_REGISTRY,
			"registry node ip-map/%.80s: not one of the %u shards", answer->names[i],
			watch->n);
		skipped_note(registry, SKIPPED_BESIDE, error.text);
		log_warning(&registry->log, "skipped: %s", error.text);
	}
}

/* Whether it is too early; and then it is remembered. */
static bool waits(struct watch *watch, int64_t at)
{
	if (at <= registry_now())
		return false;
	if (!watch->read_at || at < watch->read_at)
		watch->read_at = at;
	return true;
}

static void read_due(struct registry *registry, struct watch_shard *shard)
{
	struct watch *watch = &registry->watch;
	bool beside = shard == &watch->beside;
	struct node_path path;

	if (!shard->dirty || shard->reading || waits(watch, shard->read_at))
		return;
	path = beside ? registry_path(registry, "/ip-map") :
			layout_shard_path(registry, (unsigned)(shard - watch->shards));
	shard->dirty = false; /* first: a change from here on is another one */
	shard->reading = true;
	if (registry->backend->children(registry->store, path.text, true,
		    beside ? beside_read : shard_read, shard) == 0)
		return;
	shard->reading = false;
	read_again(shard, REGISTRY_RETRY_MS);
	waits(watch, shard->read_at);
}

/* --- reading what is due ------------------------------------------------------------------ */

static bool ready(const struct registry *registry)
{
	return registry->watch.active && registry_connected(registry) && registry->layout.known &&
	       !registry->layout.dirty;
}

/* Shards that need not wait are read at once; read_at is that of the first that does. */
int64_t watch_next(const struct registry *registry)
{
	const struct watch *watch = &registry->watch;

	if (!ready(registry))
		return REGISTRY_NEVER;
	if (watch->retry_at)
		return watch->retry_at;
	return watch->read_at ? watch->read_at : REGISTRY_NEVER;
}

/* Room for the most there can be from the beginning: answers on their way point into it. */
static void check_shards(struct registry *registry)
{
	struct watch *watch = &registry->watch;
	unsigned shards = registry->layout.settings.shards;

	if (watch->n == shards)
		return;
	if (watch->n)
		log_warning(&registry->log, "registry %s: %u shards became %u, all are read again",
			registry->uri, watch->n, shards);
	/* One that is no more cannot be read any better. */
	for (unsigned i = 0; i < FLEET_SHARDS_MAX; i++) {
		watch->shards[i].failed = false;
		if (i < shards)
			continue;
		registry->n_members -= watch->shards[i].members;
		watch->shards[i].members = watch->shards[i].skipped = 0;
		skipped_forget(registry, i);
	}
	registry_trouble(registry, REGISTRY_TROUBLE_SHARDS, NULL);
	watch->n = shards;
	watch_lost(registry);
}

void watch_advance(struct registry *registry)
{
	struct watch *watch = &registry->watch;

	if (registry->replaced)
		watch_replaced(registry, registry->replaced);
	if (watch->active && registry->layout.known)
		check_shards(registry);
	if (!ready(registry) || !registry_due(&watch->retry_at))
		return;
	watch->read_at = 0;
	read_due(registry, &watch->beside);
	for (unsigned i = 0; i < watch->n; i++)
		read_due(registry, &watch->shards[i]);
}

void registry_read_again(struct registry *registry)
{
	watch_lost(registry);
	registry_wake(registry);
}

/* A server that was restored from an older copy may know the session, and then tells of no shard
 * that it has an older state of. The newest shard shows it: at the price of one read. */
void watch_connected(struct registry *registry)
{
	struct watch *watch = &registry->watch;
	struct watch_shard *newest = watch->shards;

	for (unsigned i = 1; i < watch->n; i++)
		if (watch->shards[i].revision > newest->revision)
			newest = &watch->shards[i];
	if (watch->n == 0 || newest->revision == 0)
		return;
	newest->dirty = true;
	newest->read_at = 0;
}

void watch_changed(struct registry *registry, const char *path)
{
	struct node_path folder = registry_path(registry, "/ip-map/");
	size_t length = strlen(folder.text);
	unsigned long number;
	char *end;

	if (strncmp(path, folder.text, length - 1) == 0 && path[length - 1] == '\0')
		registry->watch.beside.dirty = true;
	if (strncmp(path, folder.text, length) != 0)
		return;
	number = strtoul(path + length, &end, 16);
	if (end == path + length || *end != '\0' || number >= registry->watch.n)
		return;
	registry->watch.shards[number].dirty = true;
	registry->watch.shards[number].read_at = registry_now() + registry_change_delay(registry);
}

int registry_watch(struct registry *registry)
{
	struct watch *watch = &registry->watch;

	if (watch->active)
		return 0;
	watch->shards = calloc(FLEET_SHARDS_MAX, sizeof(*watch->shards));
	if (!watch->shards)
		return -ENOMEM;
	for (unsigned i = 0; i < FLEET_SHARDS_MAX; i++)
		watch->shards[i].registry = registry;
	watch->beside.registry = registry;
	watch->active = true;
	registry_wake(registry);
	return 0;
}

void watch_clear(struct registry *registry)
{
	free(registry->watch.shards);
	registry->watch = (struct watch){ 0 };
}
