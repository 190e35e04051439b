/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * State files: a line that says what it is and what its bytes add up to, then the body. That of
 * "fleet", "held" and "doubted" is the fleet's settings as in the registry and the members' entries
 * as in the registry, a line each; that of "ruleset" is JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "registry/entry.h"
#include "ruleset/ruleset_json.h"
#include "settings/policy.h"
#include "state.h"

#define FLEET_NAME "fleet"
#define RULESET_NAME "ruleset"
#define HELD_NAME "held"
#define DOUBTED_NAME "doubted"
#define STATE_VERSION 1
#define FORGOTTEN "null" /* a ruleset's body after a flush */

/* FNV-1a, 64 bits: it has to notice a torn file, not an enemy. */
static uint64_t checksum(const char *bytes, size_t length)
{
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (uint8_t)bytes[i]) * 1099511628211u;
	return sum;
}

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

int state_write(const char *state_dir, const char *name, const struct buffer *body,
	struct error *error)
{
	struct buffer text = { 0 };
	int result;

	buffer_print(&text, "neti-state %d %016" PRIx64 "\n", STATE_VERSION,
		checksum(buffer_text(body), body->length));
	buffer_append(&text, buffer_text(body), body->length);
	result = buffer_result(&text) < 0 ? error_memory(error) :
					    file_replace(state_dir, name, text.text, text.length, error);
	buffer_clear(&text);
	return result;
}

static int save_members(const char *state_dir, const char *name,
	const struct fleet_settings *fleet, const struct member_list *members, struct error *error)
{
	struct buffer body = { 0 };
	int result = print_body(&body, fleet, members, error);

	if (result == 0)
		result = state_write(state_dir, name, &body, error);
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

int state_save_ruleset(const char *state_dir, const struct ruleset *ruleset, struct error *error)
{
	struct buffer body = { 0 };
	int result;

	if (ruleset_to_json(ruleset, &body) < 0)
		result = error_memory(error);
	else
		result = state_write(state_dir, RULESET_NAME, &body, error);
	buffer_clear(&body);
	return result;
}

static int bad(const char *state_dir, const char *name, const char *why, struct error *error)
{
	return error_set(error, -EBADMSG, NETI_REASON_SYSTEM, "%s/%s is ignored: %s", state_dir, name,
		why);
}

static int check_head(const char *state_dir, const char *name, char *text, size_t length,
	char **ret_body, struct error *error)
{
	char *newline = memchr(text, '\n', length);
	uint64_t sum;
	int version;

	if (!newline || sscanf(text, "neti-state %d %" SCNx64 "\n", &version, &sum) != 2)
		return bad(state_dir, name, "it is not a state file of Neti", error);
	if (version != STATE_VERSION)
		return bad(state_dir, name, "another version of Neti wrote it", error);
	*ret_body = newline + 1;
	if (checksum(*ret_body, length - (size_t)(*ret_body - text)) != sum)
		return bad(state_dir, name, "it is torn (its checksum is wrong)", error);
	return 0;
}

int state_read(const char *state_dir, const char *name, char **ret_text, char **ret_body,
	size_t *ret_length, struct error *error)
{
	size_t length;
	int result = file_read(state_dir, name, ret_text, &length, error);

	if (result == 0)
		result = check_head(state_dir, name, *ret_text, length, ret_body, error);
	if (result == 0)
		*ret_length = length - (size_t)(*ret_body - *ret_text);
	return result;
}

static int read_entry(const char *line, const struct fleet_settings *fleet, struct member_list *list,
	struct error *error)
{
	struct address overlay = { 0 };
	char first[ADDRESS_TEXT_MAX] = "";
	struct member *member;
	int result;

	sscanf(line, "%45[^|]", first);
	if (address_parse(first, &overlay) < 0)
		return error_set(error, -EBADMSG, NETI_REASON_SYSTEM, "bad entry");
	result = entry_parse(&member, line, fleet, entry_shard(&overlay, fleet->shards), error);
	if (result < 0)
		return result;
	result = member_list_add(list, member);
	member_unref(member);
	return result < 0 ? error_memory(error) : 0;
}

static int read_body(const char *path, char *body, struct fleet_settings *fleet,
	struct member_list *members, struct error *error)
{
	char *next, *line = strtok_r(body, "\n", &next);

	if (!line || fleet_settings_parse(fleet, line, strlen(line), error) < 0)
		return error_set(error, -EBADMSG, NETI_REASON_SYSTEM,
			"%s is ignored: its fleet settings cannot be read", path);
	while ((line = strtok_r(NULL, "\n", &next)))
		if (read_entry(line, fleet, members, error) < 0)
			return error->result == -ENOMEM ? error->result :
							  error_set(error, -EBADMSG, NETI_REASON_SYSTEM,
								  "%s is ignored: an entry cannot be read",
								  path);
	member_list_sort(members);
	return 0;
}

static int load_members(const char *state_dir, const char *name, struct fleet_settings *ret_fleet,
	struct member_list *ret_members, struct error *error)
{
	struct member_list members = { 0 };
	struct fleet_settings fleet;
	char *text = NULL, *body = NULL, path[PATH_MAX];
	size_t length;
	int result = state_read(state_dir, name, &text, &body, &length, error);

	snprintf(path, sizeof(path), "%s/%s", state_dir, name);
	if (result == 0)
		result = read_body(path, body, &fleet, &members, error);
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

int state_load_ruleset(const char *state_dir, struct ruleset **ret, struct error *error)
{
	char *text = NULL, *body = NULL;
	size_t length;
	int result = state_read(state_dir, RULESET_NAME, &text, &body, &length, error);

	if (result == 0 && strcmp(body, FORGOTTEN) == 0)
		result = error_set(error, -ENOENT, NETI_REASON_NOT_FOUND,
			"%s/" RULESET_NAME " holds nothing: the rules were flushed", state_dir);
	if (result == 0 && ruleset_from_json(ret, body, length, error) < 0)
		result = error->result == -ENOMEM ? error->result :
						    bad(state_dir, RULESET_NAME,
							    "the ruleset in it cannot be read", error);
	free(text);
	return result;
}

int state_forget_ruleset(const char *state_dir, struct error *error)
{
	struct buffer body = { 0 };
	int result;

	if (access(state_dir, F_OK) < 0)
		return 0;
	buffer_print(&body, FORGOTTEN);
	result = state_write(state_dir, RULESET_NAME, &body, error);
	buffer_clear(&body);
	return result;
}

int state_restore(const struct settings *settings, struct ruleset **ret, struct error *error)
{
	int result = state_load_ruleset(settings->state_dir, ret, error);
	bool flushed = error->reason == NETI_REASON_NOT_FOUND;

	if (result == 0) {
		policy_clear(&(*ret)->policy);
		if (policy_copy(&(*ret)->policy, &settings->policy) == 0)
			return NETI_RESTORED_WHOLE;
		*ret = ruleset_free(*ret);
		return error_memory(error);
	}
	if (result == -ENOMEM || !settings->policy.reject_all || (result == -ENOENT && flushed))
		return result;
	if (ruleset_build_policy(ret, &settings->policy, &settings->overlay_subnet) < 0)
		return error_memory(error);
	return result == -ENOENT ? NETI_RESTORED_POLICY : NETI_RESTORED_TORN;
}
