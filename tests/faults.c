/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes wrong with the servers of a fleet: real ZooKeeper, agents as processes and the real
 * kernel. All the time no member is refused and no stranger let in, and at the end every kernel
 * is what the membership makes of it. NETI_TEST_DEEP=1: for longer, and more often.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netns.h"
#include "simulated.h"
#include "test.h"
#include "world.h"

#define SESSION_MS 1000

static struct zookeeper_server *servers[3];
static struct world_host *hudson = &world_hosts[0], *sierra = &world_hosts[1];

START_TEST(server_is_killed_and_comes_back)
{
	if (!world_open(servers, 1))
		return;
	for (int i = 0; i < (world_deep() ? 10 : 2); i++) {
		zookeeper_server_kill(servers[0]);
		world_sleep(i % 2 ? 3 * SESSION_MS : SESSION_MS / 4);
		zookeeper_server_restart(servers[0]);
		world_check_kernels();
	}
	world_close(servers, 1);
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
	ck_assert(world_lets_in(hudson, "10.128.0.7", 10));
	ck_assert(world_lets_in(sierra, "10.128.0.7", 10));
	world_probe();
	zookeeper_server_kill(servers[0]);
	simulator_close(simulator);
	world_sleep(world_deep() ? 20 * SESSION_MS : SESSION_MS / 2);
	zookeeper_server_empty(servers[0]);
	zookeeper_server_restart(servers[0]);
	world_sleep(8 * SESSION_MS);
	for (unsigned i = 0; i < WORLD_HOSTS; i++) {
		ck_assert(world_lets_in(&world_hosts[i], "10.128.0.7", 1));
		ck_assert(world_lets_in(&world_hosts[i], world_hosts[1 - i].address, 1));
	}
	world_fleet_set(NULL, NULL); /* accept */
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		ck_assert(world_becomes(&world_hosts[i], 10,
			"! nft get element inet neti peers '{ 10.128.0.7 }'"));
	world_close(servers, 1);
}
END_TEST

/* Nor does an agent that was restarted meanwhile, and has met no fleet but in its state file,
 * believe an empty registry: the fleet, its addresses and the kernel are as they were. */
START_TEST(data_folder_is_emptied_before_the_boot)
{
	static const char subnet[] =
		"nft list chain inet neti output | grep -q 'ip daddr 192.168.0.0/17 reject'";

	if (!world_begin(servers, 1))
		return;
	world_fleet_set("removal_delay", "100ms");
	world_start_agents();
	world_fleet_set("overlay_subnet", "192.168.0.0/17");
	for (unsigned i = 0; i < WORLD_HOSTS; i++) {
		ck_assert(world_becomes(&world_hosts[i], 10, subnet));
		world_end_agent(&world_hosts[i], SIGTERM);
	}
	zookeeper_server_kill(servers[0]);
	zookeeper_server_empty(servers[0]);
	world_start_agent(hudson);
	zookeeper_server_restart(servers[0]);
	world_sleep(4 * SESSION_MS);
	ck_assert(world_lets_in(hudson, sierra->address, 1));
	world_start_agent(sierra);
	world_check_kernels();
	for (unsigned i = 0; i < WORLD_HOSTS; i++) {
		ck_assert(world_becomes(hudson, 10,
			"nft list map inet neti overlay | grep '[ \t]%s : '",
			world_hosts[i].overlay));
		ck_assert(world_becomes(&world_hosts[i], 10, subnet));
	}
	world_end(servers, 1);
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
	if (!world_open(servers, 3))
		return;
	for (int i = 0; i < (world_deep() ? 6 : 2); i++) {
		unsigned victim = leader();

		zookeeper_server_kill(servers[victim]);
		world_check_kernels(); /* the two others elect, and serve */
		zookeeper_server_restart(servers[victim]);
	}
	world_close(servers, 3);
}
END_TEST

/* An agent that is killed now knows the other host also without the registry. */
static void wait_for_state(const struct world_host *host, const struct world_host *other)
{
	ck_assert_msg(world_becomes(host, 30,
			      "cd %s/%s && grep -q '|%s$' fleet && grep -q %s ruleset",
			      netns_directory(), host->id, other->id, other->address),
		"what %s holds is not on its disk", host->id);
}

/* The machine boots and the servers are away: the host's own policy stands, with no peers in it, and
 * then all of it is there. An agent that restarts meanwhile keeps what stands. */
START_TEST(registry_is_away_at_boot)
{
	if (!world_begin(servers, 1))
		return;
	zookeeper_server_kill(servers[0]);
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		world_start_agent(&world_hosts[i]);
	world_sleep(world_deep() ? 30000 : 1500);
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		ck_assert(world_becomes(&world_hosts[i], 3,
			"nft list chain inet neti input | grep drop &&"
			"test -z \"$(nft list set inet neti peers | grep elements)\""));
	zookeeper_server_restart(servers[0]);
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		world_end_agent(&world_hosts[i], SIGTERM);
	world_start_agents();
	world_probe();
	wait_for_state(hudson, sierra);
	zookeeper_server_kill(servers[0]);
	world_end_agent(hudson, SIGKILL);
	world_start_agent(hudson);
	world_sleep(2 * SESSION_MS);
	zookeeper_server_restart(servers[0]);
	world_close(servers, 1);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite;
	const struct test_frame frame = { .timeout = world_deep() ? 600 : 90 };

	if (world_is_agent())
		return NULL;
	suite = suite_create("faults");
	test_case(suite, &frame, "kills");
	test_add(server_is_killed_and_comes_back, leader_is_killed);
	test_case(suite, &frame, "lost-data");
	test_add(data_folder_is_emptied, data_folder_is_emptied_before_the_boot);
	test_case(suite, &frame, "boot");
	test_add(registry_is_away_at_boot);
	return suite;
}
