/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses and prefixes.
 */
#include <errno.h>

#include "base/address.h"
#include "test.h"

static struct prefix prefix(const char *text)
{
	struct prefix prefix;

	ck_assert_int_ge(prefix_parse(text, &prefix), 0);
	return prefix;
}

static struct address address(const char *text)
{
	struct address address;

	ck_assert_int_eq(address_parse(text, &address), 0);
	return address;
}

START_TEST(text_goes_both_ways)
{
	static const char *const texts[] = { "0.0.0.0", "10.1.2.3", "255.255.255.255",
		"::", "2001:db8::1" };
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct address a = address(texts[i]);

		ck_assert_str_eq(address_format(&a, text), texts[i]);
	}
}
END_TEST

START_TEST(bad_text_is_refused)
{
	static const char *const texts[] = { "", "10.1.2", "10.1.2.256", "10.1.2.3 ", "010.1.2.3x",
		"host", "1::2::3" };
	struct address a = { .family = 77 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		ck_assert_int_eq(address_parse(texts[i], &a), -EINVAL);
	ck_assert_int_eq(a.family, 77);
}
END_TEST

START_TEST(unicast)
{
	struct address a;

	a = address("10.0.0.1"), ck_assert(address_is_unicast(&a));
	a = address("127.0.0.1"), ck_assert(!address_is_unicast(&a));
	a = address("224.0.0.1"), ck_assert(!address_is_unicast(&a));
	a = address("255.255.255.255"), ck_assert(!address_is_unicast(&a));
	a = address("0.0.0.0"), ck_assert(!address_is_unicast(&a));
	a = address("::1"), ck_assert(!address_is_unicast(&a));
	a = address("ff02::1"), ck_assert(!address_is_unicast(&a));
	a = address("2001:db8::1"), ck_assert(address_is_unicast(&a));
	ck_assert(!address_is_unicast(&(struct address){ 0 }));
}
END_TEST

START_TEST(prefixes_parse)
{
	char text[PREFIX_TEXT_MAX];
	struct prefix p;

	ck_assert_int_eq(prefix_parse("192.168.0.0/18", &p), 0);
	ck_assert_str_eq(prefix_format(&p, text), "192.168.0.0/18");
	ck_assert_int_eq(prefix_parse("192.168.77.1/18", &p), 1);
	ck_assert_str_eq(prefix_format(&p, text), "192.168.64.0/18");
	ck_assert_int_eq(prefix_parse("10.0.0.7", &p), 0);
	ck_assert_str_eq(prefix_format(&p, text), "10.0.0.7/32");
	ck_assert_int_eq(prefix_parse("2001:db8::/33", &p), 0);
	ck_assert_int_eq(prefix_parse("10.0.0.0/", &p), -EINVAL);
	ck_assert_int_eq(prefix_parse("10.0.0.0/33", &p), -EINVAL);
	ck_assert_int_eq(prefix_parse("10.0.0.0/-1", &p), -EINVAL);
	ck_assert_int_eq(prefix_parse("10.0.0.0/8x", &p), -EINVAL);
	ck_assert_int_eq(prefix_parse("10.0.0.0/255.0.0.0", &p), -EINVAL);
}
END_TEST

START_TEST(containment)
{
	struct prefix p = prefix("192.168.0.0/18"), q = prefix("192.168.32.0/20"),
		      r = prefix("192.168.64.0/18");
	struct prefix all = prefix("0.0.0.0/0"), all6 = prefix("::/0");
	struct address a = address("192.168.63.255"), b = address("192.168.64.0");

	ck_assert(prefix_contains(&p, &a));
	ck_assert(!prefix_contains(&p, &b));
	ck_assert(prefix_overlaps(&p, &q) && prefix_overlaps(&q, &p));
	ck_assert(!prefix_overlaps(&p, &r));
	ck_assert(prefix_overlaps(&all, &p));
	ck_assert(!prefix_overlaps(&all6, &p));
}
END_TEST

START_TEST(counting)
{
	struct prefix p = prefix("192.168.0.0/18"), six = prefix("2001:db8::/48");
	struct address last = address("192.168.63.255"), nth;

	ck_assert_uint_eq(prefix_count(&p), 16384);
	ck_assert_uint_eq(prefix_count(&six), UINT64_MAX);
	nth = prefix_nth(&p, 16383);
	ck_assert(address_equal(&nth, &last));
	ck_assert_uint_eq(prefix_index(&p, &last), 16383);
	nth = prefix_nth(&six, 0x123456789a);
	ck_assert_uint_eq(prefix_index(&six, &nth), 0x123456789a);
}
END_TEST

START_TEST(modulo)
{
	struct address a = address("192.168.0.77"), b = address("2001:db8::4d");

	ck_assert_uint_eq(address_modulo(&a, 64), 0xc0a8004d % 64);
	ck_assert_uint_eq(address_modulo(&a, 1), 0);
	ck_assert_uint_eq(address_modulo(&a, 1000), 0xc0a8004d % 1000);
	ck_assert_uint_eq(address_modulo(&b, 256), 0x4d);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("address");

	test_case(suite, NULL, "reading");
	test_add(text_goes_both_ways, bad_text_is_refused);
	test_case(suite, NULL, "kinds");
	test_add(unicast);
	test_case(suite, NULL, "prefixes");
	test_add(prefixes_parse, containment);
	test_case(suite, NULL, "arithmetic");
	test_add(counting, modulo);
	return suite;
}
