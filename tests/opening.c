/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is open when strangers are refused for the first time goes on.
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "connections.h"

static const struct end here_member = { &self, HERE_MEMBER }, at_member = { &member, MEMBER },
			here_stranger = { &self, HERE_STRANGER },
			at_stranger = { &stranger, STRANGER },
			here_stranger6 = { &self, HERE_STRANGER6 },
			at_stranger6 = { &stranger, STRANGER6 };

static const struct {
	const struct end *from, *to;
	const char *listen_at, *what;
} kinds[] = {
	{ &at_stranger, &here_stranger, HERE_STRANGER, "from a stranger" },
	{ &here_stranger, &at_stranger, STRANGER, "to a stranger" },
	{ &at_member, &here_member, HERE_MEMBER, "from a member" },
	{ &here_member, &at_member, MEMBER, "to a member" },
	{ &at_stranger6, &here_stranger6, HERE_STRANGER6, "from a stranger, IPv6" },
	{ &here_stranger6, &at_stranger6, STRANGER6, "to a stranger, IPv6" },
	{ &at_stranger, &here_stranger, "::", "from a stranger, to an IPv6 socket" },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* All at once and without a pause, from a process of its own. */
struct busy {
	atomic_bool end;
	atomic_uint rounds, lost;
};

static void keep_busy(struct busy *busy, struct pair pairs[N_KINDS])
{
	while (!atomic_load(&busy->end)) {
		for (size_t i = 0; i < N_KINDS; i++)
			if (!connections_carry(pairs[i].caller, pairs[i].called, 5000) ||
				!connections_carry(pairs[i].called, pairs[i].caller, 5000))
				atomic_fetch_add(&busy->lost, 1);
		atomic_fetch_add(&busy->rounds, 1);
	}
	for (size_t i = 0; i < N_KINDS; i++)
		atomic_fetch_add(&busy->lost, connections_retransmitted(pairs[i].caller) +
						      connections_retransmitted(pairs[i].called));
	_exit(0);
}

static void wait_for_rounds(struct busy *busy, unsigned rounds)
{
	rounds += atomic_load(&busy->rounds);
	for (int i = 0; i < 5000 && atomic_load(&busy->rounds) < rounds; i++)
		usleep(1000);
	ck_assert_uint_ge(atomic_load(&busy->rounds), rounds);
}

static void connect_kinds(struct pair pairs[N_KINDS], uint16_t port)
{
	for (size_t i = 0; i < N_KINDS; i++)
		pairs[i] = connections_make(kinds[i].from, kinds[i].to, kinds[i].listen_at,
			(uint16_t)(port + i));
}

/* Datagrams: both sockets are connected, the stranger speaks first. */
static struct pair connect_udp(void)
{
	struct pair pair;
	struct sockaddr_storage here, there;
	socklen_t length = connections_name(&here, HERE_STRANGER, 4000);

	connections_name(&there, STRANGER, 4001);
	pair.called = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(pair.called, (void *)&here, length), 0);
	ck_assert_int_eq(connect(pair.called, (void *)&there, length), 0);
	netns_enter(&stranger);
	pair.caller = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(pair.caller, (void *)&there, length), 0);
	ck_assert_int_eq(connect(pair.caller, (void *)&here, length), 0);
	netns_enter(&self);
	return pair;
}

static void assert_closed_to_strangers(void)
{
	int four = netns_listen(HERE_STRANGER, 7000), six = netns_listen(HERE_STRANGER6, 7000);

	netns_enter(&stranger);
	ck_assert_int_eq(netns_connect(HERE_STRANGER, 7000, SHORT), -ETIMEDOUT);
	ck_assert_int_eq(netns_connect(HERE_STRANGER6, 7000, SHORT), -ETIMEDOUT);
	netns_enter(&self);
	close(four);
	close(six);
}

/* Whoever goes on with what was open is no stranger, whether he is refused or only noted. */
static void assert_nobody_noted(void)
{
	netns_do("noted=$(%s) && { [ -z \"$noted\" ] || { echo \"$noted\"; false; }; }",
		witness->denied);
}

static void survive(bool loose, void (*switch_on)(void))
{
	struct busy *busy = mmap(NULL, sizeof(*busy), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct pair early[N_KINDS], late[N_KINDS], noisy[N_KINDS], udp;
	pid_t child;

	netns_do("echo %d > /proc/sys/net/netfilter/nf_conntrack_tcp_loose", loose);
	connect_kinds(early, 5000);
	connect_kinds(late, 5100);
	connect_kinds(noisy, 5200);
	udp = connect_udp();
	child = fork();
	if (child == 0)
		keep_busy(busy, noisy);
	wait_for_rounds(busy, 20);
	switch_on();
	wait_for_rounds(busy, 20);
	ck_assert_uint_ge(report.sockets_learned, 3 * N_KINDS + 1);
	assert_nobody_noted();
	assert_closed_to_strangers();
	for (size_t i = 0; i < N_KINDS; i++) {
		connections_assert_lives(&early[i], false, kinds[i].what);
		connections_assert_lives(&late[i], true, kinds[i].what);
	}
	ck_assert(connections_carry(udp.caller, udp.called, 1000));
	atomic_store(&busy->end, true);
	waitpid(child, NULL, 0);
	ck_assert_uint_eq(busy->lost, 0);
	connections_stop();
}

static void switch_on_fresh(void)
{
	connections_apply();
	ck_assert(report.changed);
}

/* Conntrack is on, and has seen one packet of some and none of others. */
static void switch_on_tracked(void)
{
	witness_do(witness->track, "");
	connections_apply();
}

/* The agent ran with reject_all: false before. */
static void switch_on_by_update(void)
{
	struct ruleset *open = rules_copy(rules);

	open->policy.reject_all = false;
	ck_assert_int_eq(engine_apply(engine, open, &report, &error), 0);
	ck_assert_uint_eq(report.sockets_learned, 0);
	connections_update(open);
	rules_free(open);
}

/* Somebody emptied the chain: the host is open until it is repaired, and learns again. */
static void switch_on_after_drift(void)
{
	connections_apply();
	witness_do(witness->empty_filter, "");
	netns_do("conntrack -F");
	connections_apply();
}

/* Nothing was left of the rules, and the next change is one of the policy. */
static void switch_on_by_another_policy(void)
{
	struct ruleset *before = rules_copy(rules);

	connections_apply();
	witness_do(witness->tear_down, "");
	netns_do("conntrack -F");
	rules->policy.icmp = !rules->policy.icmp;
	connections_update(before);
	rules_free(before);
}

/* What stands in the place of our sets has to make way first. */
static void switch_on_over_wrong_sets(void)
{
	witness_do(witness->wrong_sets, "");
	connections_apply();
}

static void (*const switches[])(void) = { switch_on_fresh, switch_on_tracked, switch_on_by_update,
	switch_on_after_drift, switch_on_by_another_policy, switch_on_over_wrong_sets };

START_TEST(test_open_connections_survive)
{
	if (connections_start())
		survive(_i % 2, switches[_i / 2]);
}
END_TEST

/* Answers held back by a neighbour that is not known: what waits leaves when it connections_wait so. */
static void hold_back(const struct netns_host *host, const char *device, const char *address)
{
	netns_enter(host);
	netns_do(
		"ip neigh flush all; echo 60 > /proc/sys/net/ipv4/neigh/%s/ucast_solicit;"
		"echo 60 > /proc/sys/net/ipv4/neigh/%s/mcast_solicit; ip neigh del %s dev %s; true",
		device, device, address, device);
	netns_enter(&self);
}

static void know(const struct netns_host *host, const char *device, const char *address,
	const char *link)
{
	netns_enter(host);
	netns_do("ip neigh replace %s lladdr %s dev %s nud permanent", address, link, device);
	netns_enter(&self);
}

/* Asked of the kernel itself: /sys shows another namespace's devices. */
static void link_of(const struct netns_host *host, const char *device, char ret[18])
{
	struct ifreq request = { 0 };
	const unsigned char *link = (const unsigned char *)request.ifr_hwaddr.sa_data;
	int fd;

	netns_enter(host);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	ck_assert_msg(ioctl(fd, SIOCGIFHWADDR, &request) == 0, "%s: %s", device, strerror(errno));
	close(fd);
	netns_enter(&self);
	snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x", link[0], link[1], link[2], link[3],
		link[4], link[5]);
}

START_TEST(test_half_open_connections_survive)
{
	char here[18], there[18];
	int fd, listener;

	if (!connections_start())
		return;
	netns_do("for n in all stranger; do echo 8 > /proc/sys/net/ipv4/conf/$n/arp_ignore; done");
	netns_enter(&stranger);
	netns_do("for n in all self; do echo 8 > /proc/sys/net/ipv4/conf/$n/arp_ignore; done");
	netns_enter(&self);
	link_of(&self, "stranger", here);
	link_of(&stranger, "self", there);
	netns_enter(&stranger);
	listener = netns_listen(STRANGER, 7000);
	netns_enter(&self);
	/* Ours: the answer to the SYN waits at the stranger's. */
	hold_back(&stranger, "self", HERE_STRANGER);
	know(&self, "stranger", STRANGER, there);
	fd = connections_begin(&here_stranger, STRANGER, 7000);
	connections_apply();
	ck_assert(!connections_wait(listener, POLLIN, 0));
	know(&stranger, "self", HERE_STRANGER, here);
	ck_assert(connections_wait(fd, POLLOUT, 800));
	ck_assert(connections_wait(listener, POLLIN, 800));
	ck_assert_uint_eq(connections_retransmitted(fd), 0);
	ck_assert_int_eq(engine_flush(engine, &report, &error), 0);
	netns_do("conntrack -F");
	/* The stranger's: our answer waits here. */
	listener = netns_listen(HERE_STRANGER, 7000);
	hold_back(&self, "stranger", STRANGER);
	fd = connections_begin(&at_stranger, HERE_STRANGER, 7000);
	connections_apply();
	ck_assert(!connections_wait(listener, POLLIN, 0));
	know(&self, "stranger", STRANGER, there);
	ck_assert(connections_wait(fd, POLLOUT, 800));
	ck_assert(connections_wait(listener, POLLIN, 800));
	ck_assert_uint_eq(connections_retransmitted(fd), 0);
	connections_stop();
}
END_TEST

/* What was begun before an address was overridden stays where it is; what is new follows. */
START_TEST(test_connection_to_an_overridden_address_survives)
{
	struct pair early, late;
	int listener;

	if (!connections_start())
		return;
	netns_do("echo %d > /proc/sys/net/netfilter/nf_conntrack_tcp_loose", _i);
	early = connections_make(&here_stranger, &at_stranger, STRANGER, 7000);
	late = connections_make(&here_stranger, &at_stranger, STRANGER, 7001);
	netns_enter(&moved);
	listener = netns_listen(MOVED, 7002);
	netns_enter(&self);
	rules_override(rules, STRANGER, MOVED);
	connections_apply();
	connections_assert_lives(&early, false, "we speak first");
	connections_assert_lives(&late, true, "they speak first");
	connections_begin(&here_stranger, STRANGER, 7002);
	ck_assert(connections_wait(listener, POLLIN, 5000));
	connections_stop();
}
END_TEST

/* Each family has its tables: one that refuses strangers already does so while the other is
 * switched on. */
START_TEST(test_no_family_is_opened)
{
	struct busy *seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int listener;
	pid_t child;

	if (!connections_start())
		return;
	listener = netns_listen(HERE_STRANGER, 7000);
	connections_apply();
	child = fork();
	for (netns_enter(&stranger); child == 0 && !atomic_load(&seen->end);) {
		netns_connect(HERE_STRANGER, 7000, 0);
		atomic_fetch_add(&seen->rounds, 1);
	}
	if (child == 0)
		_exit(0);
	netns_enter(&self);
	for (int i = 0; i < 10; i++) {
		netns_do("ip6tables-legacy -F NETI-INPUT");
		wait_for_rounds(seen, 2);
		connections_apply();
		ck_assert(report.changed); /* of IPv6 alone */
	}
	atomic_store(&seen->end, true);
	waitpid(child, NULL, 0);
	ck_assert(!connections_wait(listener, POLLIN, 0));
	close(listener);
	assert_closed_to_strangers();
	connections_stop();
}
END_TEST

/* A process may hold some thousand descriptors only, a namespace as many sockets as it likes. */
static pid_t open_many(struct busy *made, uint16_t port, unsigned n)
{
	pid_t child = fork();
	int listener;

	if (child)
		return child;
	listener = netns_listen(HERE_STRANGER, port);
	for (unsigned i = 0; i < n; i++) {
		connections_begin(&at_stranger, HERE_STRANGER, port);
		ck_assert(connections_wait(listener, POLLIN, 5000));
		ck_assert_int_ge(accept(listener, NULL, NULL), 0);
		atomic_fetch_add(&made->rounds, 1);
	}
	pause();
	_exit(0);
}

/* The time is only printed: the machine may be busy. */
START_TEST(test_many_connections)
{
	struct busy *made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rlimit limit;
	pid_t children[50];
	unsigned each = 400;
	double begin;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 2 * each + 50)
		test_skip("a process may have %lu descriptors only", (unsigned long)limit.rlim_cur);
	if (!connections_start())
		return;
	for (unsigned i = 0; i < 50; i++)
		children[i] = open_many(made, (uint16_t)(7000 + i), each);
	for (int i = 0; i < 30000 && atomic_load(&made->rounds) < 50 * each; i++)
		usleep(1000);
	begin = clock_seconds(CLOCK_MONOTONIC);
	connections_apply();
	printf("%zu open connections: switched on in %.1f ms\n", report.sockets_learned,
		(clock_seconds(CLOCK_MONOTONIC) - begin) * 1e3);
	ck_assert_uint_ge(report.sockets_learned, 50 * each);
	netns_do("test $(conntrack -C) -ge %u", 50 * each);
	for (unsigned i = 0; i < 50; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	connections_stop();
}
END_TEST

/* reject_all: false: nobody is refused, and nobody is noted who has been here before. */
START_TEST(test_rehearsal_notes_who_begins)
{
	struct pair early[N_KINDS];
	int listener;

	if (!connections_start())
		return;
	netns_do("echo %d > /proc/sys/net/netfilter/nf_conntrack_tcp_loose", _i);
	connect_kinds(early, 5000);
	rules->policy.reject_all = false;
	connections_apply();
	for (size_t i = 0; i < N_KINDS; i++) {
		ck_assert(connections_carry(early[i].caller, early[i].called, 5000));
		ck_assert(connections_carry(early[i].called, early[i].caller, 5000));
	}
	assert_nobody_noted();
	listener = netns_listen(HERE_STRANGER, 7000);
	netns_enter(&stranger);
	ck_assert_int_eq(netns_connect(HERE_STRANGER, 7000, 5000), 0);
	netns_enter(&self);
	witness_do(witness->is_denied, STRANGER " tcp 7000");
	close(listener);
	connections_stop();
}
END_TEST

static void add_switches(void)
{
	test_add_loop(test_open_connections_survive, 0, 2 * sizeof(switches) / sizeof(switches[0]));
}

static void add_rehearsal(void)
{
	test_add_loop(test_rehearsal_notes_who_begins, 0, 2);
}

static void add_survival(void)
{
	test_add(test_half_open_connections_survive);
	test_add_loop(test_connection_to_an_overridden_address_survives, 0, 2);
}

static void add_many(void)
{
	test_add(test_many_connections);
}

static void add_families(void)
{
	test_add(test_no_family_is_opened);
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("opening");
	const struct test_frame frame = { .timeout = 120 };

	witness_cases(suite, &frame, "switches", add_switches);
	witness_cases(suite, &frame, "rehearsal", add_rehearsal);
	witness_cases(suite, &frame, "survival", add_survival);
	witness_cases(suite, &frame, "many", add_many);
	witness_own_cases(suite, &frame, "iptables", "families", add_families);
	return suite;
}
