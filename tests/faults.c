/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes wrong around a fleet, with real ZooKeeper servers, agents as processes and the real
 * kernel. All the time no member is refused and no stranger let in, and at the end every kernel
 * is what the membership makes of it. NETI_TEST_DEEP=1: for longer, and more often.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "simulated.h"
#include "test.h"
#include "world.h"

#define SESSION_MS 1000

static struct zookeeper_server *servers[3];
static struct world_host *hudson = &world_hosts[0], *sierra = &world_hosts[1];

static bool deep(void)
{
	const char *text = getenv("NETI_TEST_DEEP");

	return text && *text && strcmp(text, "0") != 0;
}

static bool is_in_fleet(const struct world_host *host, const char *peer, int seconds)
{
	return world_becomes(host, seconds, "ipset test neti-peers %s", peer);
}

/* For each: agents that run, probers that ask. */
static bool begin(unsigned n)
{
	if (!world_begin(servers, n))
		return false;
	world_start_agents();
	world_probe();
	return true;
}

static void end(unsigned n)
{
	world_check_kernels();
	world_probe_end();
	world_end(servers, n);
}

START_TEST(server_is_killed_and_comes_back)
{
	if (!begin(1))
		return;
	for (int i = 0; i < (deep() ? 10 : 2); i++) {
		zookeeper_server_kill(servers[0]);
		world_sleep(i % 2 ? 3 * SESSION_MS : SESSION_MS / 4);
		zookeeper_server_restart(servers[0]);
		world_check_kernels();
	}
	end(1);
}
END_TEST

/* Members that do not come back by themselves stay too, however few they are. */
START_TEST(data_folder_is_emptied)
{
	struct fleet_settings fleet;
	struct prefix subnet;
	struct simulator *simulator;

	prefix_parse("192.168.0.0/18", &subnet);
	fleet_settings_default(&fleet, &subnet);
	if (!world_begin(servers, 1))
		return;
	world_fleet_set("removal_delay", "100ms");
	world_start_agents();
	simulator = simulator_open(world_registry(), &fleet, SESSION_MS);
	simulated_join(simulator, 0, 7);
	ck_assert_int_eq(simulator_wait(simulator, 0), 0);
	ck_assert(is_in_fleet(hudson, "10.128.0.7", 10));
	ck_assert(is_in_fleet(sierra, "10.128.0.7", 10));
	world_probe();
	zookeeper_server_kill(servers[0]);
	simulator_close(simulator);
	world_sleep(deep() ? 20 * SESSION_MS : SESSION_MS / 2);
	zookeeper_server_empty(servers[0]);
	zookeeper_server_restart(servers[0]);
	world_sleep(8 * SESSION_MS);
	for (unsigned i = 0; i < WORLD_HOSTS; i++) {
		ck_assert(is_in_fleet(&world_hosts[i], "10.128.0.7", 1));
		ck_assert(is_in_fleet(&world_hosts[i], world_hosts[1 - i].address, 1));
	}
	world_fleet_set(NULL, NULL); /* accept */
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		ck_assert(world_becomes(&world_hosts[i], 10, "! ipset test neti-peers 10.128.0.7"));
	end(1);
}
END_TEST

static unsigned leader(void)
{
	for (;;) {
		for (unsigned i = 0; i < 3; i++)
			if (zookeeper_server_leads(servers[i]))
				return i;
		world_sleep(50);
	}
}

START_TEST(leader_is_killed)
{
	if (!begin(3))
		return;
	for (int i = 0; i < (deep() ? 6 : 2); i++) {
		unsigned victim = leader();

		zookeeper_server_kill(servers[victim]);
		world_check_kernels(); /* the two others elect, and serve */
		zookeeper_server_restart(servers[victim]);
	}
	end(3);
}
END_TEST

START_TEST(agent_stands_still_past_its_session)
{
	if (!begin(1))
		return;
	for (int i = 0; i < (deep() ? 5 : 1); i++) {
		kill(sierra->agent, SIGSTOP);
		world_sleep(3 * SESSION_MS); /* gone from the registry, not yet from the rules */
		kill(sierra->agent, SIGCONT);
		world_check_kernels();
		world_sleep(SESSION_MS / 2);
	}
	end(1);
}
END_TEST

START_TEST(agent_is_killed_at_any_moment)
{
	int kills = deep() ? 200 : 12;

	if (!begin(1))
		return;
	srand((unsigned)time(NULL));
	for (int i = 0; i < kills; i++) {
		world_sleep(rand() % 300);
		world_end_agent(hudson, SIGKILL);
		world_start_agent(hudson);
	}
	end(1);
}
END_TEST

START_TEST(link_to_the_servers_is_cut)
{
	if (!begin(1))
		return;
	for (int i = 0; i < (deep() ? 5 : 1); i++) {
		world_cut(sierra, true);
		world_sleep(3 * SESSION_MS);
		world_cut(sierra, false);
		world_check_kernels();
	}
	end(1);
}
END_TEST

START_TEST(wall_clock_jumps)
{
	static const int jumps[] = { 3600, 0, -3600, 0 };

	if (!begin(1))
		return;
	for (unsigned i = 0; i < 4; i++) {
		world_set_clock(jumps[i]);
		world_sleep(SESSION_MS * (deep() ? 5 : 1) * 3 / 2);
		ck_assert(is_in_fleet(hudson, sierra->address, 1));
		ck_assert(is_in_fleet(sierra, hudson->address, 1));
	}
	end(1);
}
END_TEST

/* The machine boots and the servers are away: nothing is touched, and then all of it is there. An
 * agent that restarts meanwhile keeps what stands. */
START_TEST(registry_is_away_at_boot)
{
	if (!world_begin(servers, 1))
		return;
	zookeeper_server_kill(servers[0]);
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		world_start_agent(&world_hosts[i]);
	world_sleep(deep() ? 30000 : 1500);
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		ck_assert(world_becomes(&world_hosts[i], 1,
			"! { iptables-legacy-save; ipset list -n; } | grep -i neti"));
	zookeeper_server_restart(servers[0]);
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		world_end_agent(&world_hosts[i], SIGTERM);
	world_start_agents();
	world_probe();
	zookeeper_server_kill(servers[0]);
	world_end_agent(hudson, SIGKILL);
	world_start_agent(hudson);
	world_sleep(2 * SESSION_MS);
	zookeeper_server_restart(servers[0]);
	end(1);
}
END_TEST

#define MANY 1000

static bool holds(const struct world_host *host, unsigned peers, int seconds)
{
	return world_becomes(host, seconds, "test $(ipset list neti-peers | grep -c '^10[.]') = %u",
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
	if (!begin(1))
		return;
	world_fleet_set("removal_delay", "100ms");
	for (unsigned i = 0; i < 2; i++) {
		halves[i] = simulator_open(world_registry(), &fleet, 10 * SESSION_MS);
		join_half(halves[i], i);
	}
	ck_assert(both_hold(MANY + 1, 20));
	for (int i = 0; i < (deep() ? 5 : 1); i++) {
		simulator_close(halves[1]);
		ck_assert(held_is(hudson, MANY / 2, 10));
		world_sleep(1000);
		ck_assert(both_hold(MANY + 1, 1));
		halves[1] = simulator_open(world_registry(), &fleet, 10 * SESSION_MS);
		join_half(halves[1], 1);
		ck_assert(held_is(hudson, 0, 10));
	}
	/* It goes when the limits are raised, and when somebody accepts it. */
	simulator_close(halves[1]);
	ck_assert(held_is(hudson, MANY / 2, 10) && held_is(sierra, MANY / 2, 10));
	world_fleet_set("max_removals_percent", "60");
	ck_assert(both_hold(MANY / 2 + 1, 10));
	world_fleet_set("max_removals_percent", "10");
	simulator_close(halves[0]);
	ck_assert(held_is(hudson, MANY / 2, 10) && held_is(sierra, MANY / 2, 10));
	world_fleet_set(NULL, NULL);
	ck_assert(both_hold(1, 10));
	end(1);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite;
	TCase *tests;

	if (world_is_agent())
		return NULL;
	suite = suite_create("faults");
	tests = tcase_create("all");
	tcase_set_timeout(tests, deep() ? 600 : 90);
	tcase_add_test(tests, server_is_killed_and_comes_back);
	tcase_add_test(tests, data_folder_is_emptied);
	tcase_add_test(tests, leader_is_killed);
	tcase_add_test(tests, agent_stands_still_past_its_session);
	tcase_add_test(tests, agent_is_killed_at_any_moment);
	tcase_add_test(tests, link_to_the_servers_is_cut);
	tcase_add_test(tests, wall_clock_jumps);
	tcase_add_test(tests, registry_is_away_at_boot);
	tcase_add_test(tests, half_of_the_fleet_vanishes);
	suite_add_tcase(suite, tests);
	return suite;
}
