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
#include "fleet/view.h"
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
	const struct member_list *members, struct changes *changes, struct error *error)
{
	struct buffer body = { 0 };
	int result = print_body(&body, fleet, members, error);

	if (result == 0)
		result = sealed_file_write(state_dir, name, &body, changes, error);
	buffer_clear(&body);
	return result;
}

int state_save(const char *state_dir, const struct fleet_settings *fleet,
	const struct member_list *members, struct changes *changes, struct error *error)
{
	return save_members(state_dir, FLEET_NAME, fleet, members, changes, error);
}

/* The entry of who came or is another now; "-" and the overlay address of who left. */
static void note_entries(struct changes *changes, const struct member_list *members)
{
	char name[ENTRY_NAME_MAX];
	struct error ignored;

	for (size_t i = 0; i < members->length; i++)
		if (entry_format(members->items[i], name, &ignored) == 0)
			buffer_print(&changes->lines, "%s\n", name);
		else
			changes_void(changes);
}

void state_note(struct changes *changes, const struct fleet_delta *delta)
{
	char text[ADDRESS_TEXT_MAX];

	if (delta->partial)
		changes_void(changes);
	changes_count(changes, fleet_delta_size(delta));
	if (!changes_suffice(changes))
		return;
	for (size_t i = 0; i < delta->removed.length; i++)
		buffer_print(&changes->lines, "-%s\n",
			address_format(&delta->removed.items[i]->overlay, text));
	note_entries(changes, &delta->moved);
	note_entries(changes, &delta->added);
}

int state_append(const char *state_dir, struct changes *changes, struct error *error)
{
	return sealed_file_append(state_dir, FLEET_NAME, changes, error);
}

static int save_or_remove(const char *state_dir, const char *name,
	const struct fleet_settings *fleet, const struct member_list *members, struct error *error)
{
	return members->length ? save_members(state_dir, name, fleet, members, NULL, error) :
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

/* A line of note_entries() or state_note(), carried out. */
static int read_change(char *line, const struct fleet_settings *fleet, struct member_list *members,
	struct error *error)
{
	struct fleet_delta delta = { 0 };
	struct address gone;
	const struct member *old;
	int result = 0;

	if (line[0] == '-' && address_parse(line + 1, &gone) < 0)
		return error_set(error, -EBADMSG, NETI_REASON_SYSTEM, "bad change");
	if (line[0] != '-')
		result = read_entry(line, fleet, &delta.added, error);
	if (result < 0)
		return result;
	old = fleet_view_find(members, delta.added.length ? &delta.added.items[0]->overlay : &gone);
	if (old)
		result = member_list_add(&delta.removed, (struct member *)old);
	if (result == 0)
		result = fleet_view_patch(members, &delta);
	fleet_delta_clear(&delta);
	return result < 0 ? error_memory(error) : 0;
}

static int load_changes(const char *state_dir, const char *name, const char *text,
	const struct fleet_settings *fleet, struct member_list *members, struct error *error)
{
	struct buffer lines = { 0 };
	int result = sealed_file_read_changes(state_dir, name, text, &lines, error);
	char *next, *line = lines.length ? strtok_r(lines.text, "\n", &next) : NULL;

	for (; line && result == 0; line = strtok_r(NULL, "\n", &next))
		result = read_change(line, fleet, members, error);
	if (result < 0 && result != -ENOMEM)
		result = sealed_file_ignored(state_dir, name, "a change cannot be read", error);
	buffer_clear(&lines);
	return result;
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
	if (result == 0)
		result = load_changes(state_dir, name, text, &fleet, &members, error);
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
