/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fleet view: barrier, additions, removal delay.
 */
#include <errno.h>

#include "fleet_fixture.h"
#include "test.h"

START_TEST(nothing_before_the_whole_list)
{
	struct member_list none = { 0 };

	for (unsigned shard = 0; shard < SHARDS; shard++) {
		ck_assert(!fleet_ready(fleet));
		ck_assert_int_eq(step(0), -ENODATA);
		ck_assert_int_eq(read_shard(0, &none, 0),
			0); /* the same one again does not count */
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
	const struct test_frame frame = { 0, setup, teardown };

	test_case(suite, &frame, "additions");
	test_add(nothing_before_the_whole_list, additions_at_once);
	test_case(suite, &frame, "removals");
	test_add(removal_waits, restart_changes_nothing);
	test_case(suite, &frame, "moves");
	test_add(move_at_once, second_entry_for_an_address);
	return suite;
}
