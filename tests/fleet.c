/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fleet view: barrier, additions, removal delay, guard.
 */
#include <errno.h>

#include "fleet.h"
#include "members.h"
#include "test.h"

#define SHARDS 4

static struct fleet_settings settings = {
	.layout = FLEET_LAYOUT,
	.shards = SHARDS,
	.max_removals = 20,
	.max_removals_percent = 10,
	.removal_delay_ms = 5000,
};
static struct fleet *fleet;
static struct fleet_delta delta;
static int64_t next;

static void setup(void)
{
	ck_assert_int_eq(fleet_new(&fleet, &settings), 0);
}

static void teardown(void)
{
	fleet_delta_clear(&delta);
	fleet = fleet_free(fleet);
}

static int step(int64_t now)
{
	fleet_delta_clear(&delta);
	return fleet_step(fleet, now, &delta, &next);
}

static int read_shard(unsigned shard, const struct member_list *list, int64_t now)
{
	struct fleet_reading reading = { .shard = shard, .members = list, .revision = (uint64_t)now };

	return fleet_shard(fleet, &reading, now);
}

/* Members from..to-1 are in the registry, each in its shard. */
static void registry_has(unsigned from, unsigned to, int64_t now)
{
	for (unsigned shard = 0; shard < SHARDS; shard++) {
		struct member_list list = { 0 };

		for (unsigned n = from; n < to; n++)
			if (n % SHARDS == shard)
				test_list_add(&list, test_member_nth(n, "ec2"));
		ck_assert_int_eq(read_shard(shard, &list, now), 0);
		member_list_clear(&list);
	}
}

static size_t members(void)
{
	const struct member_list *list = fleet_members(fleet);

	for (size_t i = 1; i < list->length; i++)
		ck_assert_int_lt(member_compare_overlay(list->items[i - 1], list->items[i]), 0);
	return list->length;
}

START_TEST(nothing_before_the_whole_list)
{
	struct member_list none = { 0 };

	for (unsigned shard = 0; shard < SHARDS; shard++) {
		ck_assert(!fleet_ready(fleet));
		ck_assert_int_eq(step(0), -ENODATA);
		ck_assert_int_eq(read_shard(0, &none, 0), 0); /* the same one again does not count */
		ck_assert_int_eq(read_shard(shard, &none, 0), 0);
	}
	ck_assert(fleet_ready(fleet));
	ck_assert_int_eq(step(0), 0);
	ck_assert_int_eq(read_shard(SHARDS, &none, 0), -EINVAL);
}
END_TEST

START_TEST(additions_at_once)
{
	registry_has(0, 10, 0);
	ck_assert_int_eq(step(0), 1);
	ck_assert_uint_eq(delta.added.length, 10);
	registry_has(0, 12, 100);
	ck_assert_uint_eq(fleet_revision(fleet), 100);
	ck_assert_int_eq(step(100), 1);
	ck_assert_uint_eq(delta.added.length, 2);
	ck_assert_uint_eq(members(), 12);
	ck_assert_int_eq(step(101), 0);
	ck_assert_int_eq(next, -1);
}
END_TEST

START_TEST(removal_waits)
{
	registry_has(0, 10, 0);
	step(0);
	registry_has(0, 9, 1000);
	ck_assert_int_eq(step(1000), 0);
	ck_assert_int_eq(next, 6000);
	registry_has(0, 9, 2000);
	ck_assert_int_eq(step(5999), 0);
	ck_assert_int_eq(next, 6000);
	ck_assert_uint_eq(members(), 10);
	ck_assert_int_eq(step(6000), 1);
	ck_assert_uint_eq(delta.removed.length, 1);
	ck_assert_str_eq(delta.removed.items[0]->id, "i-000009");
	ck_assert_uint_eq(members(), 9);
}
END_TEST

START_TEST(restart_changes_nothing)
{
	registry_has(0, 10, 0);
	step(0);
	registry_has(0, 9, 1000);
	step(1000);
	registry_has(0, 10, 4000);
	ck_assert_int_eq(step(4000), 0);
	ck_assert_int_eq(next, -1);
	ck_assert_int_eq(step(20000), 0);
	ck_assert_uint_eq(members(), 10);
}
END_TEST

START_TEST(move_at_once)
{
	struct member_list list = { 0 };

	registry_has(0, 10, 0);
	step(0);
	test_list_add(&list, test_member("i-000001 vpc 192.168.0.1 10.9.9.9 203.0.113.1"));
	test_list_add(&list, test_member_nth(5, "ec2"));
	test_list_add(&list, test_member_nth(9, "ec2"));
	ck_assert_int_eq(read_shard(1, &list, 100), 0);
	ck_assert_int_eq(step(100), 1);
	ck_assert_uint_eq(delta.moved.length, 1);
	ck_assert_uint_eq(delta.added.length + delta.removed.length, 0);
	ck_assert_uint_eq(members(), 10);
	ck_assert_str_eq(fleet_members(fleet)->items[1]->network, "vpc");
	member_list_clear(&list);
}
END_TEST

START_TEST(few_removals_pass)
{
	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 80, 1000);
	ck_assert_int_eq(step(6000), 1);
	ck_assert_uint_eq(delta.removed.length, 20);
	ck_assert_uint_eq(fleet_held(fleet), 0);
}
END_TEST

START_TEST(many_removals_are_held)
{
	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 79, 1000);
	ck_assert_int_eq(step(60000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 21);
	ck_assert_uint_eq(members(), 100);
	registry_has(0, 80, 60000); /* one is back: the rest is within the limit */
	ck_assert_int_eq(step(70000), 1);
	ck_assert_uint_eq(delta.removed.length, 20);
	ck_assert_uint_eq(fleet_held(fleet), 0);
}
END_TEST

START_TEST(share_of_a_large_fleet)
{
	registry_has(0, 1000, 0);
	step(0);
	registry_has(0, 900, 1000);
	ck_assert_int_eq(step(6000), 1);
	ck_assert_uint_eq(delta.removed.length, 100);
}
END_TEST

START_TEST(emptied_registry)
{
	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 0, 1000);
	ck_assert_int_eq(step(100000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 100);
	registry_has(98, 103, 100000); /* additions still go in */
	ck_assert_int_eq(step(100000), 1);
	ck_assert_uint_eq(delta.added.length, 3);
	ck_assert_uint_eq(delta.removed.length, 0);
	ck_assert_uint_eq(members(), 103);
	ck_assert_uint_eq(fleet_held(fleet), 98);
}
END_TEST

START_TEST(operator_accepts)
{
	struct fleet_settings accepted = settings;

	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 10, 1000);
	ck_assert_int_eq(step(60000), 0);
	fleet_configure(fleet, &accepted);
	ck_assert_int_eq(step(60000), 0);
	accepted.accepted++;
	fleet_configure(fleet, &accepted);
	ck_assert_int_eq(step(60000), 1);
	ck_assert_uint_eq(delta.removed.length, 90);
	ck_assert_uint_eq(members(), 10);
	registry_has(10, 10, 70000); /* the next vanishing stands on its own */
	registry_has(0, 100, 80000);
	ck_assert_int_eq(step(80000), 1);
	registry_has(0, 10, 90000);
	ck_assert_int_eq(step(190000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 90);
}
END_TEST

/* Whoever is not there stays until the registry is known to be the one that had him. */
START_TEST(seed_is_kept_while_it_is_told)
{
	struct member_list seed = { 0 };

	for (unsigned n = 0; n < 3; n++)
		test_list_add(&seed, test_member_nth(n, "ec2"));
	ck_assert_int_eq(fleet_seed(fleet, &seed), 0);
	fleet_keep_seed(fleet, true);
	registry_has(0, 2, 1000);
	ck_assert_int_eq(step(60000), 0);
	ck_assert_uint_eq(members(), 3);
	ck_assert_uint_eq(fleet_held(fleet), 0);
	fleet_keep_seed(fleet, false);
	ck_assert_int_eq(step(60000), 1);
	ck_assert_uint_eq(delta.removed.length, 1);
	member_list_clear(&seed);
}
END_TEST

START_TEST(seed_counts_for_the_guard)
{
	struct member_list seed = { 0 };

	for (unsigned n = 0; n < 100; n++)
		test_list_add(&seed, test_member_nth(n, "ec2"));
	ck_assert_int_eq(fleet_seed(fleet, &seed), 0);
	registry_has(0, 10, 1000);
	ck_assert_int_eq(step(60000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 90);
	ck_assert_uint_eq(members(), 100);
	registry_has(0, 99, 61000);
	ck_assert_int_eq(step(61000), 1);
	ck_assert_uint_eq(delta.removed.length, 1);
	member_list_clear(&seed);
}
END_TEST

/* Fewer than the guard would hold: but the registry lost its data. */
START_TEST(doubted_members_stay)
{
	registry_has(0, 10, 0);
	step(0);
	fleet_doubt(fleet);
	registry_has(0, 8, 1000);
	ck_assert_int_eq(step(1000), 0);
	ck_assert_int_eq(step(60000), 0);
	ck_assert_uint_eq(members(), 10);
	ck_assert_uint_eq(fleet_held(fleet), 2);
	registry_has(0, 9, 61000); /* one came back; it may leave like any other */
	ck_assert_int_eq(step(61000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 1);
	registry_has(0, 8, 62000);
	step(62000);
	ck_assert_int_eq(step(67000), 1);
	ck_assert_str_eq(delta.removed.items[0]->id, "i-000008");
	fleet_accept(fleet);
	ck_assert_int_eq(step(68000), 1);
	ck_assert_uint_eq(members(), 8);
	ck_assert_uint_eq(fleet_held(fleet), 0);
}
END_TEST

/* The counter of a registry that was made again says nothing. */
START_TEST(smaller_counter_accepts_nothing)
{
	struct fleet_settings older = settings, newer = settings;

	newer.accepted = 5;
	fleet_configure(fleet, &newer);
	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 10, 1000);
	fleet_configure(fleet, &older);
	ck_assert_int_eq(step(60000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 90);
	fleet_configure(fleet, &newer);
	ck_assert_int_eq(step(61000), 1);
	ck_assert_uint_eq(members(), 10);
}
END_TEST

START_TEST(second_entry_for_an_address)
{
	struct member_list list = { 0 };

	registry_has(0, 4, 0);
	step(0);
	test_list_add(&list, test_member("a-thief vpc 192.168.0.1 10.6.6.6 203.0.113.6"));
	test_list_add(&list, test_member_nth(1, "ec2"));
	ck_assert_int_eq(read_shard(1, &list, 10), 0);
	ck_assert_int_eq(step(10), 0);
	ck_assert_uint_eq(fleet_skipped(fleet), 1);
	ck_assert_str_eq(fleet_members(fleet)->items[1]->id, "i-000001");
	member_list_clear(&list);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("fleet");
	TCase *tests = tcase_create("all");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, nothing_before_the_whole_list);
	tcase_add_test(tests, additions_at_once);
	tcase_add_test(tests, removal_waits);
	tcase_add_test(tests, restart_changes_nothing);
	tcase_add_test(tests, move_at_once);
	tcase_add_test(tests, few_removals_pass);
	tcase_add_test(tests, many_removals_are_held);
	tcase_add_test(tests, share_of_a_large_fleet);
	tcase_add_test(tests, emptied_registry);
	tcase_add_test(tests, operator_accepts);
	tcase_add_test(tests, seed_is_kept_while_it_is_told);
	tcase_add_test(tests, seed_counts_for_the_guard);
	tcase_add_test(tests, doubted_members_stay);
	tcase_add_test(tests, smaller_counter_accepts_nothing);
	tcase_add_test(tests, second_entry_for_an_address);
	suite_add_tcase(suite, tests);
	return suite;
}
