/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guard: what is held, one by one, until it is seen again or accepted; and what is doubted
 * after the registry lost its data.
 */
#include "fleet_fixture.h"
#include "test.h"

#define PROOF FLEET_PROOF_MS

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
	registry_has(0, 80, 60000); /* one is back: the rest is within the limit, and stays held */
	ck_assert_int_eq(step(70000), 0);
	ck_assert_int_eq(next, -1);
	ck_assert_uint_eq(fleet_held(fleet), 20);
	ck_assert_uint_eq(members(), 100);
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
	struct fleet_settings accepted = fleet_fixture_settings;

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
	ck_assert_int_eq(step(70000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 1);
	fleet_accept(fleet);
	ck_assert_uint_eq(fleet_held(fleet), 0);
	ck_assert_int_eq(step(70001), 1);
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
	registry_has(0, 9,
		61000); /* one came back; when it has stayed, it may leave like any other */
	ck_assert_int_eq(step(61000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 1);
	registry_has(0, 8, 61000 + PROOF);
	step(61000 + PROOF);
	ck_assert_int_eq(step(66000 + PROOF), 1);
	ck_assert_str_eq(delta.removed.items[0]->id, "i-000008");
	fleet_accept(fleet);
	ck_assert_int_eq(step(66001 + PROOF), 1);
	ck_assert_uint_eq(members(), 8);
	ck_assert_uint_eq(fleet_held(fleet), 0);
}
END_TEST

/* The counter of a registry that was made again says nothing. */
START_TEST(smaller_counter_accepts_nothing)
{
	struct fleet_settings older = fleet_fixture_settings, newer = fleet_fixture_settings;

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

/* 400 of 1,000 cannot be seen for a while, and come back 100 at a time. */
START_TEST(partition_heals_in_steps)
{
	int64_t now = 1000;

	registry_has(0, 1000, 0);
	step(0);
	registry_has(0, 600, now);
	ck_assert_int_eq(step(now), 0);
	ck_assert_uint_eq(fleet_held(fleet), 400);
	for (unsigned seen = 700; seen <= 1000; seen += 100) {
		now += 60000;
		registry_has(0, seen, now);
		ck_assert_int_eq(step(now), 0);
		ck_assert_int_eq(step(now + 30000), 0);
		ck_assert_uint_eq(fleet_held(fleet), 1000 - seen);
		ck_assert_uint_eq(members(), 1000);
	}
}
END_TEST

/* The step may come late: what was too much when it was read is held all the same. */
START_TEST(partition_heals_between_two_steps)
{
	registry_has(0, 1000, 0);
	step(0);
	registry_has(0, 600, 1000);
	registry_has(0, 900, 5000);
	ck_assert_uint_eq(fleet_held(fleet), 100);
	ck_assert_int_eq(step(6000), 0);
	ck_assert_int_eq(step(60000), 0);
	ck_assert_uint_eq(members(), 1000);
}
END_TEST

/* What vanishes while others are held counts with them; what is held is no reason to keep what
 * vanishes when they are few. */
START_TEST(more_vanish_while_some_are_held)
{
	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 79, 1000);
	step(1000);
	registry_has(0, 78, 60000);
	ck_assert_int_eq(step(70000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 22);
	registry_has(0, 95, 80000);
	ck_assert_int_eq(step(80000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 5);
	registry_has(1, 95, 90000);
	ck_assert_int_eq(step(90000), 0);
	ck_assert_int_eq(step(95000), 1);
	ck_assert_uint_eq(delta.removed.length, 1);
	ck_assert_str_eq(delta.removed.items[0]->id, "i-000000");
	ck_assert_uint_eq(fleet_held(fleet), 5);
}
END_TEST

START_TEST(other_limits_accept_nothing)
{
	struct fleet_settings wider = fleet_fixture_settings;

	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 70, 1000);
	step(1000);
	wider.max_removals = 50;
	wider.max_removals_percent = 100;
	wider.removal_delay_ms = 0;
	fleet_configure(fleet, &wider);
	ck_assert_int_eq(step(60000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 30);
	registry_has(0, 69, 60000);
	ck_assert_int_eq(step(60000), 1); /* another one may go now */
	ck_assert_uint_eq(delta.removed.length, 1);
	ck_assert_uint_eq(fleet_held(fleet), 30);
}
END_TEST

/* They are within the limit until it is made smaller. */
START_TEST(smaller_limits_hold)
{
	struct fleet_settings narrower = fleet_fixture_settings;

	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 90, 1000);
	step(1000);
	narrower.max_removals = 5;
	narrower.max_removals_percent = 5;
	fleet_configure(fleet, &narrower);
	ck_assert_int_eq(step(6000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 10);
}
END_TEST

/* A delay shorter than the time in which sessions end one after another. */
START_TEST(short_delay_is_no_way_round)
{
	struct fleet_settings hasty = fleet_fixture_settings;
	unsigned seen = 1000;

	hasty.removal_delay_ms = 100;
	fleet_configure(fleet, &hasty);
	registry_has(0, seen, 0);
	step(0);
	for (int64_t now = 1000; now < 5000; now += 200) {
		seen -= 20;
		registry_has(0, seen, now);
		step(now);
		step(now + 100);
	}
	ck_assert_uint_ge(members(), 900);
	ck_assert_uint_eq(fleet_held(fleet), members() - seen);
	/* Long after, few are few again. */
	registry_has(0, 1000, 50000);
	step(50000);
	registry_has(1, 1000, 60000);
	ck_assert_int_eq(step(60100), 1);
	ck_assert_uint_eq(delta.removed.length, 1);
}
END_TEST

START_TEST(held_member_comes_back_elsewhere)
{
	struct member_list list = { 0 };

	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 4, 1000);
	step(1000);
	for (unsigned n = 0; n < 4; n += SHARDS)
		test_list_add(&list, test_member_nth(n, "ec2"));
	test_list_add(&list, test_member_nth(96, "vpc"));
	ck_assert_int_eq(read_shard(0, &list, 60000), 0);
	ck_assert_int_eq(step(60000), 1);
	ck_assert_uint_eq(delta.moved.length, 1);
	ck_assert_uint_eq(delta.removed.length, 0);
	ck_assert_uint_eq(fleet_held(fleet), 95);
	member_list_clear(&list);
}
END_TEST

/* An accept is for what is missing then, and for nothing that vanishes later. */
START_TEST(accept_is_for_what_is_held)
{
	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 70, 1000);
	step(1000);
	registry_has(0, 80, 60000);
	fleet_accept(fleet);
	registry_has(0, 55, 60001);
	ck_assert_int_eq(step(60001), 1);
	ck_assert_uint_eq(delta.removed.length, 20);
	ck_assert_uint_eq(fleet_held(fleet), 25);
	ck_assert_int_eq(step(99999), 0);
}
END_TEST

/* Before the first reading nobody is known to be missing. */
START_TEST(accept_before_the_reading)
{
	struct member_list seed = { 0 };

	for (unsigned n = 0; n < 100; n++)
		test_list_add(&seed, test_member_nth(n, "ec2"));
	ck_assert_int_eq(fleet_seed(fleet, &seed), 0);
	fleet_accept(fleet);
	registry_has(0, 10, 1000);
	ck_assert_int_eq(step(60000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 90);
	member_list_clear(&seed);
}
END_TEST

/* An older copy of the registry: all are in it, by sessions that nobody holds any more. */
START_TEST(old_entries_prove_nothing)
{
	registry_has(0, 20, 0);
	step(0);
	fleet_doubt(fleet);
	registry_has(0, 20, 1000);
	ck_assert_int_eq(step(1000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 0);
	registry_has(0, 15, 42000); /* the sessions expire */
	ck_assert_uint_eq(fleet_held(fleet), 5);
	ck_assert_int_eq(step(100000), 0);
	registry_has(0, 16, 100000); /* and that copy is replaced by another */
	fleet_doubt(fleet);
	registry_has(0, 20, 101000);
	ck_assert_uint_eq(fleet_held(fleet), 0);
	registry_has(0, 15, 101000 + PROOF - 1);
	ck_assert_int_eq(step(300000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 5);
	fleet_accept(fleet);
	ck_assert_int_eq(step(300000), 1);
	ck_assert_uint_eq(members(), 15);
}
END_TEST

START_TEST(entries_that_stay_are_alive)
{
	registry_has(0, 20, 0);
	step(0);
	fleet_doubt(fleet);
	registry_has(0, 20, 1000);
	registry_has(0, 19, 1000 + PROOF);
	ck_assert_int_eq(step(6000 + PROOF), 1);
	ck_assert_uint_eq(delta.removed.length, 1);
}
END_TEST

/* While the registry is away it proves nothing that it was not read; and who has proved
 * before that he lives need not do it again. */
START_TEST(no_proof_while_the_registry_is_away)
{
	registry_has(0, 20, 0);
	step(0);
	fleet_doubt(fleet);
	registry_has(0, 19, 1000);
	registry_has(0, 20, PROOF);
	ck_assert_uint_eq(fleet_held(fleet), 0);
	fleet_unfollow(fleet, 2000 + PROOF);
	fleet_unfollow(fleet, 9 * PROOF);
	fleet_follow(fleet, 0, 10 * PROOF);
	registry_has(0, 18, 10 * PROOF + 60000);
	ck_assert_uint_eq(fleet_held(fleet), 1); /* the one that came late */
	step(10 * PROOF + 60000);
	ck_assert_int_eq(step(10 * PROOF + 65000), 1);
	ck_assert_str_eq(delta.removed.items[0]->id, "i-000018");
}
END_TEST

START_TEST(longer_sessions_prove_later)
{
	fleet_follow(fleet, 3 * PROOF, 0);
	registry_has(0, 20, 0);
	step(0);
	fleet_doubt(fleet);
	registry_has(0, 20, 1000);
	registry_has(0, 19, 2 * PROOF);
	ck_assert_uint_eq(fleet_held(fleet), 1);
}
END_TEST

/* The agent is started again: what the new one is told by the state of the old one. */
static void restart(int64_t now, bool accepted)
{
	struct member_list held, doubted, view = { 0 };

	for (size_t i = 0; i < fleet_members(fleet)->length; i++)
		ck_assert_int_eq(member_list_add(&view, fleet_members(fleet)->items[i]), 0);
	ck_assert_int_eq(fleet_doubts(fleet, now, &held, &doubted), 0);
	ck_assert_uint_eq(held.length, fleet_held(fleet));
	teardown();
	setup();
	ck_assert_int_eq(fleet_seed(fleet, &view), 0);
	fleet_seed_doubts(fleet, &held, &doubted, accepted);
	ck_assert_uint_eq(fleet_held(fleet), accepted ? 0 : held.length);
	member_list_clear(&view);
	member_list_clear(&held);
	member_list_clear(&doubted);
}

START_TEST(held_across_a_restart)
{
	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 70, 1000);
	step(1000);
	registry_has(0, 85, 2000);
	restart(3000, false);
	registry_has(0, 85, 4000);
	ck_assert_int_eq(step(60000), 0);
	ck_assert_uint_eq(fleet_held(fleet), 15);
	restart(60000, false);
	fleet_accept(fleet); /* they are known to be held, though nothing was read yet */
	registry_has(0, 85, 61000);
	step(61000);
	ck_assert_int_eq(step(66000), 1);
	ck_assert_uint_eq(members(), 85);
}
END_TEST

START_TEST(accepted_while_no_agent_ran)
{
	registry_has(0, 100, 0);
	step(0);
	registry_has(0, 70, 1000);
	step(1000);
	restart(3000, true);
	registry_has(1, 70, 4000);
	step(4000);
	ck_assert_int_eq(step(9000), 1);
	ck_assert_uint_eq(members(), 69);
}
END_TEST

START_TEST(doubted_across_a_restart)
{
	registry_has(0, 20, 0);
	step(0);
	fleet_doubt(fleet);
	registry_has(0, 20, 1000);
	restart(50000, false);
	registry_has(0, 20, 51000);
	registry_has(0, 15, 1000 + PROOF);
	ck_assert_uint_eq(fleet_held(fleet), 5);
	ck_assert_int_eq(step(300000), 0);
	ck_assert_uint_eq(members(), 20);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("fleet_guard");
	const struct test_frame frame = { 30, setup, teardown };

	test_case(suite, &frame, "limits");
	test_add(few_removals_pass, many_removals_are_held, share_of_a_large_fleet,
		emptied_registry, other_limits_accept_nothing, smaller_limits_hold,
		short_delay_is_no_way_round);
	test_case(suite, &frame, "accept");
	test_add(operator_accepts, smaller_counter_accepts_nothing, accept_is_for_what_is_held,
		accept_before_the_reading);
	test_case(suite, &frame, "seed");
	test_add(seed_is_kept_while_it_is_told, seed_counts_for_the_guard, doubted_members_stay);
	test_case(suite, &frame, "partition");
	test_add(partition_heals_in_steps, partition_heals_between_two_steps,
		more_vanish_while_some_are_held, held_member_comes_back_elsewhere);
	test_case(suite, &frame, "proof");
	test_add(old_entries_prove_nothing, entries_that_stay_are_alive,
		no_proof_while_the_registry_is_away, longer_sessions_prove_later);
	test_case(suite, &frame, "restart");
	test_add(held_across_a_restart, accepted_while_no_agent_ran, doubted_across_a_restart);
	return suite;
}
