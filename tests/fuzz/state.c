/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state file of the fleet: the first line as it stands, and the body behind a checksum that
 * no chance would meet. What is read is written again, and read the same.
 */
#include "agent/state.c"
#include "base/sealed_file.c"
#include "fuzz.h"

static void check_again(const struct fleet_settings *fleet, const struct member_list *members)
{
	struct member_list again = { 0 };
	struct fleet_settings settings;
	struct buffer body = { 0 };
	struct error error;

	PROMISE(print_body(&body, fleet, members, &error) == 0);
	PROMISE(read_fleet("folder", "state", body.text, &settings, &again, &error) == 0);
	PROMISE(again.length == members->length);
	for (size_t i = 0; i < again.length; i++)
		PROMISE(member_same(again.items[i], members->items[i]));
	member_list_clear(&again);
	buffer_clear(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *body;
	struct member_list members = { 0 };
	struct fleet_settings fleet;
	struct error error = { 0 };

	memcpy(text, data, size);
	text[size] = '\0'; /* as file_read() does */
	if (check_head("folder", FLEET_NAME, text, size, &body, &error) < 0)
		PROMISE(is_sentence(error.text));
	body = memchr(text, '\n', size);
	if (read_fleet("folder", "state", body ? body + 1 : text, &fleet, &members, &error) < 0)
		PROMISE(is_sentence(error.text));
	else
		check_again(&fleet, &members);
	member_list_clear(&members);
	free(text);
	return 0;
}
