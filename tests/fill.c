/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a table that fills up is told of.
 */
#include <string.h>

#include "agent/fill.h"
#include "test.h"

static struct fill fill[FILL_TABLES];
static char text[512];

static bool note(uint64_t entries, uint64_t max)
{
	return fill_note(fill, FILL_CONNTRACK, entries, max, text, sizeof(text));
}

START_TEST(test_told_once)
{
	ck_assert(!note(0, 100));
	ck_assert(!note(79, 100)); /* as far as it may go */
	ck_assert(note(80, 100));
	ck_assert_msg(strstr(text, "80 % full, 80 of 100") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "conntrack_max") != NULL, "%s", text);
	ck_assert(!note(100, 100));
	ck_assert(!note(75, 100)); /* no room yet */
	ck_assert(!note(85, 100));
	ck_assert(!note(74, 100)); /* room again */
	ck_assert(!note(79, 100));
	ck_assert(note(90, 100));
	ck_assert(!note(90, 200)); /* made larger */
	ck_assert(note(170, 200));
	ck_assert_uint_eq(fill[FILL_CONNTRACK].entries, 170);
	ck_assert_uint_eq(fill[FILL_CONNTRACK].max, 200);
}
END_TEST

START_TEST(test_edges)
{
	ck_assert(!note(5, 0)); /* not known */
	ck_assert(!note(0, 1));
	ck_assert(note(1, 1));
	ck_assert(!note(0, 1));
	ck_assert(!note(UINT64_MAX / 5, UINT64_MAX));
	ck_assert(note(UINT64_MAX, UINT64_MAX));
	ck_assert(!note(5, 0));
	ck_assert(note(900, 1000));
}
END_TEST

/* Each by itself, under a name of its own, with a sentence of its own. */
START_TEST(test_tables)
{
	static const char *const names[] = { "conntrack", "peers", "denied", "overlay" };
	static const char *const help[] = { "conntrack_max", "further members", "netictl denied",
		"overlay_subnet" };

	for (enum fill_table table = 0; table < FILL_TABLES; table++) {
		ck_assert_str_eq(fill_name(table), names[table]);
		ck_assert(fill_note(fill, table, 99, 100, text, sizeof(text)));
		ck_assert_msg(strstr(text, help[table]) != NULL, "%s", text);
	}
}
END_TEST

static void setup(void)
{
	memset(fill, 0, sizeof(fill));
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("fill");
	const struct test_frame frame = { .setup = setup };

	test_case(suite, &frame, "told-once");
	test_add(test_told_once, test_edges);
	test_case(suite, &frame, "tables");
	test_add(test_tables);
	return suite;
}
