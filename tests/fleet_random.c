/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fleet with everything at random, against an oracle: no member is removed that was held
 * and neither seen again nor accepted, and none stays that may go.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet_fixture.h"
#include "test.h"

#define N 60

/* One host each, in the plainest words. */
static struct {
	bool here; /* in the registry */
	bool read; /* there when its shard was read last */
	bool shown;
	bool missed; /* shown, and not there when its shard was read last */
	bool held, accepted, doubted;
	int64_t seen; /* since its doubt */
	int64_t missed_at;
} host[N];

static struct fleet_settings limits;

static bool is_too_many(void)
{
	unsigned missing = 0, shown = 0;

	for (unsigned i = 0; i < N; i++) {
		shown += host[i].shown;
		missing += host[i].missed && !host[i].accepted;
	}
	return missing > limits.max_removals && missing > shown * limits.max_removals_percent / 100;
}

static void oracle_reads(unsigned shard, int64_t now)
{
	for (unsigned i = shard; i < N; i += SHARDS) {
		bool vanished = host[i].shown && !host[i].here && !host[i].missed;

		if (host[i].here)
			host[i].held = host[i].accepted = host[i].missed = false;
		if (host[i].here && !host[i].seen)
			host[i].seen = now;
		if (vanished) {
			host[i].missed = true;
			host[i].missed_at = now;
			host[i].doubted &= !host[i].seen || now - host[i].seen < FLEET_PROOF_MS;
			host[i].held |= host[i].doubted && !host[i].accepted;
			host[i].seen = 0;
		}
		host[i].read = host[i].here;
	}
}

static void oracle_holds(void)
{
	bool hold = is_too_many();

	for (unsigned i = 0; i < N; i++)
		host[i].held |= hold && host[i].missed && !host[i].accepted;
}

static void oracle_steps(int64_t now)
{
	unsigned held = 0;

	for (unsigned i = 0; i < N; i++) {
		bool due = host[i].missed && !host[i].held &&
			   now >= host[i].missed_at + limits.removal_delay_ms;

		ck_assert_msg(lists(&delta.removed, i) == due, "at %lld: host %u is %s",
			(long long)now, i, due ? "not removed" : "removed, and may not be");
		if (due)
			host[i].shown = host[i].missed = host[i].accepted = host[i].doubted = false;
		host[i].shown |= host[i].read;
		held += host[i].held;
		ck_assert(host[i].shown == lists(fleet_members(fleet), i));
	}
	ck_assert_uint_eq(fleet_held(fleet), held);
}

static void registry_changes(int64_t now)
{
	bool has[N];
	unsigned shard = (unsigned)rand() % SHARDS, some = (unsigned)rand() % 20;

	for (unsigned i = 0; i < N; i++) {
		host[i].here ^= (unsigned)rand() % 20 < some && rand() % 3 == 0;
		has[i] = host[i].here;
	}
	for (unsigned i = 0; i < SHARDS; i++) {
		if (i != shard && rand() % 2)
			continue;
		read_those(i, has, N, now);
		oracle_reads(i, now);
		oracle_holds();
	}
}

static void something_happens(int64_t now)
{
	switch (rand() % 24) {
	case 0:
		limits.accepted++;
		fleet_configure(fleet, &limits);
		for (unsigned i = 0; i < N; i++) {
			host[i].accepted |= host[i].missed;
			host[i].held = false;
		}
		break;
	case 1:
		limits.max_removals = (unsigned)rand() % 10;
		limits.max_removals_percent = (unsigned)rand() % 30;
		limits.accepted -= limits.accepted > 0 && rand() % 2;
		fleet_configure(fleet, &limits);
		break;
	case 2:
		fleet_doubt(fleet);
		for (unsigned i = 0; i < N; i++) {
			host[i].doubted |= host[i].shown;
			host[i].held |= host[i].missed && !host[i].accepted;
			host[i].seen = 0;
		}
		break;
	default:
		registry_changes(now);
	}
}

START_TEST(at_random)
{
	unsigned seed = (unsigned)time(NULL) * 31u + (unsigned)_i;
	bool has[N] = { 0 };
	int64_t now = 1;

	printf("seed %u\n", seed);
	srand(seed);
	memset(host, 0, sizeof(host));
	for (unsigned i = 0; i < N; i++)
		host[i].here = has[i] = rand() % 8;
	limits = fleet_fixture_settings;
	for (unsigned i = 0; i < SHARDS; i++) {
		read_those(i, has, N, now);
		oracle_reads(i, now);
	}
	for (unsigned turn = 0; turn < 2000; turn++) {
		step(now);
		oracle_holds();
		oracle_steps(now);
		now += rand() % 10 ? rand() % 3000 : rand() % 60000;
		something_happens(now);
	}
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("fleet_random");
	const struct test_frame frame = { 30, setup, teardown };

	test_case(suite, &frame, "random");
	test_add_loop(at_random, 0, 10);
	return suite;
}
