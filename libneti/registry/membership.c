/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holding this host's entry: lease, look for entries of the same id, then one multi-operation
 * that clears them away, renews the lease and makes the entry. It runs from the beginning after
 * every expiry, after a lost race and when the entry was taken away.
 *
 * The lease is written in that same operation: when it was released meanwhile the join fails,
 * and a release that read it before fails on its version.
 */
#include <errno.h>
#include <string.h>

#include "core.h"
#include "lease.h"

#define PUBLISH_MS 10000
#define PUBLISH_MICROSECONDS 5000 /* for each member: a whole fleet writes 200 times a second */
#define PUBLISH_MOST_MS (600 * 1000)
#define REJOIN_MICROSECONDS 200 /* for each member, after an expiry that hit them all */
#define REJOIN_MOST_MS 3000
#define RENEW_MS (24 * 3600 * 1000)
#define TROUBLE_RETRY_MS 5000

static const char doing[] = "joining the fleet";

static void again(struct registry *registry, int64_t ms)
{
	registry->membership.busy = false;
	registry->membership.dirty = true;
	registry->membership.retry_at = ms ? registry_now() + ms : 0;
}

static void trouble(struct registry *registry, const struct error *error, int64_t ms)
{
	again(registry, ms);
	registry_trouble(registry, REGISTRY_TROUBLE_ENTRY, error);
}

/* Whatever a step's answer says that the step knows nothing special about. */
static void failed(struct registry *registry, int result)
{
	struct membership *membership = &registry->membership;

	if (result == -ENOENT)
		layout_repair(registry);
	again(registry, 0);
	membership->retry_at = retry_at(&membership->retry, registry_pause(result));
	if (registry_pause(result) < TROUBLE_RETRY_MS && !retry_is_long(&membership->retry))
		return;
	registry_failed(registry, REGISTRY_TROUBLE_ENTRY, result, doing);
}

static void issued(struct registry *registry, int result)
{
	if (result < 0)
		failed(registry, result);
}

static unsigned own_shard(const struct registry *registry)
{
	return address_modulo(&registry->membership.overlay, registry->layout.settings.shards);
}

static struct node_path entry_path(const struct registry *registry, const char *name)
{
	return layout_entry_path(registry, &registry->membership.overlay, name);
}

static struct member fields(const struct membership *membership)
{
	struct member member = *membership->wanted;

	member.overlay = membership->overlay;
	member.since = membership->since;
	member.revision = membership->latest.revision;
	member.held = membership->latest.held;
	member.live = true;
	return member;
}

/* --- the end of a join: told, and the entry watched -------------------------------------- */

static void tell_joined(struct registry *registry)
{
	struct membership *membership = &registry->membership;
	struct member member = fields(membership), *told;

	if (membership->told && member_same(membership->told, &member))
		return;
	if (member_new(&told, &member) < 0) {
		again(registry, REGISTRY_RETRY_MS);
		return;
	}
	member_unref(membership->told);
	membership->told = told;
	log_info(&registry->log, "registry %s: joined as %s", registry->uri, membership->held);
	if (!registry->handler.joined ||
		registry->handler.joined(registry->handler.data, told) == 0)
		return;
	membership->told = member_unref(told);
	again(registry, REGISTRY_RETRY_MS);
}

static void taken(struct registry *registry)
{
	struct membership *membership = &registry->membership;
	struct error error;

	membership->held[0] = '\0';
	membership->told = member_unref(membership->told);
	again(registry, 0);
	if (twin_took(registry, &error))
		trouble(registry, &error, TROUBLE_RETRY_MS);
}

static void watched(void *data, const struct store_answer *answer)
{
	struct registry *registry = data;
	struct membership *membership = &registry->membership;

	membership->busy = false;
	if (twin_is_own(registry, answer)) {
		registry_trouble(registry, REGISTRY_TROUBLE_ENTRY, NULL);
		if (!membership->since)
			membership->since = answer->created / 1000;
		twin_look(registry, answer);
	} else if (answer->result == 0 || answer->result == -ENOENT) {
		taken(registry);
	} else if (registry_lost(answer->result)) {
		membership->check = true;
		membership->check_at = retry_at(&membership->checks, 0);
		if (retry_is_long(&membership->checks))
			registry_failed(registry, REGISTRY_TROUBLE_ENTRY, answer->result, doing);
	} else {
		failed(registry, answer->result);
	}
}

static void watch_entry(struct registry *registry)
{
	struct membership *membership = &registry->membership;
	struct node_path path = entry_path(registry, membership->held);

	membership->check = false;
	membership->busy =
		registry->backend->get(registry->store, path.text, true, watched, registry) == 0;
	membership->check = !membership->busy;
}

static void hold(struct registry *registry)
{
	struct membership *membership = &registry->membership;

	membership->busy = false;
	strcpy(membership->held, membership->name);
	membership->takeover = false;
	if (!retry_is_long(&membership->retry)) /* else when it is seen, too */
		registry_trouble(registry, REGISTRY_TROUBLE_ENTRY, NULL);
	if (!membership->renew_at)
		membership->renew_at = registry_now() + RENEW_MS;
	if (membership->dirty) /* other addresses were asked for meanwhile */
		return;
	watch_entry(registry);
	tell_joined(registry);
}

/* --- making the entry -------------------------------------------------------------------- */

static void entered(void *data, const struct store_answer *answer)
{
	struct registry *registry = data;
	struct membership *membership = &registry->membership;

	membership->busy = false;
	if (answer->result < 0) {
		failed(registry, answer->result);
		return;
	}
	membership->published = membership->publishing;
	membership->renew_at = registry_now() + RENEW_MS;
	hold(registry);
}

static struct store_operation renewal(const struct registry *registry, struct node_path *path,
	char overlay[ADDRESS_TEXT_MAX])
{
	const struct membership *membership = &registry->membership;
	char id[ENTRY_ID_TEXT_MAX];

	*path = registry_path(registry, "/id-to-ip/%s",
		entry_encode_id(membership->wanted->id, id));
	address_format(&membership->overlay, overlay);
	return (struct store_operation){ .kind = STORE_SET,
		.path = path->text,
		.bytes = overlay,
		.size = strlen(overlay),
		.version = -1 };
}

static void enter(struct registry *registry)
{
	struct membership *membership = &registry->membership;
	struct store_operation operations[MEMBERSHIP_OTHERS + 2];
	struct node_path paths[MEMBERSHIP_OTHERS + 2];
	struct member member = fields(membership);
	char overlay[ADDRESS_TEXT_MAX];
	struct buffer json = { 0 };
	size_t n = 0;

	for (; n < membership->n_others; n++) {
		paths[n] = entry_path(registry, membership->others[n]);
		operations[n] = (struct store_operation){
			.kind = STORE_DELETE, .path = paths[n].text, .version = -1
		};
	}
	/* Of two that join at once and see nobody, one meets the other's renewal. */
	operations[n] = renewal(registry, &paths[n], overlay);
	operations[n].version = membership->lease_version;
	paths[n + 1] = entry_path(registry, membership->name);
	operations[n + 1] = (struct store_operation){ .kind = STORE_CREATE_EPHEMERAL,
		.path = paths[n + 1].text };
	if (entry_print_data(&member, &json) == 0) {
		operations[n + 1].bytes = json.text;
		operations[n + 1].size = json.length;
	}
	membership->publishing = membership->latest;
	membership->busy = true;
	issued(registry,
		registry->backend->multi(registry->store, operations, n + 2, entered, registry));
	buffer_clear(&json);
}

/* --- what stands there already ----------------------------------------------------------- */

static void check_others(struct registry *registry);

/* Ours of this session under the right name stays; any other that may not go is somebody. */
static void other_read(void *data, const struct store_answer *answer)
{
	struct registry *registry = data;
	struct membership *membership = &registry->membership;
	const char *other = membership->others[membership->n_checked];
	bool same = strcmp(other, membership->name) == 0;
	struct error error;
	int64_t retry;

	membership->busy = false;
	if (answer->result < 0 && answer->result != -ENOENT) {
		failed(registry, answer->result);
		return;
	}
	if (answer->result == -ENOENT || (same && twin_is_own(registry, answer))) {
		membership->own |= answer->result == 0;
		memmove(membership->others[membership->n_checked],
			membership->others[--membership->n_others], sizeof(*membership->others));
	} else if (twin_may_go(registry, answer, same)) {
		membership->n_checked++;
	} else {
		retry = twin_refuse(registry, other, entry_path(registry, other).text, answer,
			&error);
		trouble(registry, &error, retry);
		return;
	}
	check_others(registry);
}

static void check_others(struct registry *registry)
{
	struct membership *membership = &registry->membership;
	struct node_path path;

	if (membership->n_checked < membership->n_others) {
		path = entry_path(registry, membership->others[membership->n_checked]);
		membership->busy = true;
		issued(registry, registry->backend->get(registry->store, path.text, false,
					 other_read, registry));
		return;
	}
	if (!membership->own) {
		enter(registry);
		return;
	}
	if (membership->n_others == 0) {
		hold(registry);
		return;
	}
	/* Ours stands beside others: it goes with them and is made anew, in one operation. */
	if (membership->n_others < MEMBERSHIP_OTHERS)
		strcpy(membership->others[membership->n_others++], membership->name);
	enter(registry);
}

static void note_other(struct registry *registry, const char *name)
{
	struct membership *membership = &registry->membership;
	struct member *member;
	struct error error;

	if (membership->n_others == MEMBERSHIP_OTHERS ||
		entry_parse(&member, name, &registry->layout.settings, own_shard(registry),
			&error) < 0)
		return;
	if (strcmp(member->id, membership->wanted->id) == 0)
		strcpy(membership->others[membership->n_others++], name);
	member_unref(member);
}

static void shard_listed(void *data, const struct store_answer *answer)
{
	struct registry *registry = data;
	struct membership *membership = &registry->membership;
	char tail[ENTRY_ID_TEXT_MAX + 1] = "|";

	membership->busy = false;
	if (answer->result < 0) {
		failed(registry, answer->result);
		return;
	}
	membership->n_others = membership->n_checked = 0;
	membership->own = false;
	entry_encode_id(membership->wanted->id, tail + 1);
	for (size_t i = 0; i < answer->n_names; i++) {
		size_t length = strlen(answer->names[i]);

		if (length > strlen(tail) &&
			strcmp(answer->names[i] + length - strlen(tail), tail) == 0)
			note_other(registry, answer->names[i]);
	}
	check_others(registry);
}

/* --- the beginning ----------------------------------------------------------------------- */

static int make_name(struct registry *registry, struct error *error)
{
	struct membership *membership = &registry->membership;
	struct member member = fields(membership), *parsed;
	int result;

	result = entry_format(&member, membership->name, error);
	if (result < 0)
		return result;
	/* What the others would skip is not written. */
	result = entry_parse(&parsed, membership->name, &registry->layout.settings,
		own_shard(registry), error);
	if (result == 0)
		member_unref(parsed);
	return result;
}

static void leased(void *data, int result, const struct address *overlay, const struct error *error)
{
	struct registry *registry = data;
	struct membership *membership = &registry->membership;
	struct error bad;
	struct node_path path;

	if (result < 0) {
		trouble(registry, error, TROUBLE_RETRY_MS);
		return;
	}
	membership->lease_version = membership->take->version;
	if (result == 1 && membership->remembered)
		registry->replaced = "this host had a lease and has none";
	membership->remembered = false;
	membership->overlay = *overlay;
	if (make_name(registry, &bad) < 0) {
		trouble(registry, &bad, TROUBLE_RETRY_MS);
		return;
	}
	path = layout_shard_path(registry, own_shard(registry));
	issued(registry, registry->backend->children(registry->store, path.text, false,
				 shard_listed, registry));
}

static void start(struct registry *registry)
{
	struct membership *membership = &registry->membership;

	membership->dirty = membership->check = false;
	membership->busy = true;
	if (lease_take_start(registry, membership->wanted->id, &membership->overlay, leased,
		    registry, &membership->take) < 0)
		again(registry, REGISTRY_RETRY_MS);
}

/* --- while it stands --------------------------------------------------------------------- */

static void published(void *data, const struct store_answer *answer)
{
	struct registry *registry = data;
	struct membership *membership = &registry->membership;

	membership->busy = false;
	if (answer->result == -ENOENT)
		again(registry, 0);
	if (answer->result == 0)
		membership->published = membership->publishing;
}

static void publish(struct registry *registry)
{
	struct membership *membership = &registry->membership;
	struct node_path path = entry_path(registry, membership->held);
	struct member member = fields(membership);
	struct store_operation set = { .kind = STORE_SET, .path = path.text, .version = -1 };
	struct buffer json = { 0 };

	membership->publish_at = registry_now() + PUBLISH_MS +
				 registry_spread(registry, PUBLISH_MICROSECONDS, PUBLISH_MOST_MS);
	if (entry_print_data(&member, &json) == 0) {
		set.bytes = json.text;
		set.size = json.length;
		membership->publishing = membership->latest;
		membership->busy = registry->backend->multi(registry->store, &set, 1, published,
					   registry) == 0;
	}
	buffer_clear(&json);
}

static void renewed(void *data, const struct store_answer *answer)
{
	struct registry *registry = data;

	registry->membership.busy = false;
	if (answer->result == -ENOENT) /* released by hand: take it again */
		again(registry, 0);
}

static void renew(struct registry *registry)
{
	struct membership *membership = &registry->membership;
	char overlay[ADDRESS_TEXT_MAX];
	struct node_path path;
	struct store_operation set = renewal(registry, &path, overlay);

	membership->renew_at = registry_now() + RENEW_MS;
	membership->busy =
		registry->backend->multi(registry->store, &set, 1, renewed, registry) == 0;
}

typedef void (*membership_step)(struct registry *registry);

/* What comes next, and not before when; NULL: nothing, without an event. */
static membership_step next_step(const struct registry *registry, int64_t *ret_at)
{
	const struct membership *membership = &registry->membership;
	bool stale = membership->latest.revision != membership->published.revision ||
		     membership->latest.held != membership->published.held;

	if (!membership->wanted || membership->busy || !registry_connected(registry) ||
		!registry->layout.known || registry->layout.dirty ||
		(!membership->dirty && !*membership->held))
		return NULL;
	*ret_at = membership->retry_at;
	if (membership->dirty)
		return start;
	*ret_at = membership->check_at;
	if (membership->check)
		return watch_entry;
	*ret_at = membership->publish_at;
	if (stale && (!membership->renew_at || membership->publish_at <= membership->renew_at))
		return publish;
	*ret_at = membership->renew_at;
	return membership->renew_at ? renew : NULL;
}

int64_t membership_next(const struct registry *registry)
{
	int64_t at;

	return next_step(registry, &at) ? at : REGISTRY_NEVER;
}

void membership_advance(struct registry *registry)
{
	int64_t at;
	membership_step step = next_step(registry, &at);

	if (step && at <= registry_now())
		step(registry);
}

void membership_lost(struct registry *registry)
{
	struct membership *membership = &registry->membership;

	twin_forget(registry);
	membership->held[0] = '\0';
	membership->told = member_unref(membership->told);
	membership->dirty = membership->wanted != NULL;
	membership->retry_at =
		registry_now() + registry_spread(registry, REJOIN_MICROSECONDS, REJOIN_MOST_MS);
}

void membership_changed(struct registry *registry, const char *path)
{
	struct membership *membership = &registry->membership;
	struct node_path own;

	if (!*membership->held)
		return;
	own = entry_path(registry, membership->held);
	if (strcmp(own.text, path) != 0)
		return;
	membership->check = true;
	membership->check_at = registry_now() + registry_change_delay(registry);
}

void membership_clear(struct registry *registry)
{
	member_unref(registry->membership.wanted);
	member_unref(registry->membership.told);
	registry->membership = (struct membership){ 0 };
}

static int check_self(const struct registry *registry, const struct member *self,
	struct error *error)
{
	const struct member *before = registry->membership.wanted;
	struct member member = *self;
	char name[ENTRY_NAME_MAX];

	if (before && strcmp(before->id, self->id) != 0)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"this host has joined as %s and cannot become %s", before->id, self->id);
	if (!address_is_set(&member.overlay)) /* any will do: the lease decides */
		member.overlay = member.private_address;
	return entry_format(&member, name, error);
}

int registry_join(struct registry *registry, const struct member *self, bool takeover,
	struct error *error)
{
	struct membership *membership = &registry->membership;
	struct member *wanted;
	int result = check_self(registry, self, error);

	if (result < 0)
		return result;
	if (member_new(&wanted, self) < 0)
		return error_memory(error);
	if (!address_is_set(&membership->overlay)) {
		membership->overlay = self->overlay;
		membership->remembered = address_is_set(&self->overlay);
	}
	if (!membership->since)
		membership->since = self->since;
	member_unref(membership->wanted);
	membership->wanted = wanted;
	membership->takeover = takeover;
	membership->dirty = true;
	membership->retry_at = 0;
	registry_wake(registry);
	return 0;
}

bool registry_joined(const struct registry *registry)
{
	return *registry->membership.held != '\0' && !registry->membership.dirty;
}

int registry_publish(struct registry *registry, uint64_t revision, uint64_t held)
{
	struct membership *membership = &registry->membership;

	/* Every host has it at the same moment. */
	if (membership->latest.revision != revision && membership->publish_at <= registry_now())
		membership->publish_at =
			registry_now() +
			registry_spread(registry, PUBLISH_MICROSECONDS, PUBLISH_MOST_MS);
	membership->latest = (struct publication){ revision, held };
	registry_wake(registry);
	return 0;
}
