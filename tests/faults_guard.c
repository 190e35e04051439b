/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guard holds, with real ZooKeeper, agents as processes and the real kernel: a network
 * that heals in steps, agents that are started again meanwhile, an older copy of the registry.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "simulated.h"
#include "test.h"
#include "world.h"

#define SESSION_MS 1000
#define FIRST 60 /* members that are always seen */
#define ALL 100
#define STEP 10

static struct zookeeper_server *servers[1];
static struct world_host *hudson = &world_hosts[0];
static struct fleet_settings settings;

/* Their sessions outlive the start of a server on a busy machine. */
static struct simulator *join_some(unsigned from, unsigned to)
{
	struct simulator *simulator = simulator_open(world_registry(), &settings, 3 * SESSION_MS);

	for (unsigned n = from; n < to; n++)
		simulated_join(simulator, n, n + 1);
	ck_assert_int_eq(simulator_wait(simulator, 0), 0);
	return simulator;
}

static bool begin(void)
{
	struct prefix subnet;

	prefix_parse("192.168.0.0/18", &subnet);
	fleet_settings_default(&settings, &subnet);
	if (!world_begin(servers, 1))
		return false;
	world_fleet_set("removal_delay", "100ms");
	world_start_agents();
	return true;
}

/* The kernel's simulated peers, looked at all the time: not one is away for a moment. */
static void peers_stay(unsigned n, int ms)
{
	const char *folder = netns_directory();

	ck_assert_msg(
		world_becomes(hudson, 1,
			"test ! -e %s/removed && for i in $(seq %d); do "
			"test $(nft list set inet neti peers | grep -oE '10[.]128([.][0-9]+){2}' | grep -c .) = %u || "
			"{ touch %s/removed; false; break; }; sleep 0.02; done && test ! -e %s/removed",
			folder, ms / 25, n, folder, folder),
		"peers were removed");
}

static bool peers_become(unsigned n)
{
	return world_becomes(hudson, 20,
		"test $(nft list set inet neti peers | grep -oE '10[.]128([.][0-9]+){2}' | grep -c .) = %u",
		n);
}

static bool holds(unsigned n)
{
	return world_becomes(hudson, 20, "jq -e '.held == %u' %s/hudson/status", n,
		netns_directory());
}

START_TEST(partition_heals_in_steps)
{
	struct simulator *near, *far, *steps[(ALL - FIRST) / STEP];
	unsigned n = 0;

	if (!begin())
		return;
	near = join_some(0, FIRST);
	far = join_some(FIRST, ALL);
	ck_assert(peers_become(ALL));
	simulator_close(far);
	ck_assert(holds(ALL - FIRST));
	peers_stay(ALL, 1000);
	for (unsigned seen = FIRST; seen < ALL - STEP; seen += STEP) {
		steps[n++] = join_some(seen, seen + STEP);
		ck_assert(holds(ALL - seen - STEP));
		peers_stay(ALL, 1500);
	}
	world_end_agent(hudson, SIGTERM); /* few enough now, but held */
	world_start_agent(hudson);
	ck_assert(holds(STEP));
	peers_stay(ALL, 1500);
	world_fleet_set("max_removals", "1000");
	peers_stay(ALL, 1500);
	world_end_agent(hudson, SIGTERM);
	world_fleet_set(NULL, NULL); /* accepted while no agent runs here */
	world_start_agent(hudson);
	ck_assert(peers_become(ALL - STEP));
	ck_assert(holds(0));
	while (n > 0)
		simulator_close(steps[--n]);
	simulator_close(near);
	world_end(servers, 1);
}
END_TEST

/* Old entries come back with old sessions, and go with them; the newest is not in the copy. */
START_TEST(older_copy_is_restored)
{
	struct simulator *old, *new;

	if (!begin())
		return;
	old = join_some(0, STEP);
	ck_assert(peers_become(STEP));
	zookeeper_server_kill(servers[0]);
	zookeeper_server_copy(servers[0]);
	zookeeper_server_restart(servers[0]);
	new = join_some(STEP, STEP + 2);
	ck_assert(peers_become(STEP + 2));
	zookeeper_server_kill(servers[0]);
	simulator_close(old);
	simulator_close(new);
	zookeeper_server_restore(servers[0]);
	zookeeper_server_restart(servers[0]);
	peers_stay(STEP + 2, 8 * SESSION_MS);
	ck_assert(holds(STEP + 2));
	world_fleet_set(NULL, NULL);
	ck_assert(peers_become(0));
	world_check_kernels();
	world_end(servers, 1);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite;
	const struct test_frame frame = { .timeout = 90 };

	if (world_is_agent())
		return NULL;
	suite = suite_create("faults_guard");
	test_case(suite, &frame, "partition");
	test_add(partition_heals_in_steps);
	test_case(suite, &frame, "restored-copy");
	test_add(older_copy_is_restored);
	return suite;
}
