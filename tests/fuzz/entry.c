/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A member's entry in the registry: the name of the node, a newline, the data in it. What is
 * taken is written again the same.
 */
#include "fuzz.h"
#include "registry/entry.h"

/* The fleet that any overlay address belongs to. */
static void fleet_of(const struct address *overlay, struct fleet_settings *ret)
{
	struct prefix all = prefix_of(overlay, 0);

	fleet_settings_default(ret, &all);
}

static void check_data(const struct member *member, const char *json, size_t size)
{
	struct member *once, *twice;
	struct buffer text = { 0 };

	PROMISE(entry_with_data(&once, member, json, size) == 0);
	PROMISE(member_same(once, member));
	PROMISE(entry_print_data(once, &text) == 0);
	PROMISE(entry_with_data(&twice, member, text.text, text.length) == 0);
	PROMISE(once->since == twice->since && once->revision == twice->revision &&
		once->held == twice->held && !once->version == !twice->version);
	PROMISE(!once->version || strcmp(once->version, twice->version) == 0);
	member_unref(once);
	member_unref(twice);
	buffer_clear(&text);
}

static void check_member(const struct member *member, const char *name)
{
	char again[ENTRY_NAME_MAX];
	struct error error;

	PROMISE(entry_format(member, again, &error) == 0);
	PROMISE(strcmp(again, name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = strndup((const char *)data, size), first[ADDRESS_TEXT_MAX] = "";
	size_t length = strcspn(name, "\n"), overlay_length = strcspn(name, "|\n");
	struct address overlay = { .family = AF_INET };
	struct error error = { 0 };
	struct fleet_settings fleet;
	struct member *member;

	name[length] = '\0';
	if (overlay_length < sizeof(first))
		memcpy(first, name, overlay_length);
	address_parse(first, &overlay);
	fleet_of(&overlay, &fleet);
	if (entry_parse(&member, name, &fleet, address_modulo(&overlay, fleet.shards), &error) <
		0) {
		PROMISE(is_sentence(error.text));
	} else {
		check_member(member, name);
		if (length < size)
			check_data(member, (const char *)data + length + 1, size - length - 1);
		member_unref(member);
	}
	free(name);
	return 0;
}
