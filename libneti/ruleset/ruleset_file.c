/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ruleset as text, in a sealed file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sealed_file.h"
#include "ruleset_file.h"
#include "ruleset_json.h"
#include "ruleset_text.h"
#include "settings/policy.h"

#define NAME "ruleset"
#define FORGOTTEN "null" /* the body after a flush */

int ruleset_file_save(const char *state_dir, const struct ruleset *ruleset, struct changes *changes,
	struct error *error)
{
	struct buffer body = { 0 };
	int result;

	if (ruleset_to_text(ruleset, &body) < 0)
		result = error_memory(error);
	else
		result = sealed_file_write(state_dir, NAME, &body, changes, error);
	buffer_clear(&body);
	return result;
}

int ruleset_file_append(const char *state_dir, struct changes *changes, struct error *error)
{
	return sealed_file_append(state_dir, NAME, changes, error);
}

static int cannot_be_read(const char *state_dir, int result, struct error *error)
{
	return result == -ENOMEM ? error_memory(error) :
				   sealed_file_ignored(state_dir, NAME,
					   "the ruleset in it cannot be read", error);
}

static int load_changes(const char *state_dir, const char *text, struct ruleset *ruleset,
	struct error *error)
{
	struct buffer lines = { 0 };
	int result = sealed_file_read_changes(state_dir, NAME, text, &lines, error);

	if (result == 0 && lines.length) {
		result = ruleset_read_changes(ruleset, lines.text);
		if (result < 0)
			result = cannot_be_read(state_dir, result, error);
	}
	buffer_clear(&lines);
	return result;
}

int ruleset_file_load(const char *state_dir, struct ruleset **ret, struct error *error)
{
	struct ruleset *ruleset = NULL;
	char *text = NULL, *body = NULL;
	size_t length;
	int result = sealed_file_read(state_dir, NAME, &text, &body, &length, error);

	if (result == 0 && strcmp(body, FORGOTTEN) == 0)
		result = error_set(error, -ENOENT, NETI_REASON_NOT_FOUND,
			"%s/" NAME " is empty: the rules were flushed", state_dir);
	if (result == 0 && ruleset_from_text(&ruleset, body, length, error) < 0)
		result = cannot_be_read(state_dir, error->result, error);
	if (result == 0)
		result = load_changes(state_dir, text, ruleset, error);
	free(text);
	if (result < 0)
		ruleset_free(ruleset);
	else
		*ret = ruleset;
	return result;
}

int ruleset_file_forget(const char *state_dir, struct error *error)
{
	struct buffer body = { 0 };
	int result;

	if (access(state_dir, F_OK) < 0)
		return 0;
	buffer_print(&body, FORGOTTEN);
	result = sealed_file_write(state_dir, NAME, &body, NULL, error);
	buffer_clear(&body);
	return result;
}

int ruleset_file_restore(const struct settings *settings, struct ruleset **ret, struct error *error)
{
	int result = ruleset_file_load(settings->state_dir, ret, error);
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
