/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * register, list, lookup, release: what the registry holds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "handles.h"
#include "members.h"
#include "output.h"
#include "progress.h"
#include "table.h"

json_t *member_json(const struct neti_member *member)
{
	char overlay[NETI_ADDRESS_MAX], private_address[NETI_ADDRESS_MAX],
		public_address[NETI_ADDRESS_MAX];
	const char *version = neti_member_version(member);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:I}", "id", neti_member_id(member),
		"network", neti_member_network(member), "overlay",
		neti_member_overlay(member, overlay), "private",
		neti_member_private(member, private_address), "public",
		neti_member_public(member, public_address), "live", neti_member_live(member),
		"version", version ? version : "", "since", (json_int_t)neti_member_since(member));
}

int print_members_json(const struct neti_members *members)
{
	json_t *array = json_array();

	for (size_t i = 0; i < neti_members_count(members); i++)
		json_array_append_new(array, member_json(neti_members_get(members, i)));
	return print_json(json_pack("{s:o}", "members", array));
}

static int print_members_table(const struct netictl *netictl, const struct neti_members *members)
{
	static const char *const heads[] = { "ID", "NETWORK", "OVERLAY", "PRIVATE", "PUBLIC",
		"STATE" };
	struct table *table = table_new(netictl->line.all ? 6 : 5, heads);
	char text[3][NETI_ADDRESS_MAX];

	for (size_t i = 0; i < neti_members_count(members); i++) {
		const struct neti_member *member = neti_members_get(members, i);

		table_cell(table, neti_member_id(member));
		table_cell(table, neti_member_network(member));
		table_cell(table, neti_member_overlay(member, text[0]));
		table_cell(table, neti_member_private(member, text[1]));
		table_cell(table, neti_member_public(member, text[2]));
		if (netictl->line.all)
			table_cell(table, neti_member_live(member) ? "live" : "lease");
	}
	return table_print(table);
}

int members_read(const struct netictl *netictl, unsigned flags, struct neti_members **ret)
{
	auto_registry *registry = NULL;
	struct progress *progress;
	int result = neti_registry_open(&registry, netictl->settings);

	if (result < 0)
		return result;
	progress = progress_start(netictl, "reading the fleet from the registry");
	result = neti_registry_list(registry, flags, ret);
	progress_stop(progress);
	return result;
}

int command_list(struct netictl *netictl)
{
	unsigned flags = (netictl->line.json ? NETI_LIST_DETAILS : 0) |
			 (netictl->line.all ? NETI_LIST_LEASES : 0);
	auto_members *members = NULL;

	if (members_read(netictl, flags, &members) < 0)
		return say_failure(netictl);
	return netictl->line.json ? print_members_json(members) :
				    print_members_table(netictl, members);
}

/* The fields of a member by name, as the JSON has them. */
static int print_field(json_t *json, const char *name)
{
	json_t *value = json_object_get(json, name);

	if (!value)
		return say_usage(
			"no field \"%s\": id, network, overlay, private, public, live, version "
			"or since",
			name);
	if (json_is_string(value))
		puts(json_string_value(value));
	else if (json_is_integer(value))
		printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
	else
		puts(json_is_true(value) ? "true" : "false");
	return EXIT_DONE;
}

static int print_fields(json_t *json)
{
	const char *name;
	json_t *value;

	json_object_foreach (json, name, value) {
		printf("%-8s  ", name);
		print_field(json, name);
	}
	return EXIT_DONE;
}

static int print_member(const struct netictl *netictl, const struct neti_member *member)
{
	json_auto_t *json = member_json(member);

	if (netictl->line.json)
		return print_json(json_incref(json));
	return netictl->line.field ? print_field(json, netictl->line.field) : print_fields(json);
}

static int print_found(struct netictl *netictl, struct neti_registry *registry, const char *key)
{
	struct progress *progress = progress_start(netictl, "waiting for the registry");
	auto_members *members = NULL;
	int result = neti_registry_lookup(registry, key, &members);

	progress_stop(progress);
	if (result < 0)
		return say_failure(netictl);
	return print_member(netictl, neti_members_get(members, 0));
}

int command_lookup(struct netictl *netictl)
{
	auto_registry *registry = NULL;

	if (neti_registry_open(&registry, netictl->settings) < 0)
		return say_failure(netictl);
	return print_found(netictl, registry, netictl->line.arguments[0]);
}

int command_register(struct netictl *netictl)
{
	unsigned flags = netictl->line.takeover ? NETI_REGISTER_TAKEOVER : 0;
	char overlay[NETI_ADDRESS_MAX];
	auto_registry *registry = NULL;
	struct progress *progress;
	int result;

	if (neti_registry_open(&registry, netictl->settings) < 0)
		return say_failure(netictl);
	progress = progress_start(netictl, "waiting for the registry");
	result = neti_registry_register(registry, netictl->line.id, flags, overlay);
	progress_stop(progress);
	if (result < 0)
		return say_failure(netictl);
	if (netictl->line.json)
		return print_found(netictl, registry, overlay);
	puts(overlay);
	return EXIT_DONE;
}

int command_release(struct netictl *netictl)
{
	auto_registry *registry = NULL;

	if (neti_registry_open(&registry, netictl->settings) < 0 ||
		neti_registry_release(registry, netictl->line.arguments[0]) < 0)
		return say_failure(netictl);
	return EXIT_DONE;
}
