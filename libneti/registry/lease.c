/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leases: the lasting pair id-to-ip/ID and ip-to-id/ADDRESS, made and deleted together.
 *
 * Taking is a state machine of its own: joining does it over and over. It begins with a read
 * whenever the outcome of the last step is not known, so that a lost answer never gives an id a
 * second address. Addresses are drawn at random: hosts that register at once hardly ever meet.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "lease.h"

#define DRAWS_NARROW 1 /* then the addresses are listed: where that is cheaper than a draw */
#define DRAWS_WIDE 4
#define NARROW (1u << 12)     /* addresses: 60 kB when all are leased */
#define DRAWS_MAX 64	      /* where the subnet is too wide to list */
#define CHOSEN_MAX 64	      /* of those that are free, to be tried one after the other */
#define LISTED_MAX (1u << 20) /* addresses of a subnet that is listed */
#define FILL_PERCENT 80	      /* a subnet as full as that is spoken of */

/* --- which addresses --------------------------------------------------------------------- */

static bool may_give(const struct registry *registry, uint64_t index)
{
	const struct prefix *subnet = &registry->layout.settings.overlay_subnet;
	struct address address = prefix_nth(subnet, index);

	if (index == 0) /* the network; of IPv6 the routers */
		return false;
	if (address.family == AF_INET && index == prefix_count(subnet) - 1)
		return false;
	for (size_t i = 0; i < registry->n_exclude; i++)
		if (prefix_contains(&registry->exclude[i], &address))
			return false;
	return address_is_unicast(&address);
}

static bool draw(const struct registry *registry, struct address *ret)
{
	const struct prefix *subnet = &registry->layout.settings.overlay_subnet;

	for (int i = 0; i < 64; i++) {
		uint64_t index = registry_random(prefix_count(subnet));

		if (may_give(registry, index)) {
			*ret = prefix_nth(subnet, index);
			return true;
		}
	}
	return false;
}

/* Each address that is offered has the same chance to be among those that are kept, and at any
 * place of them: hosts that list at once try different ones. */
static void offer(struct lease_take *take, const struct address *address, uint64_t n_before)
{
	uint64_t place = registry_random(n_before + 1);

	if (take->n_listed < CHOSEN_MAX) {
		take->listed[take->n_listed] = *address;
		if (place < take->n_listed) {
			take->listed[take->n_listed] = take->listed[place];
			take->listed[place] = *address;
		}
		take->n_listed++;
	} else if (place < CHOSEN_MAX) {
		take->listed[place] = *address;
	}
}

/* Some of those that may be given and are not among the names. */
static int choose_listed(struct lease_take *take, const struct store_answer *taken)
{
	const struct registry *registry = take->registry;
	const struct prefix *subnet = &registry->layout.settings.overlay_subnet;
	uint64_t count = prefix_count(subnet), n_free = 0;
	bool *used = calloc(count, sizeof(*used));
	struct address address;

	if (!take->listed)
		take->listed = calloc(CHOSEN_MAX, sizeof(*take->listed));
	take->n_listed = 0;
	if (!used || !take->listed) {
		free(used);
		return -ENOMEM;
	}
	for (size_t i = 0; i < taken->n_names; i++)
		if (address_parse(taken->names[i], &address) == 0 &&
			prefix_contains(subnet, &address))
			used[prefix_index(subnet, &address)] = true;
	for (uint64_t i = 0; i < count; i++) {
		if (used[i] || !may_give(registry, i))
			continue;
		address = prefix_nth(subnet, i);
		offer(take, &address, n_free++);
	}
	free(used);
	return n_free ? 0 : -ENOSPC;
}

/* --- taking ------------------------------------------------------------------------------ */

static void unlink_take(struct lease_take *take)
{
	for (struct lease_take **at = &take->registry->takes; *at; at = &(*at)->next)
		if (*at == take) {
			*at = take->next;
			break;
		}
	free(take->listed);
	free(take);
}

static void finish(struct lease_take *take, int result, const struct address *overlay,
	const struct error *error)
{
	if (take->done)
		take->done(take->data, result, overlay, error);
	unlink_take(take);
}

static void take_failed(struct lease_take *take, int result)
{
	struct error error;

	registry_explain(take->registry, result, "taking a lease", &error);
	finish(take, result, NULL, &error);
}

static void exhausted(struct lease_take *take)
{
	char subnet[PREFIX_TEXT_MAX];
	struct error error;

	error_set(&error, -ENOSPC, NETI_REASON_EXHAUSTED,
		"no free overlay address for %s: all of %s are leased or excluded", take->id,
		prefix_format(&take->registry->layout.settings.overlay_subnet, subnet));
	finish(take, -ENOSPC, NULL, &error);
}

/* From the beginning. What goes wrong for ever is told in the end; connections may well be lost
 * for a while. */
static void take_again(struct lease_take *take, int result, int64_t first_ms)
{
	bool last = registry_lost(result) ? take->retry.ms == RETRY_MOST_MS :
					    retry_is_long(&take->retry);

	if (last)
		take_failed(take, result);
	else
		take->retry_at = retry_at(&take->retry, first_ms);
}

/* A call that was not even started is tried again at the next turn. */
static void started(struct lease_take *take, int result)
{
	take->busy = result == 0;
	if (result < 0 && !registry_lost(result))
		take->retry_at = registry_now() + REGISTRY_RETRY_MS;
}

static void answer_failed(struct lease_take *take, int result)
{
	if (registry_lost(result))
		take_again(take, result, 0);
	else
		take_failed(take, result);
}

static void draw_and_create(struct lease_take *take);

/* A folder is missing: it is being made again, or somebody just emptied the registry. */
static void repair(struct lease_take *take)
{
	layout_repair(take->registry);
	take_again(take, -ENOENT, 4 * REGISTRY_AGAIN_MS);
}

static void lease_read(void *data, const struct store_answer *answer)
{
	struct lease_take *take = data;
	struct address overlay;
	struct error error;

	take->busy = false;
	if (answer->result == -ENOENT) {
		draw_and_create(take);
	} else if (answer->result < 0) {
		answer_failed(take, answer->result);
	} else if (address_parse(answer->bytes, &overlay) < 0) {
		error_set(&error, -EINVAL, NETI_REASON_REGISTRY,
			"registry %s: the lease of %s holds no address", take->registry->uri,
			take->id);
		finish(take, -EINVAL, NULL, &error);
	} else {
		take->version = answer->version;
		finish(take, 0, &overlay, NULL);
	}
}

static void address_gone(struct lease_take *take)
{
	char text[ADDRESS_TEXT_MAX];
	struct error error;

	if (!address_is_set(&take->wanted)) {
		/* Those that were listed are gone, too: whoever took them may not be done yet. */
		if (take->n_listed > 0 || take->lists == 0)
			draw_and_create(take);
		else if (retry_is_long(&take->retry))
			exhausted(take);
		else
			take_again(take, -EADDRINUSE, 0);
		return;
	}
	/* An id never changes its address, not even when another has taken it meanwhile. */
	error_set(&error, -EADDRINUSE, NETI_REASON_CONFLICT,
		"the overlay address %s of %s is leased to another id",
		address_format(&take->wanted, text), take->id);
	finish(take, -EADDRINUSE, NULL, &error);
}

/* How many addresses there are to give. */
static uint64_t count_addresses(const struct registry *registry)
{
	const struct prefix *subnet = &registry->layout.settings.overlay_subnet;
	uint64_t count = prefix_count(subnet);

	for (size_t i = 0; i < registry->n_exclude; i++) {
		const struct prefix *excluded = &registry->exclude[i];

		if (prefix_contains(subnet, &excluded->address) && prefix_count(excluded) < count)
			count -= prefix_count(excluded);
	}
	return count;
}

static void warn_of_fill(const struct registry *registry, size_t leases)
{
	const struct prefix *subnet = &registry->layout.settings.overlay_subnet;
	uint64_t count = count_addresses(registry);
	char text[PREFIX_TEXT_MAX];

	if (leases >= count / 100 * FILL_PERCENT + count % 100 * FILL_PERCENT / 100)
		log_warning(&registry->log,
			"%zu of the %llu overlay addresses of %s are leased: reclaim old leases, or let "
			"overlay_subnet grow",
			leases, (unsigned long long)count, prefix_format(subnet, text));
}

static void leases_counted(void *data, const struct store_answer *answer)
{
	struct lease_take *take = data;
	struct address drawn = take->drawn;

	if (answer->result == 0)
		warn_of_fill(take->registry, answer->n_names);
	finish(take, 1, &drawn, NULL);
}

/* The lease is taken. A draw that met a taken address is a hint that many are: of a subnet with
 * few leases nobody lists them. */
static void count_leases(struct lease_take *take)
{
	struct registry *registry = take->registry;
	struct node_path path = registry_path(registry, "/ip-to-id");
	struct address drawn = take->drawn;

	take->busy = true;
	if (registry->backend->children(registry->store, path.text, false, leases_counted, take) <
		0)
		finish(take, 1, &drawn, NULL);
}

static void pair_created(void *data, const struct store_answer *answer)
{
	struct lease_take *take = data;
	struct address drawn = take->drawn;

	take->busy = false;
	if (answer->result == 0 && take->draws > 1 && take->lists == 0)
		count_leases(take);
	else if (answer->result == 0)
		finish(take, 1, &drawn, NULL);
	else if (answer->result == -EEXIST && answer->failed == 0)
		take_again(take, -EEXIST, 0);
	else if (answer->result == -EEXIST)
		address_gone(take);
	else if (answer->result == -ENOENT)
		repair(take);
	else
		answer_failed(take, answer->result);
}

static void create_pair(struct lease_take *take)
{
	struct registry *registry = take->registry;
	char id[ENTRY_ID_TEXT_MAX], address[ADDRESS_TEXT_MAX];
	struct node_path paths[2];
	struct store_operation operations[2] = {
		{ .kind = STORE_CREATE, .path = paths[0].text, .bytes = address },
		{ .kind = STORE_CREATE, .path = paths[1].text, .bytes = take->id },
	};

	address_format(&take->drawn, address);
	paths[0] = registry_path(registry, "/id-to-ip/%s", entry_encode_id(take->id, id));
	paths[1] = registry_path(registry, "/ip-to-id/%s", address);
	operations[0].size = strlen(address);
	operations[1].size = strlen(take->id);
	started(take, registry->backend->multi(registry->store, operations, 2, pair_created, take));
}

static void addresses_listed(void *data, const struct store_answer *answer)
{
	struct lease_take *take = data;
	int result = answer->result;

	take->busy = false;
	if (result == 0)
		warn_of_fill(take->registry, answer->n_names);
	if (result == 0)
		result = choose_listed(take, answer);
	if (result == 0)
		draw_and_create(take);
	else if (result == -ENOSPC)
		exhausted(take);
	else if (result == -ENOENT)
		repair(take);
	else
		answer_failed(take, result);
}

/* How many draws may meet a taken address. Each of them is a write that fails. */
static unsigned draws_most(const struct prefix *subnet)
{
	uint64_t count = prefix_count(subnet);

	return count <= NARROW ? DRAWS_NARROW : count <= LISTED_MAX ? DRAWS_WIDE : DRAWS_MAX;
}

static void draw_and_create(struct lease_take *take)
{
	struct registry *registry = take->registry;
	const struct prefix *subnet = &registry->layout.settings.overlay_subnet;

	if (address_is_set(&take->wanted) && prefix_contains(subnet, &take->wanted) &&
		may_give(registry, prefix_index(subnet, &take->wanted))) {
		take->drawn = take->wanted;
		create_pair(take);
		return;
	}
	take->wanted = (struct address){ 0 };
	if (take->n_listed > 0) {
		take->drawn = take->listed[--take->n_listed];
		create_pair(take);
		return;
	}
	if (take->draws++ < draws_most(subnet) && draw(registry, &take->drawn)) {
		create_pair(take);
	} else if (prefix_count(subnet) <= LISTED_MAX) {
		take->lists++;
		started(take, registry->backend->children(registry->store,
				      registry_path(registry, "/ip-to-id").text, false,
				      addresses_listed, take));
	} else {
		exhausted(take);
	}
}

static bool take_has_work(const struct lease_take *take)
{
	return !take->busy && registry_connected(take->registry) && take->registry->layout.known;
}

static void advance(struct lease_take *take)
{
	struct registry *registry = take->registry;
	char id[ENTRY_ID_TEXT_MAX];
	struct node_path path;

	if (!take_has_work(take) || !registry_due(&take->retry_at))
		return;
	path = registry_path(registry, "/id-to-ip/%s", entry_encode_id(take->id, id));
	started(take, registry->backend->get(registry->store, path.text, false, lease_read, take));
}

int64_t lease_next(const struct registry *registry)
{
	int64_t at = REGISTRY_NEVER;

	for (const struct lease_take *take = registry->takes; take; take = take->next)
		if (take_has_work(take) && take->retry_at < at)
			at = take->retry_at;
	return at;
}

void lease_advance(struct registry *registry)
{
	for (struct lease_take *take = registry->takes; take; take = take->next)
		advance(take);
}

int lease_take_start(struct registry *registry, const char *id, const struct address *wanted,
	lease_done done, void *data, struct lease_take **ret)
{
	struct lease_take *take = calloc(1, sizeof(*take));

	if (!take)
		return -ENOMEM;
	take->registry = registry;
	strcpy(take->id, id);
	if (wanted)
		take->wanted = *wanted;
	take->done = done;
	take->data = data;
	take->next = registry->takes;
	registry->takes = take;
	advance(take);
	registry_wake(registry); /* the next turn sets the timer */
	if (ret)
		*ret = take;
	return 0;
}

void lease_clear(struct registry *registry)
{
	while (registry->takes)
		unlink_take(registry->takes);
}
