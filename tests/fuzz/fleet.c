/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fleet's settings: JSON as in the registry, or, where the bytes begin with a letter, KEY VALUE
 * as an operator types it. What is taken is printed and read back the same.
 */
#include <ctype.h>

#include "fleet/fleet_settings.h"
#include "fuzz.h"

static void check_print(const struct fleet_settings *settings)
{
	struct buffer once = { 0 }, twice = { 0 };
	struct fleet_settings again;
	struct error error;

	PROMISE(fleet_settings_print(settings, &once) == 0);
	PROMISE(fleet_settings_parse(&again, once.text, once.length, &error) == 0);
	PROMISE(fleet_settings_print(&again, &twice) == 0);
	PROMISE(strcmp(once.text, twice.text) == 0);
	buffer_clear(&once);
	buffer_clear(&twice);
}

static int set(struct fleet_settings *settings, const uint8_t *data, size_t size,
	struct error *error)
{
	char *text = strndup((const char *)data, size), *value = strchr(text, ' ');
	int result;

	if (value)
		*value++ = '\0';
	result = fleet_settings_set(settings, text, value ? value : "", error);
	free(text);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fleet_settings settings;
	struct error error = { 0 };
	struct prefix subnet;
	int result;

	prefix_parse("192.168.64.0/18", &subnet);
	fleet_settings_default(&settings, &subnet);
	if (size && isalpha(data[0]))
		result = set(&settings, data, size, &error);
	else
		result = fleet_settings_parse(&settings, (const char *)data, size, &error);
	PROMISE(result == 0 || is_sentence(error.text));
	check_print(&settings);
	return 0;
}
