/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking once, without watching: fleet settings and live members. Everything that is read
 * from many nodes is read with many requests under way.
 */
#include <errno.h>
#include <string.h>

#include "bulk_read.h"
#include "core.h"
#include "members.h"

int registry_connect(struct registry *registry, int timeout_ms, struct error *error)
{
	struct deadline deadline = wait_deadline(timeout_ms, "connecting");
	int result = 0;

	while (result == 0 && !registry_connected(registry))
		result = wait_once(registry, 0, &deadline, error);
	return result;
}

int registry_fleet(struct registry *registry, struct fleet_settings *ret, int timeout_ms,
	struct error *error)
{
	struct deadline deadline = wait_deadline(timeout_ms, "reading the fleet's settings");
	int result = wait_fleet(registry, &deadline, error);

	if (result < 0)
		return result;
	result = registry->layout.ours;
	registry->layout.ours = false;
	*ret = registry->layout.settings;
	return result;
}

int registry_fleet_set(struct registry *registry, const struct fleet_settings *settings,
	int timeout_ms, struct error *error)
{
	struct deadline deadline = wait_deadline(timeout_ms, "writing the fleet's settings");
	struct node_path path = registry_path(registry, "/fleet");
	struct store_operation set = { .kind = STORE_SET, .path = path.text };
	struct buffer json = { 0 };
	size_t failed;
	int result;

	result = wait_fleet(registry, &deadline, error);
	if (result < 0)
		return result;
	if (fleet_settings_print(settings, &json) < 0)
		return error_memory(error);
	set.bytes = json.text;
	set.size = json.length;
	set.version = registry->layout.version;
	result = wait_multi(registry, &set, 1, &failed, &deadline, error);
	if (result == 0)
		layout_wrote(registry, settings, set.version + 1);
	if (result == -EAGAIN)
		error_set(error, result, NETI_REASON_CONFLICT,
			"the fleet's settings were changed by somebody else meanwhile: try again");
	buffer_clear(&json);
	return result;
}

/* --- live members ------------------------------------------------------------------------ */

struct survey {
	struct registry *registry;
	struct member_list members;
	unsigned first;	  /* shard of the plan's item 0 */
	const char *part; /* names that lack it are passed over unread; NULL: none is */
};

static struct node_path shard_path(void *data, size_t i)
{
	const struct survey *survey = data;

	return layout_shard_path(survey->registry, survey->first + (unsigned)i);
}

static int shard_take(void *data, size_t i, const struct store_answer *answer)
{
	struct survey *survey = data;
	const struct registry *registry = survey->registry;
	struct error error;
	int result = 0;

	if (answer->result < 0)
		return answer->result == -ENOENT ? 0 : answer->result;
	if (answer->revision > survey->registry->newest)
		survey->registry->newest = answer->revision;
	for (size_t n = 0; result == 0 && n < answer->n_names; n++) {
		struct member *member;

		if (survey->part && !strstr(answer->names[n], survey->part))
			continue;
		result = entry_parse(&member, answer->names[n], &registry->layout.settings,
			survey->first + (unsigned)i, &error);
		if (result == -EINVAL) {
			log_warning(&registry->log, "skipped: %s", error.text);
			result = 0;
			continue;
		}
		if (result < 0)
			break;
		result = member_list_add(&survey->members, member);
		member_unref(member);
	}
	return result;
}

static struct node_path detail_path(void *data, size_t i)
{
	const struct survey *survey = data;
	const struct member *member = survey->members.items[i];
	char name[ENTRY_NAME_MAX];
	struct error error;

	entry_format(member, name, &error);
	return layout_entry_path(survey->registry, &member->overlay, name);
}

/* One that left meanwhile stays in the list as its name told. */
static int detail_take(void *data, size_t i, const struct store_answer *answer)
{
	struct survey *survey = data;
	struct member fields = *survey->members.items[i], *member;
	int result;

	if (answer->result < 0)
		return answer->result == -ENOENT ? 0 : answer->result;
	fields.since = answer->created / 1000;
	result = entry_with_data(&member, &fields, answer->bytes, answer->size);
	if (result < 0)
		return result;
	member_unref(survey->members.items[i]);
	survey->members.items[i] = member;
	return 0;
}

int members_with(struct registry *registry, const char *part, const struct address *overlay,
	bool details, const struct deadline *deadline, struct member_list *ret, struct error *error)
{
	const struct fleet_settings *settings = &registry->layout.settings;
	struct survey survey = { .registry = registry, .part = part };
	struct bulk_plan shards = { BULK_CHILDREN, 1, shard_path, NULL, shard_take, &survey };
	struct bulk_plan data = { BULK_GET, 0, detail_path, NULL, detail_take, &survey };
	int result = wait_fleet(registry, deadline, error);

	if (overlay)
		survey.first = address_modulo(overlay, settings->shards);
	else
		shards.n = settings->shards;
	if (result == 0)
		result = bulk_read(registry, &shards, deadline, error);
	data.n = survey.members.length;
	if (result == 0 && details)
		result = bulk_read(registry, &data, deadline, error);
	if (result < 0) {
		member_list_clear(&survey.members);
		return result;
	}
	member_list_sort(&survey.members);
	*ret = survey.members;
	return 0;
}

int registry_members(struct registry *registry, struct member_list *ret, bool details,
	int timeout_ms, struct error *error)
{
	struct deadline deadline = wait_deadline(timeout_ms, "reading the members");

	return members_with(registry, NULL, NULL, details, &deadline, ret, error);
}

int members_live(struct registry *registry, const char *id, const struct address *overlay,
	const struct deadline *deadline, struct member **ret, struct error *error)
{
	char part[ENTRY_ID_TEXT_MAX];
	struct member_list members = { 0 };
	int result = members_with(registry, entry_encode_id(id, part), overlay, false, deadline,
		&members, error);

	for (size_t i = 0; result == 0 && i < members.length; i++) {
		struct member *member = members.items[i];

		if (strcmp(member->id, id) == 0 && address_equal(&member->overlay, overlay)) {
			*ret = member_ref(member);
			result = 1;
		}
	}
	member_list_clear(&members);
	return result;
}

int members_detail(struct registry *registry, struct member **member,
	const struct deadline *deadline, struct error *error)
{
	struct survey survey = { .registry = registry, .members = { member, 1, 1 } };
	struct bulk_plan data = { BULK_GET, 1, detail_path, NULL, detail_take, &survey };

	return bulk_read(registry, &data, deadline, error);
}

uint64_t registry_newest(const struct registry *registry)
{
	return registry->newest;
}
