/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of connections: flows to members that move, its size, how full it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connections.h"
#include "engine/conntrack/conntrack.h"

static const struct end here_member = { &self, HERE_MEMBER };

static bool has_line(const char *command, const char *line)
{
	char *text = netns_output("%s", command);
	bool found = strstr(text, line) != NULL;

	free(text);
	return found;
}

static int open_udp(const struct netns_host *host, const char *address, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t length = connections_name(&name, address, port);
	int fd;

	netns_enter(host);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (host == &self)
		ck_assert_int_eq(connect(fd, (void *)&name, length), 0);
	else
		ck_assert_int_eq(bind(fd, (void *)&name, length), 0);
	netns_enter(&self);
	return fd;
}

/* What one datagram of the sender reaches. */
static bool reaches(int sender, int receiver)
{
	return connections_carry(sender, receiver, 1000);
}

START_TEST(test_udp_follows)
{
	struct ruleset *before;
	int sender, old, new;

	if (!connections_start())
		return;
	old = open_udp(&member, MEMBER, 7000);
	new = open_udp(&moved, MOVED, 7000);
	connections_apply();
	sender = open_udp(&self, OVERLAY, 7000);
	ck_assert(reaches(sender, old));
	before = rules_copy(rules);
	rules_member(rules, OVERLAY, MOVED);
	connections_update(before); /* the step is known */
	ck_assert_uint_eq(report.flows_forgotten, 1);
	ck_assert(reaches(sender, new));
	rules_member(rules, OVERLAY, MEMBER);
	connections_apply(); /* what was before is not known */
	ck_assert_uint_eq(report.flows_forgotten, 1);
	ck_assert(reaches(sender, old));
	connections_apply();
	ck_assert_uint_eq(report.flows_forgotten, 0);
	rules_free(before);
	before = rules_copy(rules);
	rules_remove(rules, OVERLAY);
	connections_update(before); /* gone */
	ck_assert_int_eq(send(sender, "x", 1, 0), -1);
	ck_assert(!connections_wait(old, POLLIN, SHORT));
	rules_free(before);
	connections_stop();
}
END_TEST

/* More than are asked for one by one, and some that stay where they are. */
START_TEST(test_many_members_move)
{
	struct ruleset *before;
	int sender[10], old, new;
	char overlay[32];

	if (!connections_start())
		return;
	old = open_udp(&member, MEMBER, 7000);
	new = open_udp(&moved, MOVED, 7000);
	for (int i = 0; i < 10; i++) {
		snprintf(overlay, sizeof(overlay), "192.168.1.%d", i + 1);
		rules_member(rules, overlay, MEMBER);
		sender[i] = open_udp(&self, overlay, 7000);
	}
	connections_apply();
	for (int i = 0; i < 10; i++)
		ck_assert(reaches(sender[i], old));
	before = rules_copy(rules);
	for (int i = 0; i < 8; i++) {
		snprintf(overlay, sizeof(overlay), "192.168.1.%d", i + 1);
		rules_member(rules, overlay, MOVED);
	}
	connections_update(before);
	ck_assert_uint_eq(report.flows_forgotten, 8);
	for (int i = 0; i < 10; i++)
		ck_assert(reaches(sender[i], i < 8 ? new : old));
	rules_free(before);
	connections_stop();
}
END_TEST

static bool is_tracked(const char *overlay)
{
	char line[64];

	snprintf(line, sizeof(line), "dst=%s", overlay);
	return has_line("conntrack -L 2>/dev/null", line);
}

/* A connection goes on as long as the place it goes to is in the fleet. */
START_TEST(test_tcp_is_cut_when_its_target_left)
{
	struct end overlay = { &member, OVERLAY };
	struct ruleset *before;
	struct pair pair;
	char byte;

	if (!connections_start())
		return;
	rules_member(rules, OTHER, MEMBER);
	connections_apply();
	pair = connections_make(&here_member, &overlay, MEMBER, 7000);
	before = rules_copy(rules);
	rules_member(rules, OVERLAY, MOVED); /* the other member still is there */
	if (_i == 0)
		connections_update(before);
	else
		connections_apply();
	connections_assert_lives(&pair, false, "to a member that moved");
	ck_assert_uint_eq(report.flows_forgotten, 0);
	rules_free(before);
	before = rules_copy(rules);
	rules_member(rules, OVERLAY, MEMBER);
	connections_update(before); /* and back */
	connections_assert_lives(&pair, true, "to a member that came back");
	rules_free(before);
	before = rules_copy(rules);
	rules_member(rules, OVERLAY, MOVED);
	rules_member(rules, OTHER, MOVED);
	if (_i == 0)
		connections_update(before);
	else
		connections_apply();
	ck_assert_uint_eq(report.flows_forgotten, 1);
	ck_assert(!is_tracked(OVERLAY));
	/* The new place does not know the connection and says so. */
	ck_assert_int_eq(send(pair.caller, "x", 1, MSG_NOSIGNAL), 1);
	ck_assert(connections_wait(pair.caller, POLLIN, 1000));
	ck_assert_int_eq(recv(pair.caller, &byte, 1, 0), -1);
	rules_free(before);
	connections_stop();
}
END_TEST

/* A flow that was on its way before the rules were made, and the kernel tracked it. */
START_TEST(test_flow_older_than_the_rules)
{
	int sender, receiver;

	if (!connections_start())
		return;
	witness_do(witness->track, "");
	receiver = open_udp(&member, MEMBER, 7000);
	sender = open_udp(&self, OVERLAY, 7000);
	ck_assert(!connections_carry(sender, receiver, 100));
	connections_apply();
	ck_assert_uint_eq(report.flows_forgotten, 1);
	ck_assert(reaches(sender, receiver));
	connections_stop();
}
END_TEST

START_TEST(test_overrides_are_followed)
{
	struct ruleset *before;
	int sender, old, new;

	if (!connections_start())
		return;
	old = open_udp(&member, MEMBER, 7000);
	new = open_udp(&moved, MOVED, 7000);
	rules_override(rules, "172.31.0.2", MEMBER);
	connections_apply();
	sender = open_udp(&self, "172.31.0.2", 7000);
	ck_assert(reaches(sender, old));
	before = rules_copy(rules);
	address_parse(MOVED, &rules->policy.nat_overrides[0].to);
	connections_update(before);
	ck_assert(reaches(sender, new));
	engine_close(engine);
	engine = check_open();
	connections_apply(); /* looks at all flows */
	ck_assert_uint_eq(report.flows_forgotten, 0);
	rules_free(before);
	before = rules_copy(rules);
	rules->policy.n_nat_overrides = 0;
	connections_update(before);
	ck_assert_uint_eq(report.flows_forgotten, 1);
	ck_assert(!connections_carry(sender, new, SHORT));
	rules_free(before);
	connections_stop();
}
END_TEST

/* Killed between the rules and the flows: the next agent has nothing to change but them. */
START_TEST(test_next_engine_finishes)
{
	int sender, old, new;

	if (!connections_start())
		return;
	old = open_udp(&member, MEMBER, 7000);
	new = open_udp(&moved, MOVED, 7000);
	connections_apply();
	sender = open_udp(&self, OVERLAY, 7000);
	ck_assert(reaches(sender, old));
	witness_do(witness->redirect, MEMBER " " MOVED);
	rules_member(rules, OVERLAY, MOVED);
	engine_close(engine);
	engine = check_open();
	connections_apply();
	ck_assert(!report.changed);
	ck_assert(reaches(sender, new));
	connections_stop();
}
END_TEST

/*
 * Sizes. The files are laid over the kernel's, whose values are the machine's.
 */
static char said[1024];

static void note(void *data, enum neti_log_level level, const char *text)
{
	(void)data;
	(void)level;
	strncat(said, text, sizeof(said) - strlen(said) - 1);
}

static const struct log log_here = { NETI_LOG_INFO, note, NULL };

static void lay_over(const char *name, unsigned value)
{
	const char *directory = netns_directory();

	netns_do("echo %u > %s/%s; mount --bind %s/%s /proc/sys/net/netfilter/%s", value, directory,
		name, directory, name, name);
}

static unsigned long number_in(const char *name)
{
	char *text = netns_output("cat %s/%s", netns_directory(), name);
	unsigned long number = strtoul(text, NULL, 10);

	free(text);
	return number;
}

START_TEST(test_size)
{
	unsigned long memory = (unsigned long)sysconf(_SC_PHYS_PAGES) *
			       (unsigned long)sysconf(_SC_PAGESIZE) / 16384;
	bool missed = false;

	if (!connections_start())
		return;
	/* In a namespace the numbers are the machine's: said once. */
	conntrack_size(INT32_MAX, &missed, &log_here);
	ck_assert_msg(strstr(said, "namespace") != NULL, "%s", said);
	said[0] = '\0';
	conntrack_size(INT32_MAX, &missed, &log_here);
	ck_assert_str_eq(said, "");
	netns_do("mount --make-rprivate /");
	lay_over("nf_conntrack_max", 1000);
	lay_over("nf_conntrack_buckets", 5000);
	conntrack_size(3000, &missed, &log_here);
	ck_assert_uint_eq(number_in("nf_conntrack_max"), 3000);
	ck_assert_uint_eq(number_in("nf_conntrack_buckets"), 5000);
	ck_assert_msg(strstr(said, "3000") && strstr(said, "1000"), "%s", said);
	conntrack_size(2000, &missed, &log_here);
	ck_assert_uint_eq(number_in("nf_conntrack_max"), 3000); /* never lowered */
	conntrack_size(0, &missed, &log_here);
	ck_assert_uint_eq(number_in("nf_conntrack_max"), memory < 4194304 ? memory : 4194304);
	ck_assert_uint_ge(number_in("nf_conntrack_buckets") * 4 + 3, number_in("nf_conntrack_max"));
	connections_stop();
}
END_TEST

/* The engine does it before the first rule, with the number of its settings. */
START_TEST(test_size_is_set_first)
{
	struct settings *settings;

	if (!connections_start())
		return;
	netns_do("mount --make-rprivate /");
	lay_over("nf_conntrack_max", 1000);
	lay_over("nf_conntrack_buckets", 1000);
	engine_close(engine);
	settings = check_settings();
	settings->conntrack_max = 7777777;
	ck_assert_int_eq(engine_open(&engine, settings, NULL, &error), 0);
	settings_free(settings);
	connections_apply();
	ck_assert_uint_eq(number_in("nf_conntrack_max"), 7777777);
	ck_assert_uint_eq(number_in("nf_conntrack_buckets"), 7777777 / 4);
	connections_stop();
}
END_TEST

START_TEST(test_levels)
{
	struct engine_level levels[ENGINE_TABLES];

	if (!connections_start())
		return;
	engine_levels(engine, levels);
	ck_assert_uint_eq(levels[ENGINE_PEERS].max, 0);
	rules_fill(rules, 100);
	connections_apply();
	netns_do("conntrack -F");
	witness_do(witness->deny, "1.2.3.4 tcp 5");
	netns_do("conntrack -I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 2 -t 100");
	engine_levels(engine, levels);
	ck_assert_uint_eq(levels[ENGINE_PEERS].entries, 100);
	ck_assert_uint_eq(levels[ENGINE_PEERS].max, witness->peers_max);
	ck_assert_uint_eq(levels[ENGINE_DENIED].entries, 1);
	ck_assert_uint_eq(levels[ENGINE_DENIED].max, witness->denied_max);
	ck_assert_uint_eq(levels[ENGINE_CONNTRACK].entries, 1);
	ck_assert_uint_gt(levels[ENGINE_CONNTRACK].max, 1000);
	connections_stop();
}
END_TEST

static void add_flows(void)
{
	test_add(test_udp_follows, test_many_members_move);
	test_add_loop(test_tcp_is_cut_when_its_target_left, 0, 2);
	test_add(test_flow_older_than_the_rules, test_overrides_are_followed,
		test_next_engine_finishes);
}

static void add_size(void)
{
	test_add(test_size, test_size_is_set_first);
}

static void add_levels(void)
{
	test_add(test_levels);
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("conntrack");
	const struct test_frame frame = { .timeout = 120 };

	witness_cases(suite, &frame, "flows", add_flows);
	witness_cases(suite, &frame, "size", add_size);
	witness_cases(suite, &frame, "levels", add_levels);
	return suite;
}
