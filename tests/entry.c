/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry names and data: what is written is read back, and nothing else is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "registry/entry.h"
#include "test.h"

static const char long_id[] =
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static struct address address(const char *text)
{
	struct address address = { 0 };

	ck_assert(*text == '\0' || address_parse(text, &address) == 0);
	return address;
}

static struct fleet_settings fleet(void)
{
	struct fleet_settings fleet;
	struct prefix subnet;

	ck_assert_int_eq(prefix_parse("192.168.0.0/18", &subnet), 0);
	fleet_settings_default(&fleet, &subnet);
	return fleet;
}

START_TEST(names_go_both_ways)
{
	static const struct {
		const char *overlay, *private, *public, *network, *id, *name;
	} table[] = {
		{ "192.168.0.65", "10.0.0.1", "54.1.2.3", "ec2", "i-0abc",
			"192.168.0.65|10.0.0.1|54.1.2.3|ec2|i-0abc" },
		{ "192.168.0.65", "10.0.0.1", "", "vpc", "web.1",
			"192.168.0.65|10.0.0.1||vpc|web.1" },
		{ "192.168.0.65", "fd00::1", "2001:db8::1", "vpc", "a|b/c%",
			"192.168.0.65|fd00::1|2001:db8::1|vpc|a%7Cb%2Fc%25" },
		{ "192.168.0.65", "10.0.0.1", "", "vpc", "..",
			"192.168.0.65|10.0.0.1||vpc|%2E%2E" },
		{ "192.168.0.65", "10.0.0.1", "", "vpc", "...", "192.168.0.65|10.0.0.1||vpc|..." },
	};
	struct fleet_settings settings = fleet();

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct member fields = {
			.id = table[i].id,
			.network = table[i].network,
			.overlay = address(table[i].overlay),
			.private_address = address(table[i].private),
			.public_address = address(table[i].public),
		};
		char name[ENTRY_NAME_MAX];
		struct member *member;
		struct error error;

		ck_assert_int_eq(entry_format(&fields, name, &error), 0);
		ck_assert_str_eq(name, table[i].name);
		ck_assert_int_eq(entry_parse(&member, name, &settings, 1, &error), 0);
		ck_assert(member_same(member, &fields));
		ck_assert(member->live);
		member_unref(member);
	}
}
END_TEST

START_TEST(longest_name_fits)
{
	static const char full[] = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
	char id[NAME_ID_MAX + 1], name[ENTRY_NAME_MAX];
	struct member fields = { .id = id, .network = "12345678901234567890123456789012" };
	struct error error;

	memset(id, '/', NAME_ID_MAX);
	id[NAME_ID_MAX] = '\0';
	fields.overlay = address("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	fields.private_address = fields.public_address = fields.overlay;
	ck_assert_int_eq(entry_format(&fields, name, &error), 0);
	ck_assert_uint_eq(strlen(name), 3 * (sizeof(full) - 1) + 32 + 4 + 3 * NAME_ID_MAX);
}
END_TEST

#define LONG250                                                                                    \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

START_TEST(bad_names_are_refused)
{
	static const struct {
		const char *name, *says;
	} table[] = {
		{ "", "five fields" },
		{ "|", "five fields" },
		{ "||||", "overlay" },
		{ "192.168.0.65|10.0.0.1||vpc", "five fields" },
		{ "192.168.0.65|10.0.0.1||vpc|a|b", "five fields" },
		{ "192.168.0.65|||vpc|a", "private" },
		{ "|10.0.0.1||vpc|a", "overlay" },
		{ "192.168.0.256|10.0.0.1||vpc|a", "overlay" },
		{ "192.168.0.65 |10.0.0.1||vpc|a", "overlay" },
		{ "192.168.0.65|host||vpc|a", "private" },
		{ "192.168.0.65|10.0.0.1|x|vpc|a", "public" },
		{ "192.168.0.65|127.0.0.1||vpc|a", "private" },
		{ "192.168.0.65|0.0.0.0||vpc|a", "private" },
		{ "192.168.0.65|224.0.0.1||vpc|a", "private" },
		{ "192.168.0.65|255.255.255.255||vpc|a", "private" },
		{ "192.168.0.65|::1||vpc|a", "private" },
		{ "192.168.0.65|10.0.0.1|127.0.0.1|vpc|a", "public" },
		{ "192.168.0.65|10.0.0.1|ff02::1|vpc|a", "public" },
		{ "127.0.0.1|10.0.0.1||vpc|a", "overlay" },
		{ "10.0.0.1|10.0.0.1||vpc|a", "outside of 192.168.0.0/18" },
		{ "192.168.64.1|10.0.0.1||vpc|a", "outside of 192.168.0.0/18" },
		{ "fd00::1|10.0.0.1||vpc|a", "outside of" },
		{ "192.168.0.66|10.0.0.1||vpc|a", "shard 01 and belongs to 02" },
		{ "192.168.0.65|10.0.0.1|||a", "network" },
		{ "192.168.0.65|10.0.0.1||v/c|a", "network" },
		{ "192.168.0.65|10.0.0.1||v c|a", "network" },
		{ "192.168.0.65|10.0.0.1||\x01|a", "network" },
		{ "192.168.0.65|10.0.0.1||123456789012345678901234567890123|a", "network" },
		{ "192.168.0.65|10.0.0.1||vpc|", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|%", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|%4", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|%zz", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|%00", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|%0A", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|%20", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|%FF", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|\xc3\xa9", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|a\nb", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|%61", "right form" },
		{ "192.168.0.65|10.0.0.1||vpc|a%7cb", "id" },
		{ "192.168.0.65|10.0.0.1||vpc|..", "right form" },
		{ "192.168.0.65|FD00::1||vpc|a", "right form" },
		{ "192.168.0.65|fd00:0::1||vpc|a", "right form" },
		{ "192.168.0.65|10.0.0.1||vpc|" LONG250 LONG250, "id" },
		{ LONG250 LONG250 LONG250 LONG250 LONG250 LONG250 LONG250, "too long" },
	};
	struct fleet_settings settings = fleet();

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct member *member = NULL;
		struct error error = { 0 };

		ck_assert_msg(entry_parse(&member, table[i].name, &settings, 1, &error) == -EINVAL,
			"%s was taken", table[i].name);
		ck_assert_msg(strstr(error.text, table[i].says), "%s: %s", table[i].name,
			error.text);
		ck_assert_ptr_null(member);
		for (const char *c = error.text; *c; c++)
			ck_assert_msg(*c >= ' ' && *c < 0x7f, "raw byte %#x", (unsigned char)*c);
	}
}
END_TEST

START_TEST(bad_members_are_not_written)
{
	struct member good = { .id = "a", .network = "vpc" }, bad;
	char name[ENTRY_NAME_MAX] = "untouched";
	struct error error;

	good.overlay = address("192.168.0.65");
	good.private_address = address("10.0.0.1");
	bad = good, bad.id = "";
	ck_assert_int_eq(entry_format(&bad, name, &error), -EINVAL);
	bad = good, bad.id = "a b";
	ck_assert_int_eq(entry_format(&bad, name, &error), -EINVAL);
	bad = good, bad.network = "a|b";
	ck_assert_int_eq(entry_format(&bad, name, &error), -EINVAL);
	bad = good, bad.private_address = address("127.0.0.1");
	ck_assert_int_eq(entry_format(&bad, name, &error), -EINVAL);
	ck_assert_str_eq(name, "untouched");
	ck_assert_uint_eq(strlen(long_id), NAME_ID_MAX);
	bad = good, bad.id = long_id;
	ck_assert_int_eq(entry_format(&bad, name, &error), 0);
}
END_TEST

START_TEST(shards)
{
	char name[9];

	ck_assert_str_eq(entry_shard_name(0, name), "00");
	ck_assert_str_eq(entry_shard_name(10, name), "0a");
	ck_assert_str_eq(entry_shard_name(4095, name), "fff");
}
END_TEST

START_TEST(data_goes_both_ways)
{
	struct member fields = {
		.id = "a", .network = "b", .version = "0.1.0", .since = 1700000000, .revision = 42
	};
	struct member bare = { .id = "a", .network = "b" }, *member;
	struct buffer json = { 0 };

	ck_assert_int_eq(entry_print_data(&fields, &json), 0);
	ck_assert_int_eq(entry_with_data(&member, &bare, json.text, json.length), 0);
	ck_assert_str_eq(member->version, "0.1.0");
	ck_assert_int_eq(member->since, 1700000000);
	ck_assert_uint_eq(member->revision, 42);
	member_unref(member);
	buffer_clear(&json);
}
END_TEST

START_TEST(bad_data_is_no_data)
{
	static const char *const table[] = { "", "{", "[]", "7", "\xff\xff", "{\"version\":7}",
		"{\"version\":\"a\\nb\"}", "{\"version\":\"\"}", "{\"since\":-1,\"revision\":-1}",
		"{\"since\":\"1\"}", "{\"since\":99999999999999999999999}" };
	struct member bare = { .id = "a", .network = "b" }, *member;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		ck_assert_int_eq(entry_with_data(&member, &bare, table[i], strlen(table[i])), 0);
		ck_assert_ptr_null(member->version);
		ck_assert_int_eq(member->since, 0);
		ck_assert_uint_eq(member->revision, 0);
		member_unref(member);
	}
}
END_TEST

static bool read_mark(struct entry_mark *ret, const char *json)
{
	return entry_read_mark(ret, json, strlen(json));
}

START_TEST(marks_go_both_ways)
{
	static const char *const before[] = { "", "nonsense", "[1]",
		"{\"version\":\"9.9\",\"later\":[1]}",
		"{\"twin\":{\"host\":\"old\",\"number\":3}}" };
	struct entry_mark mark = { .host = "web-1.example.com", .number = INT64_MAX }, again;

	ck_assert_int_eq(address_parse("10.0.0.1", &mark.private_address), 0);
	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
		struct buffer json = { 0 };

		ck_assert_int_eq(entry_mark_data(&json, before[i], strlen(before[i]), &mark), 0);
		ck_assert(entry_read_mark(&again, json.text, json.length));
		ck_assert_str_eq(again.host, mark.host);
		ck_assert(address_equal(&again.private_address, &mark.private_address));
		ck_assert_uint_eq(again.number, mark.number);
		ck_assert_int_eq(strstr(json.text, "\"later\":[1]") != NULL, i == 3);
		buffer_clear(&json);
	}
}
END_TEST

START_TEST(bad_marks_are_none)
{
	static const char *const bad[] = { "", "{}", "{\"twin\":1}", "{\"twin\":{}}",
		"{\"twin\":{\"host\":\"a\",\"private\":\"10.0.0.1\"}}",
		"{\"twin\":{\"host\":\"a\",\"private\":\"10.0.0.1\",\"number\":-1}}",
		"{\"twin\":{\"host\":\"a\",\"private\":\"x\",\"number\":1}}",
		"{\"twin\":{\"host\":\"a\",\"number\":1}}" };
	static const char *const hosts[] = { "\"\"", "\"a b\"", "\"a\\nb\"", "7",
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"" };
	struct entry_mark mark;
	char json[300];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(!read_mark(&mark, bad[i]), "%s", bad[i]);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		snprintf(json, sizeof(json),
			"{\"twin\":{\"host\":%s,\"private\":\"10.0.0.1\",\"number\":1}}", hosts[i]);
		ck_assert_msg(read_mark(&mark, json), "%s", json);
		ck_assert_str_eq(mark.host, "unknown");
	}
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("entry");

	test_case(suite, NULL, "names");
	test_add(names_go_both_ways, longest_name_fits, bad_names_are_refused,
		bad_members_are_not_written);
	test_case(suite, NULL, "shards");
	test_add(shards);
	test_case(suite, NULL, "data");
	test_add(data_goes_both_ways, bad_data_is_no_data);
	test_case(suite, NULL, "marks");
	test_add(marks_go_both_ways, bad_marks_are_none);
	return suite;
}
