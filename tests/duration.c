/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Durations as text.
 */
#include <errno.h>

#include "base/duration.h"
#include "test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

START_TEST(text_is_read)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} cases[] = {
		{ "0", 0 },
		{ "0ms", 0 },
		{ "500ms", 500 },
		{ "1", 1000 },
		{ "10s", 10000 },
		{ "5m", 300000 },
		{ "2h", 7200000 },
		{ "30d", 2592000000 },
		{ "18446744073709551615ms", UINT64_MAX },
	};
	uint64_t ms;

	for (size_t i = 0; i < COUNT(cases); i++) {
		ck_assert_int_eq(duration_parse(cases[i].text, &ms), 0);
		ck_assert_uint_eq(ms, cases[i].ms);
	}
}
END_TEST

START_TEST(bad_text_is_refused)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{ "", -EINVAL },
		{ "s", -EINVAL },
		{ "10x", -EINVAL },
		{ "10S", -EINVAL },
		{ "10 s", -EINVAL },
		{ " 10s", -EINVAL },
		{ "-1s", -EINVAL },
		{ "+1s", -EINVAL },
		{ "1.5s", -EINVAL },
		{ "1m30s", -EINVAL },
		{ "18446744073709551616ms", -ERANGE },
		{ "99999999999999999999999999ms", -ERANGE },
		{ "18446744073709551615", -ERANGE },
	};
	uint64_t ms = 77;

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_int_eq(duration_parse(cases[i].text, &ms), cases[i].result);
	ck_assert_uint_eq(ms, 77);
}
END_TEST

START_TEST(text_is_written)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "0s" },
		{ 1, "1ms" },
		{ 1500, "1500ms" },
		{ 5000, "5s" },
		{ 90000, "90s" },
		{ 120000, "2m" },
		{ 86400000, "1d" },
		{ 90000000, "25h" },
		{ UINT64_MAX, "18446744073709551615ms" },
	};
	char text[DURATION_TEXT_MAX];
	uint64_t ms;

	for (size_t i = 0; i < COUNT(cases); i++) {
		ck_assert_str_eq(duration_format(cases[i].ms, text), cases[i].text);
		ck_assert_int_eq(duration_parse(text, &ms), 0);
		ck_assert_uint_eq(ms, cases[i].ms);
	}
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("duration");

	test_case(suite, NULL, "reading");
	test_add(text_is_read, bad_text_is_refused);
	test_case(suite, NULL, "writing");
	test_add(text_is_written);
	return suite;
}
