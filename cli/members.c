/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * register, list, lookup, release: what the registry holds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "members.h"
#include "output.h"
#include "progress.h"
#include "table.h"

static int with_registry(struct netictl *netictl,
	int (*work)(struct netictl *netictl, struct neti_registry *registry))
{
	struct neti_registry *registry;
	int status;

	if (neti_registry_open(&registry, netictl->settings) < 0)
		return say_failure(netictl);
	status = work(netictl, registry);
	neti_registry_unref(registry);
	return status;
}

static int print_found(struct netictl *netictl, struct neti_registry *registry, const char *key);

static int register_host(struct netictl *netictl, struct neti_registry *registry)
{
	char overlay[NETI_ADDRESS_MAX];
	unsigned flags = netictl->line.takeover ? NETI_REGISTER_TAKEOVER : 0;

	struct progress *progress = progress_start(netictl, "waiting for the registry");
	int result = neti_registry_register(registry, netictl->line.id, flags, overlay);

	progress_stop(progress);
	if (result < 0)
		return say_failure(netictl);
	if (netictl->line.json)
		return print_found(netictl, registry, overlay);
	puts(overlay);
	return EXIT_DONE;
}

int command_register(struct netictl *netictl)
{
	return with_registry(netictl, register_host);
}

json_t *member_json(const struct neti_member *member)
{
	char overlay[NETI_ADDRESS_MAX], private_address[NETI_ADDRESS_MAX], public_address[NETI_ADDRESS_MAX];
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

static int list_table(const struct netictl *netictl, const struct neti_members *members)
{
	static const char *const heads[] = { "ID", "NETWORK", "OVERLAY", "PRIVATE", "PUBLIC", "STATE" };
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

static int list(struct netictl *netictl, struct neti_registry *registry)
{
	unsigned flags = (netictl->line.json ? NETI_LIST_DETAILS : 0) |
			 (netictl->line.all ? NETI_LIST_LEASES : 0);
	struct progress *progress = progress_start(netictl, "reading the fleet from the registry");
	struct neti_members *members;
	int result = neti_registry_list(registry, flags, &members), status;

	progress_stop(progress);
	if (result < 0)
		return say_failure(netictl);
	status = netictl->line.json ? print_members_json(members) : list_table(netictl, members);
	neti_members_unref(members);
	return status;
}

int command_list(struct netictl *netictl)
{
	return with_registry(netictl, list);
}

/* The fields of a member by name, as the JSON has them. */
static int print_field(json_t *json, const char *name)
{
	json_t *value = json_object_get(json, name);

	if (!value)
		return say_usage("no field \"%s\": id, network, overlay, private, public, live, version "
				 "or since", name);
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
	json_t *json = member_json(member);
	int status;

	if (netictl->line.json)
		return print_json(json);
	status = netictl->line.field ? print_field(json, netictl->line.field) : print_fields(json);
	json_decref(json);
	return status;
}

static int print_found(struct netictl *netictl, struct neti_registry *registry, const char *key)
{
	struct progress *progress = progress_start(netictl, "waiting for the registry");
	struct neti_members *members;
	int result = neti_registry_lookup(registry, key, &members), status;

	progress_stop(progress);
	if (result < 0)
		return say_failure(netictl);
	status = print_member(netictl, neti_members_get(members, 0));
	neti_members_unref(members);
	return status;
}

static int lookup(struct netictl *netictl, struct neti_registry *registry)
{
	return print_found(netictl, registry, netictl->line.arguments[0]);
}

int command_lookup(struct netictl *netictl)
{
	return with_registry(netictl, lookup);
}

static int release_lease(struct netictl *netictl, struct neti_registry *registry)
{
	if (neti_registry_release(registry, netictl->line.arguments[0]) < 0)
		return say_failure(netictl);
	return EXIT_DONE;
}

int command_release(struct netictl *netictl)
{
	return with_registry(netictl, release_lease);
}
