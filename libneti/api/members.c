/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members and lists of them, as the public calls give them. A "struct neti_member" is a
 * "struct member" under another name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

static const struct member *inside(const struct neti_member *member)
{
	return (const struct member *)member;
}

NETI_EXPORT int neti_members_new(struct neti_members **ret_members, struct neti_context *context)
{
	struct neti_members *members = calloc(1, sizeof(*members));

	if (!members)
		return context_fail_memory(context);
	members->references = 1;
	members->context = neti_context_ref(context);
	*ret_members = members;
	return 0;
}

struct text_address {
	const char *name;
	const char *text; /* NULL: unset */
	struct address *address;
};

static int parse_addresses(const struct text_address *texts, size_t n, struct error *error)
{
	for (size_t i = 0; i < n; i++) {
		if (!texts[i].text || !*texts[i].text)
			continue;
		if (address_parse(texts[i].text, texts[i].address) < 0 ||
			!address_is_unicast(texts[i].address))
			return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
				"%s address \"%s\" is not an address of a host", texts[i].name,
				texts[i].text);
	}
	return 0;
}

static int make_member(struct member **ret, const char *id, const char *network,
	const struct text_address *texts, struct member *fields, struct error *error)
{
	if (name_check_id(id) < 0)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"id \"%s\" is not 1 to %d printable characters without a space", id,
			NAME_ID_MAX);
	if (name_check_network(network) < 0)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"network \"%s\" is not 1 to %d letters, digits, \"-\", \"_\" and \".\"",
			network, NAME_NETWORK_MAX);
	if (parse_addresses(texts, 3, error) < 0)
		return error->result;
	if (member_new(ret, fields) < 0)
		return error_memory(error);
	return 0;
}

NETI_EXPORT int neti_members_add(struct neti_members *members, const char *id, const char *network,
	const char *overlay, const char *private_address, const char *public_address)
{
	struct member fields = { .id = id, .network = network, .live = true }, *member;
	const struct text_address texts[] = {
		{ "overlay", overlay, &fields.overlay },
		{ "private", private_address, &fields.private_address },
		{ "public", public_address, &fields.public_address },
	};
	struct error error;
	int result;

	if (make_member(&member, id, network, texts, &fields, &error) < 0)
		return context_fail(members->context, &error);
	result = member_list_add(&members->list, member);
	member_unref(member);
	if (result < 0)
		return context_fail_memory(members->context);
	/* Lists are mostly built in order: the n-th addition then costs no sort. */
	if (members->list.length > 1 &&
		member_compare_overlay(members->list.items[members->list.length - 2],
			members->list.items[members->list.length - 1]) > 0)
		member_list_sort(&members->list);
	return 0;
}

NETI_EXPORT struct neti_members *neti_members_ref(struct neti_members *members)
{
	members->references++;
	return members;
}

NETI_EXPORT void neti_members_unref(struct neti_members *members)
{
	if (!members || --members->references > 0)
		return;
	member_list_clear(&members->list);
	neti_context_unref(members->context);
	free(members);
}

NETI_EXPORT size_t neti_members_count(const struct neti_members *members)
{
	return members->list.length;
}

NETI_EXPORT uint64_t neti_members_revision(const struct neti_members *members)
{
	return members->revision;
}

NETI_EXPORT const struct neti_member *neti_members_get(const struct neti_members *members, size_t i)
{
	return i < members->list.length ? (const struct neti_member *)members->list.items[i] : NULL;
}

NETI_EXPORT const struct neti_member *neti_members_find(const struct neti_members *members,
	const char *key)
{
	return (const struct neti_member *)member_list_find(&members->list, key);
}

NETI_EXPORT const char *neti_member_id(const struct neti_member *member)
{
	return inside(member)->id;
}

NETI_EXPORT const char *neti_member_network(const struct neti_member *member)
{
	return inside(member)->network;
}

NETI_EXPORT const char *neti_member_overlay(const struct neti_member *member,
	char text[NETI_ADDRESS_MAX])
{
	return address_format(&inside(member)->overlay, text);
}

NETI_EXPORT const char *neti_member_private(const struct neti_member *member,
	char text[NETI_ADDRESS_MAX])
{
	return address_format(&inside(member)->private_address, text);
}

NETI_EXPORT const char *neti_member_public(const struct neti_member *member,
	char text[NETI_ADDRESS_MAX])
{
	return address_format(&inside(member)->public_address, text);
}

NETI_EXPORT bool neti_member_live(const struct neti_member *member)
{
	return inside(member)->live;
}

NETI_EXPORT const char *neti_member_version(const struct neti_member *member)
{
	return inside(member)->version;
}

NETI_EXPORT int64_t neti_member_since(const struct neti_member *member)
{
	return inside(member)->since;
}

NETI_EXPORT uint64_t neti_member_revision(const struct neti_member *member)
{
	return inside(member)->revision;
}

NETI_EXPORT uint64_t neti_member_held(const struct neti_member *member)
{
	return inside(member)->held;
}
