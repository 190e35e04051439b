/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fleet of more shards than usual, whose overlay grows while it lives: real ZooKeeper, agents
 * as processes and the real kernel. All the time no member is refused and no stranger let in.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "test.h"
#include "world.h"

#define NARROW "192.168.0.0/18"
#define WIDE "192.168.0.0/16"

static struct zookeeper_server *server;
static struct world_host *hudson = &world_hosts[0], *sierra = &world_hosts[1];

static bool rules_lead(const struct world_host *host, const char *prefix)
{
	return world_becomes(host, 20,
		"nft list chain inet neti output | grep 'ip daddr %s reject'", prefix);
}

static bool both_lead(const char *prefix)
{
	return rules_lead(hudson, prefix) && rules_lead(sierra, prefix);
}

static void shrinking_is_refused(void)
{
	static const char *const others[] = { "192.168.0.0/19", "10.0.0.0/8", "192.168.64.0/18" };
	char text[200], wanted[100];

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		ck_assert_int_lt(world_fleet_refuses("overlay_subnet", others[i], text), 0);
		snprintf(wanted, sizeof(wanted),
			"overlay_subnet: can only grow, and %s does not contain ", others[i]);
		ck_assert_msg(strstr(text, wanted), "%s", text);
	}
}

/* It gets an address that was not there before, and each reaches it by that. */
static void late_host_joins(void)
{
	world_start_agent(&world_late);
	ck_assert(world_lets_in(hudson, world_late.address, 20) &&
		  world_lets_in(sierra, world_late.address, 20));
	world_learn_overlay(&world_late);
	ck_assert_msg(strncmp(world_late.overlay, "192.168.", 8) == 0 &&
			      strtoul(world_late.overlay + 8, NULL, 10) >= 64,
		"%s", world_late.overlay);
	world_check_kernel(&world_late);
	world_check_kernels();
	ck_assert(world_reaches(hudson, &world_late) && world_reaches(sierra, &world_late));
	ck_assert(world_reaches(&world_late, hudson));
}

START_TEST(overlay_grows)
{
	static const char *const shards[] = { "256", "1024" };

	if (!world_begin(&server, 1))
		return;
	world_fleet_init("shards", shards[_i]);
	world_start_agents();
	world_probe();
	ck_assert(both_lead(NARROW));
	shrinking_is_refused();
	world_fleet_set("overlay_subnet", WIDE);
	ck_assert(both_lead(WIDE));
	world_check_kernels();
	late_host_joins();
	shrinking_is_refused();
	world_close(&server, 1);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite;
	const struct test_frame frame = { .timeout = 90 };

	if (world_is_agent())
		return NULL;
	suite = suite_create("growth");
	test_case(suite, &frame, "overlay");
	test_add_loop(overlay_grows, 0, 2);
	return suite;
}
