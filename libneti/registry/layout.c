/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ROOT/fleet and the folders below ROOT: read and watched from the first connection on, made
 * when they are missing and this host may make them.
 *
 * The whole is made in one multi-operation, so of many hosts that start at once one wins and the
 * others read what it made. Where parts of it are there already (somebody cleaned up by hand),
 * the rest is made piece by piece, ROOT/fleet last: nobody looks further without it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define FOLDERS 3

static const char *const folders[FOLDERS] = { "/id-to-ip", "/ip-to-id", "/ip-map" };

bool layout_may_make(const struct registry *registry)
{
	return registry->layout.has_initial;
}

/* A fleet that was seen is made again as it was. */
static const struct fleet_settings *to_make(const struct layout *layout)
{
	return layout->known ? &layout->settings : &layout->initial;
}

void layout_lost(struct registry *registry)
{
	registry->layout.dirty = true;
	registry->layout.retry_at = 0;
}

void layout_changed(struct registry *registry, const char *path)
{
	struct node_path fleet = registry_path(registry, "/fleet");

	if (strcmp(path, fleet.text) != 0)
		return;
	registry->layout.dirty = true;
	registry->layout.retry_at = registry_now() + registry_change_delay(registry);
}

void layout_repair(struct registry *registry)
{
	registry->layout.dirty = true;
	registry->layout.repair = true;
}

static void fail(struct registry *registry, int result, const char *doing)
{
	struct layout *layout = &registry->layout;

	layout->dirty = true;
	layout->retry_at = registry_lost(result) ? retry_at(&layout->retry, 0) :
						   registry_now() + RETRY_MOST_MS;
	if (registry_lost(result) && !retry_is_long(&layout->retry))
		return;
	registry_explain(registry, result, doing, &layout->error);
	registry_trouble(registry, REGISTRY_TROUBLE_FLEET, &layout->error);
}

/* --- making ------------------------------------------------------------------------------ */

static void settle(struct registry *registry, int result)
{
	struct layout *layout = &registry->layout;

	if (result < 0 && layout->made == 0)
		layout->made = result;
	if (--layout->pending > 0)
		return;
	layout->busy = false;
	layout->dirty = true;
	layout->retry_at = retry_at(&layout->retry, 0); /* whatever was made may be gone again */
	if (layout->made < 0)
		fail(registry, layout->made, "making the fleet");
}

static void made(void *data, const struct store_answer *answer)
{
	settle(data, answer->result == -EEXIST ? 0 : answer->result);
}

static void made_whole(void *data, const struct store_answer *answer)
{
	struct registry *registry = data;

	/* The fleet itself stands first: when it is that, somebody else was quicker. */
	registry->layout.pieces = answer->result == -EEXIST && answer->failed > 0;
	registry->layout.ours |= answer->result == 0;
	made(data, answer);
}

static void made_parent(void *data, const struct store_answer *answer)
{
	settle(data, registry_lost(answer->result) ? answer->result : 0);
}

static void expect(struct layout *layout, int result)
{
	if (result == 0)
		layout->pending++;
	else if (layout->made == 0)
		layout->made = result;
}

/* ROOT and what is above it. What forbids that shows when the fleet itself is made: where a
 * folder exists, its parent may well forbid to create in it. */
static void make_parents(struct registry *registry)
{
	struct node_path path = registry_path(registry, "%s", "");

	for (char *slash = path.text; *slash;) {
		size_t length = strcspn(slash + 1, "/") + 1;
		char next = slash[length];

		slash[length] = '\0';
		if (registry_create(registry, path.text, NULL, made_parent, registry) == 0)
			registry->layout.pending++;
		slash[length] = next;
		slash += length;
	}
}

struct node_path layout_shard_path(const struct registry *registry, unsigned shard)
{
	char name[9];

	return registry_path(registry, "/ip-map/%s", entry_shard_name(shard, name));
}

struct node_path layout_entry_path(const struct registry *registry, const struct address *overlay,
	const char *name)
{
	unsigned shard = address_modulo(overlay, registry->layout.settings.shards);
	char text[9];

	return registry_path(registry, "/ip-map/%s/%s", entry_shard_name(shard, text), name);
}

static int make_whole(struct registry *registry, const char *json)
{
	struct layout *layout = &registry->layout;
	size_t n = 1 + FOLDERS + to_make(layout)->shards;
	struct store_operation *operations = calloc(n, sizeof(*operations));
	struct node_path *paths = calloc(n, sizeof(*paths));
	int result = -ENOMEM;

	if (!operations || !paths)
		goto out;
	paths[0] = registry_path(registry, "/fleet");
	for (size_t i = 0; i < FOLDERS; i++)
		paths[1 + i] = registry_path(registry, "%s", folders[i]);
	for (size_t i = 1 + FOLDERS; i < n; i++)
		paths[i] = layout_shard_path(registry, (unsigned)(i - 1 - FOLDERS));
	for (size_t i = 0; i < n; i++)
		operations[i] =
			(struct store_operation){ .kind = STORE_CREATE, .path = paths[i].text };
	operations[0].bytes = json;
	operations[0].size = strlen(json);
	result = registry->backend->multi(registry->store, operations, n, made_whole, registry);
out:
	free(operations);
	free(paths);
	return result;
}

static void make_pieces(struct registry *registry, const char *json)
{
	struct layout *layout = &registry->layout;
	struct node_path path;

	for (size_t i = 0; i < FOLDERS; i++) {
		path = registry_path(registry, "%s", folders[i]);
		expect(layout, registry_create(registry, path.text, NULL, made, registry));
	}
	for (unsigned i = 0; i < to_make(layout)->shards; i++) {
		path = layout_shard_path(registry, i);
		expect(layout, registry_create(registry, path.text, NULL, made, registry));
	}
	path = registry_path(registry, "/fleet");
	expect(layout, registry_create(registry, path.text, json, made, registry));
}

static void make(struct registry *registry)
{
	struct layout *layout = &registry->layout;
	struct buffer json = { 0 };
	int result = fleet_settings_print(to_make(layout), &json);
	bool pieces = layout->pieces;

	layout->made = 0;
	layout->pending = 0;
	layout->pieces = layout->repair = false;
	if (result == 0 && pieces) {
		make_pieces(registry, buffer_text(&json));
	} else if (result == 0) {
		make_parents(registry);
		expect(layout, make_whole(registry, buffer_text(&json)));
	}
	layout->busy = layout->pending > 0;
	if (!layout->busy)
		fail(registry, result < 0 ? result : layout->made, "making the fleet");
	buffer_clear(&json);
}

/* --- reading ----------------------------------------------------------------------------- */

static bool same(const struct fleet_settings *a, const struct fleet_settings *b)
{
	struct buffer text_a = { 0 }, text_b = { 0 };
	bool equal = fleet_settings_print(a, &text_a) == 0 &&
		     fleet_settings_print(b, &text_b) == 0 &&
		     strcmp(buffer_text(&text_a), buffer_text(&text_b)) == 0;

	buffer_clear(&text_a);
	buffer_clear(&text_b);
	return equal;
}

static void take_over(struct registry *registry, const struct fleet_settings *settings)
{
	struct layout *layout = &registry->layout;
	bool first = !layout->known;

	layout->known = true;
	layout->missing = false;
	layout->error.result = 0;
	registry_trouble(registry, REGISTRY_TROUBLE_FLEET, NULL);
	if (!first && same(&layout->settings, settings))
		return;
	layout->settings = *settings;
	if (registry->handler.fleet)
		registry->handler.fleet(registry->handler.data, settings);
}

/* What was written may have been read again before the answer to the writing was looked at. */
void layout_wrote(struct registry *registry, const struct fleet_settings *settings, int version)
{
	if (registry->layout.version < version)
		registry->layout.version = version;
	take_over(registry, settings);
	registry_wake(registry);
}

static void parse(struct registry *registry, const struct store_answer *answer)
{
	struct layout *layout = &registry->layout;
	struct fleet_settings settings;
	struct error error;

	layout->dirty = false;
	layout->version = answer->version;
	if (fleet_settings_parse(&settings, answer->bytes, answer->size, &error) == 0) {
		take_over(registry, &settings);
		return;
	}
	/* Not for good: it may have been memory that ran out. */
	layout->dirty = true;
	layout->retry_at = registry_now() + REGISTRY_RETRY_MS;
	error_set(&layout->error, error.result, error.reason, "registry %s, fleet settings: %.300s",
		registry->uri, error.text);
	registry_trouble(registry, REGISTRY_TROUBLE_FLEET, &layout->error);
}

static void read_done(void *data, const struct store_answer *answer)
{
	struct registry *registry = data;
	struct layout *layout = &registry->layout;

	layout->busy = false;
	if (answer->result == 0) {
		parse(registry, answer);
		return;
	}
	layout->dirty = true;
	if (answer->result != -ENOENT) {
		fail(registry, answer->result, "reading the fleet's settings");
		return;
	}
	if (layout->known && !layout->missing) {
		layout->missing = true;
		registry->replaced = "the fleet's settings are gone";
	}
	if (layout_may_make(registry)) {
		make(registry);
		return;
	}
	layout->retry_at = registry_now() + REGISTRY_RETRY_MS;
	error_set(&layout->error, -ENOENT, NETI_REASON_NOT_FOUND,
		"there is no fleet at %s: make it with netictl fleet init, or register a host",
		registry->uri);
	registry_trouble(registry, REGISTRY_TROUBLE_FLEET, &layout->error);
}

static bool has_work(const struct registry *registry)
{
	const struct layout *layout = &registry->layout;

	if (!registry_connected(registry) || layout->busy)
		return false;
	return layout->dirty || (layout->repair && layout->known && layout_may_make(registry));
}

int64_t layout_next(const struct registry *registry)
{
	return has_work(registry) ? registry->layout.retry_at : REGISTRY_NEVER;
}

void layout_advance(struct registry *registry)
{
	struct layout *layout = &registry->layout;
	struct node_path path = registry_path(registry, "/fleet");

	if (!has_work(registry) || !registry_due(&layout->retry_at))
		return;
	if (layout->dirty) {
		/* Set first: a change while the answer is on its way is another one. */
		layout->dirty = false;
		layout->busy = registry->backend->get(registry->store, path.text, true, read_done,
				       registry) == 0;
		layout->dirty = !layout->busy;
	} else {
		layout->pieces = true;
		make(registry);
	}
}
