/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which networks are the host's own, from addresses and routes of a namespace of the test's own.
 */
#include <errno.h>
#include <string.h>

#include "engine/host_networks.h"
#include "netns.h"
#include "test.h"

static struct netns_host self;
static struct prefix overlay;
static struct prefix_list own;
static struct error error;

static bool begin(void)
{
	ck_assert_int_eq(prefix_parse("192.168.0.0/18", &overlay), 0);
	if (!netns_start(&self))
		return false;
	netns_do("ip link add eth0 type veth peer name eth1 && ip link set eth0 up &&"
		 "ip link set eth1 up && ip addr add 10.0.0.1/24 dev eth0");
	return true;
}

START_TEST(free_overlay)
{
	static const char *const commands[] = {
		"true",
		"ip addr add 192.168.64.1/18 dev eth0",
		"ip route add default via 10.0.0.2",
		"ip route add 128.0.0.0/1 via 10.0.0.2", /* halves of a VPN's default route */
		"ip route add default via 10.0.0.2 table 51820",
		"ip route add 192.168.0.0/18 dev lo",
		"ip route add blackhole 192.168.0.0/18",
		"ip route add unreachable 192.168.7.0/24",
	};

	if (!begin())
		return;
	netns_do("%s", commands[_i]);
	ck_assert_msg(host_networks_overlapping(&overlay, &own, &error) == 0, "%s: %s",
		commands[_i], error.text);
	ck_assert_uint_eq(own.length, 0);
}
END_TEST

static const struct {
	const char *command, *sentence, *prefix;
} taken[] = {
	{ "ip addr add 192.168.5.1/24 dev eth0",
		"interface eth0 has 192.168.5.1 in 192.168.5.0/24;", "192.168.5.0/24" },
	{ "ip addr add 192.168.63.254/32 dev lo",
		"interface lo has 192.168.63.254 in 192.168.63.254/32;", "192.168.63.254/32" },
	{ "ip addr add 192.168.200.1/16 dev eth0",
		"interface eth0 has 192.168.200.1 in 192.168.0.0/16;", "192.168.0.0/16" },
	{ "ip route add 192.168.7.0/24 via 10.0.0.2",
		"a route leads to 192.168.7.0/24 by interface eth0;", "192.168.7.0/24" },
	{ "ip route add 192.168.7.9 dev eth1", "a route leads to 192.168.7.9/32 by interface eth1;",
		"192.168.7.9/32" },
	{ "ip route add 192.0.0.0/8 via 10.0.0.2",
		"a route leads to 192.0.0.0/8 by interface eth0;", "192.0.0.0/8" },
	{ "ip route add 192.168.7.0/24 via 10.0.0.2 table 77",
		"a route leads to 192.168.7.0/24 by interface eth0;", "192.168.7.0/24" },
	{ "ip route add 192.168.7.0/24 nexthop via 10.0.0.2 nexthop via 10.0.0.3",
		"a route leads to 192.168.7.0/24 by interface (several);", "192.168.7.0/24" },
};

START_TEST(taken_overlay)
{
	char text[PREFIX_TEXT_MAX];

	if (!begin())
		return;
	netns_do("%s", taken[_i].command);
	ck_assert_int_eq(host_networks_overlapping(&overlay, &own, &error), 1);
	ck_assert_msg(strstr(error.text,
			      "overlay_subnet 192.168.0.0/18 overlaps a network of this host: ") ==
				      error.text &&
			      strstr(error.text, taken[_i].sentence),
		"%s", error.text);
	ck_assert_uint_eq(own.length, 1);
	ck_assert_str_eq(prefix_format(&own.items[0], text), taken[_i].prefix);
	prefix_list_clear(&own);
}
END_TEST

START_TEST(each_once_and_sorted)
{
	char text[PREFIX_TEXT_MAX];

	if (!begin())
		return;
	netns_do("ip addr add 192.168.9.1/24 dev eth1 && ip addr add 192.168.5.1/24 dev eth0 &&"
		 "ip addr add 192.168.5.2/24 dev eth0 && ip route add 192.168.7.0/24 via 10.0.0.2");
	ck_assert_int_eq(host_networks_overlapping(&overlay, &own, &error), 1);
	ck_assert_uint_eq(own.length, 3);
	ck_assert_str_eq(prefix_format(&own.items[0], text), "192.168.5.0/24");
	ck_assert_str_eq(prefix_format(&own.items[1], text), "192.168.7.0/24");
	ck_assert_str_eq(prefix_format(&own.items[2], text), "192.168.9.0/24");
	prefix_list_clear(&own);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("host_networks");

	test_case(suite, NULL, "overlay");
	test_add_loop(free_overlay, 0, 8);
	test_add_loop(taken_overlay, 0, sizeof(taken) / sizeof(*taken));
	test_case(suite, NULL, "list");
	test_add(each_once_and_sorted);
	return suite;
}
