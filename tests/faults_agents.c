/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes wrong with the hosts of a fleet, as tests/faults.c has it for the servers.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "simulated.h"
#include "test.h"
#include "world.h"

#define SESSION_MS 1000

static struct zookeeper_server *server;
static struct world_host *hudson = &world_hosts[0], *sierra = &world_hosts[1];

START_TEST(agent_stands_still_past_its_session)
{
	if (!world_open(&server, 1))
		return;
	for (int i = 0; i < (world_deep() ? 5 : 1); i++) {
		kill(sierra->agent, SIGSTOP);
		world_sleep(3 * SESSION_MS); /* gone from the registry, not yet from the rules */
		kill(sierra->agent, SIGCONT);
		world_check_kernels();
		world_sleep(SESSION_MS / 2);
	}
	world_close(&server, 1);
}
END_TEST

START_TEST(agent_is_killed_at_any_moment)
{
	int kills = world_deep() ? 200 : 12;

	if (!world_open(&server, 1))
		return;
	srand((unsigned)time(NULL));
	for (int i = 0; i < kills; i++) {
		world_sleep(rand() % 300);
		world_end_agent(hudson, SIGKILL);
		world_start_agent(hudson);
	}
	world_close(&server, 1);
}
END_TEST

START_TEST(link_to_the_servers_is_cut)
{
	if (!world_open(&server, 1))
		return;
	for (int i = 0; i < (world_deep() ? 5 : 1); i++) {
		world_cut(sierra, true);
		world_sleep(3 * SESSION_MS);
		world_cut(sierra, false);
		world_check_kernels();
	}
	world_close(&server, 1);
}
END_TEST

START_TEST(wall_clock_jumps)
{
	static const int jumps[] = { 3600, 0, -3600, 0 };

	if (!world_open(&server, 1))
		return;
	for (unsigned i = 0; i < 4; i++) {
		world_set_clock(jumps[i]);
		world_sleep(SESSION_MS * (world_deep() ? 5 : 1) * 3 / 2);
		ck_assert(world_lets_in(hudson, sierra->address, 1));
		ck_assert(world_lets_in(sierra, hudson->address, 1));
	}
	world_close(&server, 1);
}
END_TEST

#define MANY 1000

static bool holds(const struct world_host *host, unsigned peers, int seconds)
{
	return world_becomes(host, seconds,
		"test $(nft list set inet neti peers | grep -oE '10([.][0-9]+){3}' | grep -c .) = %u",
		peers);
}

static void join_half(struct simulator *simulator, unsigned half)
{
	for (unsigned i = half * MANY / 2; i < (half + 1) * MANY / 2; i++)
		simulated_join(simulator, i, i);
	ck_assert_int_eq(simulator_wait(simulator, 0), 0);
}

static bool both_hold(unsigned peers, int seconds)
{
	return holds(hudson, peers, seconds) && holds(sierra, peers, seconds);
}

static bool held_is(const struct world_host *host, unsigned held, int seconds)
{
	return world_becomes(host, seconds, "grep -q '\"held\": %u,' %s/%s/status", held,
		netns_directory(), host->id);
}

/* Half of the fleet in one session, so that it vanishes at once. */
START_TEST(half_of_the_fleet_vanishes)
{
	struct simulator *halves[2];
	struct fleet_settings fleet;
	struct prefix subnet;

	prefix_parse("192.168.0.0/18", &subnet);
	fleet_settings_default(&fleet, &subnet);
	if (!world_open(&server, 1))
		return;
	world_fleet_set("removal_delay", "100ms");
	for (unsigned i = 0; i < 2; i++) {
		halves[i] = simulator_open(world_registry(), &fleet, 10 * SESSION_MS);
		join_half(halves[i], i);
	}
	ck_assert(both_hold(MANY + 1, 20));
	for (int i = 0; i < (world_deep() ? 5 : 1); i++) {
		simulator_close(halves[1]);
		ck_assert(held_is(hudson, MANY / 2, 10));
		world_sleep(1000);
		ck_assert(both_hold(MANY + 1, 1));
		halves[1] = simulator_open(world_registry(), &fleet, 10 * SESSION_MS);
		join_half(halves[1], 1);
		ck_assert(held_is(hudson, 0, 10));
	}
	/* It goes when somebody accepts it, and not when the limits are raised. */
	simulator_close(halves[1]);
	ck_assert(held_is(hudson, MANY / 2, 10) && held_is(sierra, MANY / 2, 10));
	world_fleet_set("max_removals_percent", "60");
	world_sleep(1000);
	ck_assert(both_hold(MANY + 1, 1));
	world_fleet_set("max_removals_percent", "10");
	world_fleet_set(NULL, NULL);
	ck_assert(both_hold(MANY / 2 + 1, 10));
	simulator_close(halves[0]);
	ck_assert(held_is(hudson, MANY / 2, 10) && held_is(sierra, MANY / 2, 10));
	world_fleet_set(NULL, NULL);
	ck_assert(both_hold(1, 10));
	world_close(&server, 1);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite;
	const struct test_frame frame = { .timeout = world_deep() ? 600 : 90 };

	if (world_is_agent())
		return NULL;
	suite = suite_create("faults_agents");
	test_case(suite, &frame, "agents");
	test_add(agent_stands_still_past_its_session, agent_is_killed_at_any_moment);
	test_case(suite, &frame, "links");
	test_add(link_to_the_servers_is_cut);
	test_case(suite, &frame, "clocks");
	test_add(wall_clock_jumps);
	test_case(suite, &frame, "fleet");
	test_add(half_of_the_fleet_vanishes);
	return suite;
}
