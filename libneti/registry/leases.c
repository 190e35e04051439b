/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls about leases that wait: take, find, give back, list.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bulk_read.h"
#include "core.h"
#include "lease.h"
#include "leases.h"
#include "members.h"

static int check_id(const char *id, struct error *error)
{
	if (name_check_id(id) == 0)
		return 0;
	return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
		"\"%.40s\" is no id: 1 to %d printable characters without spaces", id, NAME_ID_MAX);
}

struct waiting {
	bool done;
	int result;
	struct address overlay;
	struct error error;
};

static void lease_taken(void *data, int result, const struct address *overlay,
	const struct error *error)
{
	struct waiting *waiting = data;

	waiting->done = true;
	waiting->result = result;
	if (result < 0)
		waiting->error = *error;
	else
		waiting->overlay = *overlay;
}

int registry_lease_take(struct registry *registry, const char *id, struct address *ret,
	int timeout_ms, struct error *error)
{
	struct deadline deadline = wait_deadline(timeout_ms, "taking a lease");
	struct waiting waiting = { 0 };
	struct lease_take *take;
	int result;

	result = check_id(id, error);
	if (result == 0)
		result = wait_fleet(registry, &deadline, error);
	if (result < 0)
		return result;
	if (lease_take_start(registry, id, NULL, lease_taken, &waiting, &take) < 0)
		return error_memory(error);
	while (result == 0 && !waiting.done)
		result = wait_once(registry, 0, &deadline, error);
	if (!waiting.done) {
		take->done = NULL;
		return result;
	}
	if (waiting.result < 0)
		*error = waiting.error;
	else
		*ret = waiting.overlay;
	return waiting.result;
}

struct node {
	struct node_path path;
	char *bytes;
	int result;
	int version;
	int64_t modified;
};

static int node_take(void *data, size_t i, const struct store_answer *answer)
{
	struct node *node = data;

	(void)i;
	if (answer->result == -ENOENT) {
		node->result = -ENOENT;
		return 0;
	}
	if (answer->result < 0)
		return answer->result;
	node->version = answer->version;
	node->modified = answer->modified;
	node->bytes = strndup(answer->bytes, answer->size);
	return node->bytes ? 0 : -ENOMEM;
}

/* 0 also when there is none: node->result tells. The caller frees node->bytes. */
static int read_node(struct registry *registry, struct node *node, const struct deadline *deadline,
	struct error *error)
{
	struct bulk_plan plan = {
		.kind = BULK_GET, .n = 1, .node = &node->path, .take = node_take, .data = node
	};
	int result = wait_fleet(registry, deadline, error);

	return result < 0 ? result : bulk_read(registry, &plan, deadline, error);
}

static int read_id(struct registry *registry, const char *id, struct node *ret,
	struct address *ret_overlay, const struct deadline *deadline, struct error *error)
{
	char text[ENTRY_ID_TEXT_MAX];
	int result = check_id(id, error);

	if (result < 0)
		return result;
	*ret = (struct node){ .path = registry_path(registry, "/id-to-ip/%s",
				      entry_encode_id(id, text)) };
	result = read_node(registry, ret, deadline, error);
	if (result < 0)
		return result;
	if (ret->result == -ENOENT)
		return error_set(error, -ENOENT, NETI_REASON_NOT_FOUND, "%s has no lease", id);
	result = address_parse(ret->bytes, ret_overlay);
	free(ret->bytes);
	if (result < 0)
		error_set(error, result, NETI_REASON_REGISTRY,
			"registry %s: the lease of %s holds no address", registry->uri, id);
	return result;
}

int registry_lease_find(struct registry *registry, const char *id, struct address *ret,
	int timeout_ms, struct error *error)
{
	struct deadline deadline = wait_deadline(timeout_ms, "looking for a lease");
	struct node node;

	return read_id(registry, id, &node, ret, &deadline, error);
}

int lease_of_id(struct registry *registry, const char *id, const struct deadline *deadline,
	struct member **ret, struct error *error)
{
	struct member lease = { .id = id, .network = "" };
	struct node node;
	int result = read_id(registry, id, &node, &lease.overlay, deadline, error);

	if (result < 0)
		return result;
	lease.since = node.modified / 1000;
	return member_new(ret, &lease) < 0 ? error_memory(error) : 0;
}

int registry_lease_holder(struct registry *registry, const struct address *overlay, char **ret,
	int timeout_ms, struct error *error)
{
	struct deadline deadline = wait_deadline(timeout_ms, "looking for a lease");
	char text[ADDRESS_TEXT_MAX];
	struct node node = { .path = registry_path(registry, "/ip-to-id/%s",
				     address_format(overlay, text)) };
	int result = read_node(registry, &node, &deadline, error);

	if (result < 0)
		return result;
	if (node.result == -ENOENT)
		return error_set(error, -ENOENT, NETI_REASON_NOT_FOUND,
			"the overlay address %s is not leased", text);
	if (name_check_id(node.bytes) < 0) {
		free(node.bytes);
		return error_set(error, -EINVAL, NETI_REASON_REGISTRY,
			"registry %s: the lease of %s names no id", registry->uri, text);
	}
	*ret = node.bytes;
	return 0;
}

static int check_not_live(struct registry *registry, const char *id, const struct address *overlay,
	const struct deadline *deadline, struct error *error)
{
	struct member *member;
	char name[9];
	int result = members_live(registry, id, overlay, deadline, &member, error);

	if (result <= 0)
		return result;
	member_unref(member);
	return error_set(error, -EBUSY, NETI_REASON_CONFLICT,
		"%s is live (shard %s): its lease stays", id,
		entry_shard_name(address_modulo(overlay, registry->layout.settings.shards), name));
}

/*
 * A join writes id-to-ip/ID in the same operation that makes its entry, so its version tells
 * whether somebody joined between our look and our delete.
 */
int lease_release(struct registry *registry, const char *id, int64_t before,
	const struct deadline *deadline, struct error *error)
{
	struct store_operation operations[2] = { { .kind = STORE_DELETE },
		{ .kind = STORE_DELETE, .version = -1 } };
	char text[ADDRESS_TEXT_MAX];
	struct address overlay;
	struct node_path address;
	struct node node;
	struct retry retry = { 0 };
	size_t failed;
	int result, again = 0;

	do {
		result = read_id(registry, id, &node, &overlay, deadline, error);
		if (result == 0 && node.modified / 1000 >= before)
			result = error_set(error, -EBUSY, NETI_REASON_CONFLICT,
				"%s has joined meanwhile: its lease stays", id);
		if (result == 0)
			result = check_not_live(registry, id, &overlay, deadline, error);
		if (result < 0)
			return result;
		address = registry_path(registry, "/ip-to-id/%s", address_format(&overlay, text));
		operations[0].path = node.path.text;
		operations[0].version = node.version;
		operations[1].path = address.text;
		result = wait_multi(registry, operations, 2, &failed, deadline, error);
		if (result == -ENOENT && failed == 1) /* half a lease: made by hand */
			result = wait_multi(registry, operations, 1, &failed, deadline, error);
		if (result == -EAGAIN)
			again = wait_again(registry, &retry, deadline, error);
	} while (result == -EAGAIN && again == 0);
	return again < 0 ? again : result;
}

int registry_lease_release(struct registry *registry, const char *id, int timeout_ms,
	struct error *error)
{
	struct deadline deadline = wait_deadline(timeout_ms, "giving back a lease");

	return lease_release(registry, id, INT64_MAX, &deadline, error);
}

/* --- all of them -------------------------------------------------------------------------- */

struct leases {
	struct registry *registry;
	char **ids; /* percent-encoded, as listed */
	size_t n;
	struct member_list members;
};

static int leases_take(void *data, size_t i, const struct store_answer *answer)
{
	struct leases *leases = data;

	(void)i;
	if (answer->result < 0)
		return answer->result == -ENOENT ? 0 : answer->result;
	leases->ids = calloc(answer->n_names + 1, sizeof(*leases->ids));
	if (!leases->ids)
		return -ENOMEM;
	for (; leases->n < answer->n_names; leases->n++) {
		leases->ids[leases->n] = strdup(answer->names[leases->n]);
		if (!leases->ids[leases->n])
			return -ENOMEM;
	}
	return 0;
}

static struct node_path lease_path(void *data, size_t i)
{
	const struct leases *leases = data;

	return registry_path(leases->registry, "/id-to-ip/%s", leases->ids[i]);
}

static int lease_take(void *data, size_t i, const struct store_answer *answer)
{
	struct leases *leases = data;
	char id[NAME_ID_MAX + 1];
	struct member fields = { .id = id, .network = "", .since = answer->modified / 1000 };
	struct member *member;
	int result;

	if (answer->result < 0)
		return answer->result == -ENOENT ? 0 : answer->result;
	if (entry_decode_id(leases->ids[i], id) < 0 ||
		address_parse(answer->bytes, &fields.overlay) < 0) {
		log_warning(&leases->registry->log, "registry %s: a lease is skipped, %s",
			leases->registry->uri, "its id or address cannot be read");
		return 0;
	}
	result = member_new(&member, &fields);
	if (result < 0)
		return result;
	result = member_list_add(&leases->members, member);
	member_unref(member);
	return result;
}

int registry_leases(struct registry *registry, struct member_list *ret, int timeout_ms,
	struct error *error)
{
	struct deadline deadline = wait_deadline(timeout_ms, "reading the leases");
	struct leases leases = { .registry = registry };
	struct node_path folder = registry_path(registry, "/id-to-ip");
	struct bulk_plan names = { BULK_CHILDREN, 1, NULL, &folder, leases_take, &leases };
	struct bulk_plan nodes = { BULK_GET, 0, lease_path, NULL, lease_take, &leases };
	int result = wait_fleet(registry, &deadline, error);

	if (result == 0)
		result = bulk_read(registry, &names, &deadline, error);
	nodes.n = leases.n;
	if (result == 0)
		result = bulk_read(registry, &nodes, &deadline, error);
	for (size_t i = 0; i < leases.n; i++)
		free(leases.ids[i]);
	free(leases.ids);
	if (result < 0) {
		member_list_clear(&leases.members);
		return result;
	}
	member_list_sort(&leases.members);
	*ret = leases.members;
	return 0;
}
