/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fleet's settings: JSON in and out, and one key by its text.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fleet/fleet_settings.h"
#include "test.h"

#define BASE "\"layout\":1,\"overlay_subnet\":\"192.168.0.0/18\""

static int parse(struct fleet_settings *ret, const char *json, struct error *error)
{
	return fleet_settings_parse(ret, json, strlen(json), error);
}

static struct fleet_settings parsed(const char *json)
{
	struct fleet_settings settings;
	struct error error = { 0 };

	ck_assert_msg(parse(&settings, json, &error) == 0, "%s", error.text);
	return settings;
}

START_TEST(defaults)
{
	struct fleet_settings settings = parsed("{" BASE "}");

	ck_assert_uint_eq(settings.layout, 1);
	ck_assert_uint_eq(settings.shards, 64);
	ck_assert_uint_eq(settings.max_removals, 20);
	ck_assert_uint_eq(settings.max_removals_percent, 10);
	ck_assert_uint_eq(settings.removal_delay_ms, 5000);
	ck_assert_uint_eq(settings.n_peered, 0);
	ck_assert_uint_eq(settings.accepted, 0);
}
END_TEST

START_TEST(goes_both_ways)
{
	static const char json[] =
		"{" BASE ",\"shards\":16,\"max_removals\":3,\"max_removals_percent\":50,"
		"\"removal_delay\":\"1500ms\",\"peered\":[[\"ec2\",\"vpc\"],[\"a\",\"b.c\"]],"
		"\"accepted\":7}";
	struct fleet_settings settings = parsed(json);
	struct buffer text = { 0 };

	ck_assert_uint_eq(settings.removal_delay_ms, 1500);
	ck_assert_uint_eq(settings.n_peered, 2);
	ck_assert_int_eq(fleet_settings_print(&settings, &text), 0);
	ck_assert_str_eq(buffer_text(&text), json);
	buffer_clear(&text);
}
END_TEST

START_TEST(times)
{
	static const struct {
		const char *json;
		unsigned ms;
	} table[] = { { "\"5s\"", 5000 }, { "5", 5000 }, { "0.25", 250 }, { "\"2m\"", 120000 },
		{ "\"1h\"", 3600000 }, { "\"7\"", 7000 }, { "0", 0 }, { "\"250ms\"", 250 } };
	char json[256];

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		snprintf(json, sizeof(json), "{" BASE ",\"removal_delay\":%s}", table[i].json);
		ck_assert_uint_eq(parsed(json).removal_delay_ms, table[i].ms);
	}
}
END_TEST

/* Every refusal names the key, and leaves what was there. */
START_TEST(bad_json_is_refused)
{
	static const struct {
		const char *json, *names;
	} table[] = {
		{ "", "JSON" },
		{ "[]", "JSON" },
		{ "{", "JSON" },
		{ "{\"layout\":1,\"layout\":1}", "JSON" },
		{ "{\"overlay_subnet\":\"192.168.0.0/18\"}", "layout" },
		{ "{\"layout\":1}", "overlay_subnet" },
		{ "{\"layout\":2,\"overlay_subnet\":\"192.168.0.0/18\"}", "newer" },
		{ "{\"layout\":0,\"overlay_subnet\":\"192.168.0.0/18\"}", "layout" },
		{ "{\"layout\":\"1\",\"overlay_subnet\":\"192.168.0.0/18\"}", "layout" },
		{ "{\"layout\":1,\"overlay_subnet\":\"192.168.0.1/18\"}", "host bits" },
		{ "{\"layout\":1,\"overlay_subnet\":\"192.168.0.0/31\"}", "/31" },
		{ "{\"layout\":1,\"overlay_subnet\":\"0.0.0.0/0\"}", "overlay_subnet" },
		{ "{\"layout\":1,\"overlay_subnet\":7}", "overlay_subnet" },
		{ "{" BASE ",\"shards\":0}", "shards" },
		{ "{" BASE ",\"shards\":4097}", "shards" },
		{ "{" BASE ",\"shards\":1.5}", "shards" },
		{ "{" BASE ",\"max_removals\":-1}", "max_removals" },
		{ "{" BASE ",\"max_removals_percent\":101}", "max_removals_percent" },
		{ "{" BASE ",\"removal_delay\":\"5 s\"}", "removal_delay" },
		{ "{" BASE ",\"removal_delay\":\"-5s\"}", "removal_delay" },
		{ "{" BASE ",\"removal_delay\":-1}", "removal_delay" },
		{ "{" BASE ",\"removal_delay\":\"99999999999s\"}", "removal_delay" },
		{ "{" BASE ",\"removal_delay\":\"25h\"}", "day" },
		{ "{" BASE ",\"removal_delay\":null}", "removal_delay" },
		{ "{" BASE ",\"peered\":\"ec2\"}", "peered" },
		{ "{" BASE ",\"peered\":[[\"ec2\"]]}", "peered" },
		{ "{" BASE ",\"peered\":[[\"ec2\",\"v/c\"]]}", "peered: item 1" },
		{ "{" BASE ",\"peered\":[[\"a\",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]]}",
			"peered" },
		{ "{" BASE ",\"accepted\":-1}", "accepted" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct fleet_settings settings = { .shards = 4711 };
		struct error error = { 0 };

		ck_assert_int_eq(parse(&settings, table[i].json, &error), -EINVAL);
		ck_assert_msg(strstr(error.text, table[i].names), "%s: %s", table[i].json,
			error.text);
		ck_assert_uint_eq(settings.shards, 4711);
	}
}
END_TEST

START_TEST(unknown_keys_are_ignored)
{
	ck_assert_uint_eq(parsed("{" BASE ",\"shards\":8,\"of_a_newer_agent\":[1]}").shards, 8);
}
END_TEST

START_TEST(set)
{
	struct fleet_settings settings = parsed("{" BASE "}");
	struct error error;

	ck_assert_int_eq(fleet_settings_set(&settings, "max_removals", "5", &error), 0);
	ck_assert_uint_eq(settings.max_removals, 5);
	ck_assert_int_eq(fleet_settings_set(&settings, "removal_delay", "2m", &error), 0);
	ck_assert_uint_eq(settings.removal_delay_ms, 120000);
	ck_assert_int_eq(fleet_settings_set(&settings, "peered", "ec2:vpc,vpc:lab", &error), 0);
	ck_assert_uint_eq(settings.n_peered, 2);
	ck_assert(fleet_settings_peered(&settings, "vpc", "ec2"));
	ck_assert(fleet_settings_peered(&settings, "vpc", "lab"));
	ck_assert(!fleet_settings_peered(&settings, "ec2", "lab"));
	ck_assert_int_eq(fleet_settings_set(&settings, "peered", "", &error), 0);
	ck_assert_uint_eq(settings.n_peered, 0);
	ck_assert_int_eq(fleet_settings_set(&settings, "overlay_subnet", "192.168.0.0/16", &error),
		0);
	ck_assert_uint_eq(settings.overlay_subnet.length, 16);
}
END_TEST

START_TEST(bad_set_is_refused)
{
	static const struct {
		const char *key, *value, *says;
	} table[] = {
		{ "colour", "red", "colour: no such key" },
		{ "layout", "1", "fixed" },
		{ "shards", "8", "fixed" },
		{ "max_removals", "", "max_removals" },
		{ "max_removals", "5x", "max_removals" },
		{ "max_removals", "99999999999999999999", "max_removals" },
		{ "removal_delay", "soon", "removal_delay" },
		{ "peered", "ec2", "peered" },
		{ "peered", "ec2:vpc,,", "peered" },
		{ "peered", "[\"ec2\"", "peered" },
		{ "overlay_subnet", "192.168.0.0/19", "can only grow" },
		{ "overlay_subnet", "10.0.0.0/8", "can only grow" },
	};
	struct fleet_settings settings = parsed("{" BASE "}");

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct error error = { 0 };

		ck_assert_int_eq(fleet_settings_set(&settings, table[i].key, table[i].value,
					 &error),
			-EINVAL);
		ck_assert_msg(strstr(error.text, table[i].says), "%s", error.text);
	}
}
END_TEST

START_TEST(choose)
{
	static const struct {
		const char *key, *value, *says;
	} table[] = {
		{ "colour", "red", "colour: no such key" },
		{ "shards", "0", "shards: not a whole number from 1 to 4096" },
		{ "shards", "4097", "shards: not a whole number from 1 to 4096" },
		{ "shards", "", "shards: not a whole number from 1 to 4096" },
		{ "layout", "2", "newer than this release" },
		{ "overlay_subnet", "10.64.0.1/15", "has host bits set" },
		{ "removal_delay", "soon", "removal_delay: not a time" },
	};
	struct fleet_settings initial = parsed("{" BASE "}"), before = initial;
	struct error error = { 0 };
	unsigned chosen = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		ck_assert_int_eq(fleet_settings_choose(&initial, &chosen, table[i].key,
					 table[i].value, &error),
			-EINVAL);
		ck_assert_msg(strstr(error.text, table[i].says), "%s", error.text);
	}
	ck_assert_uint_eq(chosen, 0);
	ck_assert_mem_eq(&initial, &before, sizeof(before));
	ck_assert_int_eq(fleet_settings_choose(&initial, &chosen, "shards", "256", &error), 0);
	ck_assert_int_eq(fleet_settings_choose(&initial, &chosen, "overlay_subnet", "10.64.0.0/15",
				 &error),
		0);
	ck_assert_uint_eq(initial.shards, 256);
	ck_assert_uint_eq(initial.overlay_subnet.length, 15);
}
END_TEST

/* What was not chosen may be anything. */
START_TEST(chosen_is_compared)
{
	struct fleet_settings initial = parsed("{" BASE "}"), fleet = initial;
	struct error error = { 0 };
	unsigned chosen = 0;

	fleet.max_removals = 7;
	ck_assert_int_eq(fleet_settings_choose(&initial, &chosen, "removal_delay", "1m", &error),
		0);
	ck_assert_int_eq(fleet_settings_check_chosen(&fleet, &initial, chosen, &error), -EEXIST);
	ck_assert_ptr_nonnull(strstr(error.text, "removal_delay \"5s\", which netictl fleet set"));
	ck_assert_int_eq(error.reason, NETI_REASON_CONFLICT);
	fleet.removal_delay_ms = 60000;
	ck_assert_int_eq(fleet_settings_check_chosen(&fleet, &initial, chosen, &error), 0);
	ck_assert_int_eq(fleet_settings_choose(&initial, &chosen, "shards", "256", &error), 0);
	ck_assert_int_eq(fleet_settings_check_chosen(&fleet, &initial, chosen, &error), -EEXIST);
	ck_assert_ptr_nonnull(strstr(error.text, "shards 64, which is fixed"));
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("fleet_settings");

	test_case(suite, NULL, "json");
	test_add(defaults, goes_both_ways, times, bad_json_is_refused, unknown_keys_are_ignored);
	test_case(suite, NULL, "set");
	test_add(set, bad_set_is_refused);
	test_case(suite, NULL, "choose");
	test_add(choose, chosen_is_compared);
	return suite;
}
