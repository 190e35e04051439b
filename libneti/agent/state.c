/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sealed files "fleet", "held" and "doubted": the fleet's settings as in the registry, and the
 * members' entries as in the registry, a line each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sealed_file.h"
#include "registry/entry.h"
#include "state.h"

#define FLEET_NAME "fleet"
#define HELD_NAME "held"
#define DOUBTED_NAME "doubted"

static int print_body(struct buffer *body, const struct fleet_settings *fleet,
	const struct member_list *members, struct error *error)
{
	char name[ENTRY_NAME_MAX];

	fleet_settings_print(fleet, body);
	buffer_append(body, "\n", 1);
	for (size_t i = 0; i < members->length; i++) {
		if (entry_format(members->items[i], name, error) < 0)
			return error->result;
		buffer_print(body, "%s\n", name);
	}
	return buffer_result(body) < 0 ? error_memory(error) : 0;
}

static int save_members(const char *state_dir, const char *name, const struct fleet_settings *fleet,
	const struct member_list *members, struct error *error)
{
	struct buffer body = { 0 };
	int result = print_body(&body, fleet, members, error);

	if (result == 0)
		result = sealed_file_write(state_dir, name, &body, error);
	buffer_clear(&body);
	return result;
}

int state_save(const char *state_dir, const struct fleet_settings *fleet,
	const struct member_list *members, struct error *error)
{
	return save_members(state_dir, FLEET_NAME, fleet, members, error);
}

static int save_or_remove(const char *state_dir, const char *name,
	const struct fleet_settings *fleet, const struct member_list *members, struct error *error)
{
	return members->length ? save_members(state_dir, name, fleet, members, error) :
				 file_remove(state_dir, name, error);
}

int state_save_doubts(const char *state_dir, const struct fleet_settings *fleet,
	const struct member_list *held, const struct member_list *doubted, struct error *error)
{
	int result = save_or_remove(state_dir, HELD_NAME, fleet, held, error);

	if (result == 0)
		result = save_or_remove(state_dir, DOUBTED_NAME, fleet, doubted, error);
	return result;
}

static int read_entry(const char *line, const struct fleet_settings *fleet,
	struct member_list *list, struct error *error)
{
	struct address overlay = { 0 };
	char first[ADDRESS_TEXT_MAX] = "";
	struct member *member;
	int result;

	sscanf(line, "%45[^|]", first);
	if (address_parse(first, &overlay) < 0)
		return error_set(error, -EBADMSG, NETI_REASON_SYSTEM, "bad entry");
	result = entry_parse(&member, line, fleet, address_modulo(&overlay, fleet->shards), error);
	if (result < 0)
		return result;
	result = member_list_add(list, member);
	member_unref(member);
	return result < 0 ? error_memory(error) : 0;
}

static int read_fleet(const char *state_dir, const char *name, char *body,
	struct fleet_settings *fleet, struct member_list *members, struct error *error)
{
	char *next, *line = strtok_r(body, "\n", &next);

	if (!line || fleet_settings_parse(fleet, line, strlen(line), error) < 0)
		return sealed_file_ignored(state_dir, name, "its fleet settings cannot be read",
			error);
	while ((line = strtok_r(NULL, "\n", &next)))
		if (read_entry(line, fleet, members, error) < 0)
			return error->result == -ENOMEM ? -ENOMEM :
							  sealed_file_ignored(state_dir, name,
								  "an entry cannot be read", error);
	member_list_sort(members);
	return 0;
}

static int load_members(const char *state_dir, const char *name, struct fleet_settings *ret_fleet,
	struct member_list *ret_members, struct error *error)
{
	struct member_list members = { 0 };
	struct fleet_settings fleet;
	char *text = NULL, *body = NULL;
	size_t length;
	int result = sealed_file_read(state_dir, name, &text, &body, &length, error);

	if (result == 0)
		result = read_fleet(state_dir, name, body, &fleet, &members, error);
	free(text);
	if (result < 0) {
		member_list_clear(&members);
		return result;
	}
	*ret_fleet = fleet;
	*ret_members = members;
	return 0;
}

int state_load(const char *state_dir, struct fleet_settings *ret_fleet,
	struct member_list *ret_members, struct error *error)
{
	return load_members(state_dir, FLEET_NAME, ret_fleet, ret_members, error);
}

int state_load_held(const char *state_dir, struct fleet_settings *ret_fleet,
	struct member_list *ret_held, struct error *error)
{
	return load_members(state_dir, HELD_NAME, ret_fleet, ret_held, error);
}

int state_load_doubted(const char *state_dir, struct fleet_settings *ret_fleet,
	struct member_list *ret_doubted, struct error *error)
{
	return load_members(state_dir, DOUBTED_NAME, ret_fleet, ret_doubted, error);
}
