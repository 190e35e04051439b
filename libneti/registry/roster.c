/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watching every shard. A change makes one shard read again; changes that come while that read
 * is under way make one more, however many they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static void read_again(struct roster *roster, struct roster_shard *shard)
{
	shard->dirty = true;
	roster->retry_at = registry_now() + REGISTRY_RETRY_MS;
}

/* Bad entries are told when their number changes, not at every read. Without memory the whole
 * read counts for nothing: a good entry that is left out looks like a member that has gone. */
static int parse(struct registry *registry, const struct store_answer *answer,
	struct fleet_reading *reading, struct member_list *ret)
{
	size_t before = registry->roster.shards[reading->shard].skipped;
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
		if (result < 0 && reading->bad++ >= before)
			log_warning(&registry->log, "skipped: %s",
				result == -EINVAL ? error.text : strerror(-result));
	}
	return 0;
}

static void tell(struct registry *registry, unsigned number, const struct store_answer *answer)
{
	struct roster_shard *shard = &registry->roster.shards[number];
	struct member_list members = { 0 };
	struct fleet_reading reading = {
		.shard = number,
		.members = &members,
		.revision = answer->revision,
	};
	int result = parse(registry, answer, &reading, &members);

	if (result == 0) {
		if (reading.revision < shard->revision)
			roster_replaced(registry, "it went back to an older state");
		shard->revision = reading.revision;
		shard->skipped = reading.bad;
		member_list_sort(&members);
		if (registry->handler.shard)
			result = registry->handler.shard(registry->handler.data, &reading);
	}
	if (result < 0)
		read_again(&registry->roster, shard);
	member_list_clear(&members);
}

static void shard_read(void *data, const struct store_answer *answer)
{
	struct roster_shard *shard = data;
	struct registry *registry = shard->registry;
	struct roster *roster = &registry->roster;
	unsigned number = (unsigned)(shard - roster->shards);

	shard->reading = false;
	if (number >= roster->n) /* the fleet was made again, with fewer shards */
		return;
	if (answer->result == 0) {
		tell(registry, number, answer);
	} else if (answer->result == -ENOENT && !layout_may_make(registry)) {
		tell(registry, number, &(struct store_answer){ 0 });
		read_again(roster, shard);
	} else if (answer->result == -ENOENT) {
		layout_repair(registry);
		read_again(roster, shard);
	} else if (registry_lost(answer->result)) {
		shard->dirty = true;
	} else {
		log_warning(&registry->log, "registry %s: shard %02x cannot be read: %s",
			registry->uri, number, strerror(-answer->result));
		read_again(roster, shard);
	}
}

static bool ready(struct registry *registry)
{
	return registry->roster.active && registry_connected(registry) && registry->layout.known &&
	       !registry->layout.dirty && registry_due(&registry->roster.retry_at);
}

void roster_kick(struct registry *registry)
{
	struct roster *roster = &registry->roster;

	if (!ready(registry))
		return;
	for (unsigned i = 0; i < roster->n; i++) {
		struct roster_shard *shard = &roster->shards[i];
		struct path path;

		if (!shard->dirty || shard->reading)
			continue;
		path = layout_shard_path(registry, i);
		shard->dirty = false; /* first: a change from here on is another one */
		shard->reading = true;
		if (registry->backend->children(registry->store, path.text, true, shard_read,
			    shard) < 0) {
			shard->reading = false;
			read_again(roster, shard);
		}
	}
}

void roster_lost(struct registry *registry)
{
	for (unsigned i = 0; i < registry->roster.n; i++)
		registry->roster.shards[i].dirty = true;
	registry->roster.retry_at = 0;
}

void roster_replaced(struct registry *registry, const char *why)
{
	struct roster *roster = &registry->roster;

	log_warning(&registry->log, "registry %s has lost data: %s", registry->uri, why);
	for (unsigned i = 0; i < roster->n; i++)
		roster->shards[i].revision = 0;
	roster_lost(registry);
	if (registry->handler.replaced)
		registry->handler.replaced(registry->handler.data);
}

void roster_changed(struct registry *registry, const char *path)
{
	struct path folder = registry_path(registry, "/ip-map/");
	size_t length = strlen(folder.text);
	unsigned long number;
	char *end;

	if (strncmp(path, folder.text, length) != 0)
		return;
	number = strtoul(path + length, &end, 16);
	if (end > path + length && *end == '\0' && number < registry->roster.n)
		registry->roster.shards[number].dirty = true;
}

/* Room for the most there can be from the beginning: answers on their way point into it. */
void roster_check(struct registry *registry)
{
	struct roster *roster = &registry->roster;
	unsigned shards = registry->layout.settings.shards;

	if (!roster->active || !registry->layout.known || roster->n == shards)
		return;
	if (roster->n)
		log_warning(&registry->log, "registry %s: %u shards became %u, all are read again",
			registry->uri, roster->n, shards);
	roster->n = shards;
	roster_lost(registry);
}

int registry_watch(struct registry *registry)
{
	struct roster *roster = &registry->roster;

	if (roster->active)
		return 0;
	roster->shards = calloc(FLEET_SHARDS_MAX, sizeof(*roster->shards));
	if (!roster->shards)
		return -ENOMEM;
	for (unsigned i = 0; i < FLEET_SHARDS_MAX; i++)
		roster->shards[i].registry = registry;
	roster->active = true;
	roster_check(registry);
	registry_kick(registry);
	return 0;
}

void roster_clear(struct registry *registry)
{
	free(registry->roster.shards);
	registry->roster = (struct roster){ 0 };
}
