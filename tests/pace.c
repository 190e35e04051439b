/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The share of a core that rule work takes, on a clock of its own: as a stream of changes that
 * never ends, as a burst, and as one change in a quiet fleet.
 */
#include "agent/pace.h"
#include "test.h"

#define SECOND 1000

/* The share of a core that changes take which come faster than they can go in. */
static double share_of(double cost, int seconds)
{
	struct pace pace = { 0 };
	int64_t begin = 5000, now = begin;
	double worked = 0;

	while (now < begin + seconds * SECOND) {
		now += (int64_t)(cost * 1000) + 1;
		worked += cost;
		pace_pay(&pace, cost, now);
		if (now < pace.not_before)
			now = pace.not_before;
	}
	return worked / (double)seconds;
}

START_TEST(a_stream_takes_a_twentieth)
{
	static const double costs[] = { 0.0005, 0.005, 0.025, 0.1, 0.15 };

	for (size_t i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
		double share = share_of(costs[i], 3600);

		ck_assert_double_le(share, 0.051);
		ck_assert_double_ge(share, 0.045);
	}
}
END_TEST

START_TEST(the_first_after_a_quiet_time_do_not_wait)
{
	struct pace pace = { 0 };

	for (int64_t now = 5 * SECOND; now < 500 * SECOND; now += 100 * SECOND)
		for (int i = 0; i < 4; i++) {
			ck_assert_int_le(pace.not_before, now);
			pace_pay(&pace, 0.025, now);
		}
}
END_TEST

/* What costs seconds, with a hundred thousand members, holds the next change up for seconds and not
 * for a minute. */
START_TEST(no_change_waits_long)
{
	struct pace pace = { 0 };

	for (int64_t now = 5 * SECOND; now < 500 * SECOND; now = pace.not_before) {
		now += 3 * SECOND;
		pace_pay(&pace, 3, now);
		ck_assert_int_ge(pace.not_before, now + 2 * SECOND);
		ck_assert_int_le(pace.not_before, now + 5 * SECOND);
	}
}
END_TEST

START_TEST(what_follows_is_gathered)
{
	struct pace pace = { 0 };
	int commits = 0;

	for (int64_t now = 5 * SECOND; now < 6 * SECOND; now++)
		if (now >= pace.not_before) {
			commits++;
			pace_pay(&pace, 0.025, now);
		}
	ck_assert_int_ge(commits, 4);
	ck_assert_int_le(commits, 8);
}
END_TEST

/* A small state is on the disk at once; a large one holds up no stream of changes. */
START_TEST(what_costs_little_waits_little)
{
	ck_assert_int_eq(pace_quiet(0), 100);
	ck_assert_int_eq(pace_quiet(0.002), 140);
	ck_assert_int_eq(pace_quiet(0.180), 2000);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("pace");

	test_case(suite, NULL, "stream");
	test_add(a_stream_takes_a_twentieth, no_change_waits_long);
	test_case(suite, NULL, "burst");
	test_add(the_first_after_a_quiet_time_do_not_wait, what_follows_is_gathered);
	test_case(suite, NULL, "quiet");
	test_add(what_costs_little_waits_little);
	return suite;
}
