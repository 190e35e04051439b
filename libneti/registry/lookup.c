/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding one member by whatever is known of it. Its id and its overlay address lead to its lease,
 * and that to its shard; a private or public address stands nowhere but in the names of entries,
 * of which only those that have it are taken apart.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "leases.h"
#include "members.h"

struct lookup {
	struct registry *registry;
	const char *key, *network;
	struct address address; /* that the key is; or unset */
	struct deadline deadline;
};

/* --- by the lease ------------------------------------------------------------------------- */

static int find_lease(struct lookup *lookup, struct member **ret, struct error *error)
{
	char *id = NULL;
	int result = -ENOENT;

	if (name_check_id(lookup->key) == 0)
		result = lease_of_id(lookup->registry, lookup->key, &lookup->deadline, ret, error);
	if (result != -ENOENT || !address_is_set(&lookup->address))
		return result;
	result = registry_lease_holder(lookup->registry, &lookup->address, &id,
		lookup->deadline.timeout_ms, error);
	if (result == 0)
		result = lease_of_id(lookup->registry, id, &lookup->deadline, ret, error);
	free(id);
	return result;
}

static int find_by_lease(struct lookup *lookup, struct member **ret, struct error *error)
{
	struct member *lease, *live;
	int result = find_lease(lookup, &lease, error);

	if (result < 0)
		return result;
	result = members_live(lookup->registry, lease->id, &lease->overlay, &lookup->deadline,
		&live, error);
	if (result >= 0)
		*ret = result ? live : member_ref(lease);
	member_unref(lease);
	return result < 0 ? result : 0;
}

/* --- by the entry's name ------------------------------------------------------------------ */

enum rank { NOT_MEANT, AT_ADDRESS, AT_ADDRESS_HERE, BY_OVERLAY, BY_ID };

/* An id or overlay address without a lease is none that Neti made; it is found all the same. */
static enum rank rank_of(const struct lookup *lookup, const struct member *member)
{
	if (strcmp(member->id, lookup->key) == 0)
		return BY_ID;
	if (!address_is_set(&lookup->address))
		return NOT_MEANT;
	if (address_equal(&member->overlay, &lookup->address))
		return BY_OVERLAY;
	if (!address_equal(&member->private_address, &lookup->address) &&
		!address_equal(&member->public_address, &lookup->address))
		return NOT_MEANT;
	return lookup->network && strcmp(member->network, lookup->network) == 0 ? AT_ADDRESS_HERE :
										  AT_ADDRESS;
}

static int choose(const struct lookup *lookup, const struct member_list *members,
	struct member **ret, struct error *error)
{
	struct member *best = NULL, *other = NULL; /* other: as good as the best */
	enum rank most = NOT_MEANT;

	for (size_t i = 0; i < members->length; i++) {
		enum rank rank = rank_of(lookup, members->items[i]);

		if (rank > most) {
			best = members->items[i];
			other = NULL;
			most = rank;
		} else if (rank == most && best) {
			other = members->items[i];
		}
	}
	if (!best)
		return error_set(error, -ENOENT, NETI_REASON_NOT_FOUND,
			"no member and no lease has the id or address \"%s\"", lookup->key);
	if (other && most <= AT_ADDRESS_HERE)
		return error_set(error, -ENOTUNIQ, NETI_REASON_CONFLICT,
			"%s is an address of %s in network %s and of %s in network %s: tell which by "
			"its id or overlay address",
			lookup->key, best->id, best->network, other->id, other->network);
	*ret = member_ref(best);
	return 0;
}

static int find_by_entry(struct lookup *lookup, struct member **ret, struct error *error)
{
	char text[ENTRY_ID_TEXT_MAX], part[ENTRY_ID_TEXT_MAX + 1];
	struct member_list members = { 0 };
	int result;

	if (address_is_set(&lookup->address))
		sprintf(part, "%s|", address_format(&lookup->address, text));
	else
		sprintf(part, "|%s", entry_encode_id(lookup->key, text));
	result = members_with(lookup->registry, part, NULL, false, &lookup->deadline, &members,
		error);
	if (result == 0)
		result = choose(lookup, &members, ret, error);
	member_list_clear(&members);
	return result;
}

int registry_lookup(struct registry *registry, const char *key, const char *network,
	struct member **ret, int timeout_ms, struct error *error)
{
	struct lookup lookup = { .registry = registry,
		.key = key,
		.network = network,
		.deadline = wait_deadline(timeout_ms, "looking for a member") };
	struct member *member = NULL;
	int result;

	if (address_parse(key, &lookup.address) < 0)
		lookup.address = (struct address){ 0 };
	result = find_by_lease(&lookup, &member, error);
	if (result == -ENOENT)
		result = find_by_entry(&lookup, &member, error);
	if (result == 0 && member->live)
		result = members_detail(registry, &member, &lookup.deadline, error);
	if (result == 0)
		*ret = member;
	else
		member_unref(member);
	return result;
}
