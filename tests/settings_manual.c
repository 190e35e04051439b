/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manual neti.yml(5) against the table of keys: each has an item with its type, its
 * default and an example that loads; and there is no item for a key that does not exist.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings/settings.h"
#include "test.h"

static char manual[65536];

static void setup(void)
{
	FILE *file = fopen(test_source_path("man/neti.yml.5"), "r");
	size_t size;

	ck_assert_ptr_nonnull(file);
	size = fread(manual, 1, sizeof(manual) - 1, file);
	fclose(file);
	ck_assert_uint_lt(size, sizeof(manual) - 1);
	manual[size] = '\0';
}

static const char *standard(size_t n)
{
	if (settings_default(n))
		return settings_default(n);
	return strncmp(settings_type(n), "list", 4) == 0 ||
			       strncmp(settings_type(n), "map", 3) == 0 ?
		       "empty" :
		       "none";
}

START_TEST(every_key_has_its_item)
{
	char item[256];

	for (size_t n = 0; settings_key(n); n++) {
		snprintf(item, sizeof(item), "\n.It Ic %s\nType: %s; default: %s.\n",
			settings_key(n), settings_type(n), standard(n));
		ck_assert_msg(strstr(manual, item), "the manual lacks:%s", item);
		ck_assert_uint_gt(strlen(settings_help(n)), 0);
	}
	for (size_t n = 0; settings_obsolete_key(n); n++) {
		snprintf(item, sizeof(item), "\n.Ic %s ", settings_obsolete_key(n));
		if (!strstr(manual, item))
			strcpy(item + strlen(item) - 1, "\n");
		ck_assert_msg(strstr(manual, item), "the manual lacks: %s", item);
	}
}
END_TEST

static bool is_key(const char *name, size_t length)
{
	for (size_t n = 0; settings_key(n); n++)
		if (strlen(settings_key(n)) == length &&
			strncmp(settings_key(n), name, length) == 0)
			return true;
	return false;
}

START_TEST(every_item_has_its_key)
{
	static const char mark[] = "\n.It Ic ";
	size_t items = 0, keys = 0;

	for (const char *item = manual; (item = strstr(item, mark)); items++) {
		item += strlen(mark);
		ck_assert_msg(is_key(item, strcspn(item, "\n")), "no such key: %.*s",
			(int)strcspn(item, "\n"), item);
	}
	while (settings_key(keys))
		keys++;
	ck_assert_uint_eq(items, keys);
}
END_TEST

/* The lines of an example, each document of them; one line alone may stand for another.
 */
static void check_example(const char *text, size_t size)
{
	struct settings *settings;
	struct error error;
	const char *line = text;

	ck_assert_int_eq(settings_new(&settings), 0);
	if (settings_parse(settings, "example", text, size, NULL, &error) < 0) {
		/* Two forms of one key, one a line. */
		for (; line < text + size; line = strchr(line, '\n') + 1)
			ck_assert_msg(settings_parse(settings, "example", line, strcspn(line, "\n"),
					      NULL, &error) == 0,
				"%s", error.text);
	}
	settings_free(settings);
}

START_TEST(examples_load)
{
	static const char begin[] = ".Bd -literal -offset indent\n";
	size_t examples = 0, keys = 0;

	for (const char *text = manual; (text = strstr(text, begin)); examples++) {
		const char *end = strstr(text += strlen(begin), ".Ed\n");

		ck_assert_ptr_nonnull(end);
		check_example(text, (size_t)(end - text));
	}
	while (settings_key(keys))
		keys++;
	ck_assert_uint_eq(examples, keys + 1);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("settings_manual");
	const struct test_frame frame = { .setup = setup };

	test_case(suite, &frame, "items");
	test_add(every_key_has_its_item, every_item_has_its_key);
	test_case(suite, &frame, "examples");
	test_add(examples_load);
	return suite;
}
