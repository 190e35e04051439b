/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the rules do to packets: a host with a member on one cable and a stranger on another.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine_fixture.h"

#define HERE_MEMBER "10.9.1.1" /* this host on the member's cable */
#define MEMBER "10.9.1.2"
#define HERE_STRANGER "10.9.2.1"
#define STRANGER "10.9.2.2"
#define OVERLAY "192.168.0.5" /* the member's */

#define LONG 5000
#define SHORT 300 /* milliseconds to wait for an answer that should not come */

static struct netns_host self, member, stranger;
static struct error error;
static struct engine_report report;
static struct engine *engine;
static struct ruleset *rules;

static void apply(void)
{
	ck_assert_msg(engine_apply(engine, rules, &report, &error) == 0, "%s", error.text);
}

static bool start(void)
{
	if (!witness_start(&self))
		return false;
	netns_host(&member, "member");
	netns_host(&stranger, "stranger");
	netns_link(&self, HERE_MEMBER "/24", &member, MEMBER "/24");
	netns_link(&self, HERE_STRANGER "/24", &stranger, STRANGER "/24");
	netns_do("ip route add default via " MEMBER);
	netns_enter(&stranger);
	netns_do("ip route add default via " HERE_STRANGER);
	netns_enter(&self);
	engine = check_open();
	rules = rules_new("192.168.0.0/18");
	rules_member(rules, OVERLAY, MEMBER);
	rules->policy.reject_all = true;
	return true;
}

static void stop(void)
{
	engine_close(engine);
	rules_free(rules);
}

/* Silence needs a short wait; an answer is waited for as long as a lost first packet takes. */
static int try_connect(const char *address, uint16_t port, int expected)
{
	return netns_connect(address, port, expected == -ETIMEDOUT ? SHORT : LONG);
}

static void from(const struct netns_host *host, const char *address, uint16_t port, int expected)
{
	netns_enter(host);
	ck_assert_int_eq(try_connect(address, port, expected), expected);
	netns_enter(&self);
}

START_TEST(test_who_is_let_in)
{
	if (!start())
		return;
	netns_listen("0.0.0.0", 7000);
	netns_listen("0.0.0.0", 8080);
	netns_listen("0.0.0.0", 22);
	from(&stranger, HERE_STRANGER, 7000, 0); /* before */
	rules_open(rules, IPPROTO_TCP, 8000, 8100);
	apply();
	from(&member, HERE_MEMBER, 7000, 0);
	from(&stranger, HERE_STRANGER, 7000, -ETIMEDOUT);
	from(&stranger, HERE_MEMBER, 7000, -ETIMEDOUT);
	from(&stranger, HERE_STRANGER, 8080, 0);
	from(&stranger, HERE_STRANGER, 22, -ETIMEDOUT);
	rules_ssh(rules, STRANGER "/32");
	apply();
	from(&stranger, HERE_STRANGER, 22, 0);
	from(&stranger, HERE_STRANGER, 7000, -ETIMEDOUT);
	rules_trust(rules, "10.9.2.0/24");
	apply();
	from(&stranger, HERE_STRANGER, 7000, 0);
	rules->policy.n_trusted = 0;
	rules->policy.reject_all = false;
	apply();
	from(&stranger, HERE_STRANGER, 7000, 0);
	stop();
}
END_TEST

/* Who was or would have been refused is counted, packet by packet. */
START_TEST(test_denied_is_counted)
{
	if (!start())
		return;
	for (int closed = 0; closed < 2; closed++) {
		rules->policy.reject_all = closed;
		apply();
		netns_enter(&stranger);
		netns_do("bash -c 'for i in 1 2 3; do echo x > /dev/udp/" HERE_STRANGER
			 "/99; done'");
		netns_enter(&self);
		/* The last packet may still be on its way through a busy kernel. */
		netns_do("for i in $(seq 50); do { %s; } | grep -x '" STRANGER
			 " udp 99 %d' && exit; "
			 "sleep 0.1; done; exit 1",
			witness->denied, 3 * (closed + 1));
	}
	netns_do("! { %s; } | grep '" MEMBER "'", witness->denied);
	stop();
}
END_TEST

START_TEST(test_ping)
{
	if (!start())
		return;
	apply();
	witness_do(witness->answers_ping, "");
	rules->policy.icmp = false;
	apply();
	witness_not(witness->answers_ping, "");
	stop();
}
END_TEST

START_TEST(test_overlay)
{
	char source[46];
	struct timespec before, after;
	int listener;

	if (!start())
		return;
	netns_enter(&member);
	listener = netns_listen("0.0.0.0", 7000);
	netns_enter(&self);
	ck_assert_int_ne(netns_connect(OVERLAY, 7000, SHORT), 0);
	apply();
	ck_assert_int_eq(netns_seen(listener, OVERLAY, 7000, source), 0);
	ck_assert_str_eq(source, HERE_MEMBER);

	clock_gettime(CLOCK_MONOTONIC, &before);
	ck_assert_int_eq(netns_connect("192.168.0.6", 7000, LONG), -EHOSTUNREACH);
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_int_eq(after.tv_sec - before.tv_sec > 1, 0);

	rules_override(rules, "192.168.0.6", MEMBER);
	rules_override(rules, "172.31.0.9", MEMBER);
	apply();
	ck_assert_int_eq(netns_seen(listener, "192.168.0.6", 7000, source), 0);
	ck_assert_int_eq(netns_seen(listener, "172.31.0.9", 7000, source), 0);

	rules_remove(rules, OVERLAY);
	apply();
	ck_assert_int_eq(netns_connect(OVERLAY, 7000, LONG), -EHOSTUNREACH);
	stop();
}
END_TEST

/* Containers behind this host: their packets come through PREROUTING and FORWARD. */
START_TEST(test_forwarded)
{
	struct netns_host container;
	char source[46];
	int listener;

	if (!start())
		return;
	netns_host(&container, "container");
	netns_link(&self, "10.9.3.1/24", &container, "10.9.3.2/24");
	netns_do("echo 1 > /proc/sys/net/ipv4/ip_forward");
	netns_enter(&container);
	netns_do("ip route add default via 10.9.3.1");
	netns_enter(&member);
	netns_do("ip route add 10.9.3.0/24 via " HERE_MEMBER);
	listener = netns_listen("0.0.0.0", 7000);
	netns_enter(&self);
	rules->policy.forwarded = true;
	apply();
	netns_enter(&container);
	ck_assert_int_eq(netns_seen(listener, OVERLAY, 7000, source), 0);
	ck_assert_str_eq(source, "10.9.3.2");
	ck_assert_int_eq(netns_connect("192.168.0.6", 7000, LONG), -EHOSTUNREACH);
	netns_enter(&self);
	rules->policy.forwarded = false;
	apply();
	netns_enter(&container);
	ck_assert_int_ne(netns_connect(OVERLAY, 7000, SHORT), 0);
	netns_enter(&self);
	stop();
}
END_TEST

START_TEST(test_ipv6)
{
	if (!start())
		return;
	netns_do("ip addr add fd00:9::1/64 dev stranger nodad");
	netns_enter(&stranger);
	netns_do("ip addr add fd00:9::2/64 dev self nodad");
	netns_enter(&self);
	netns_listen("::", 7000);
	netns_listen("::", 8080);
	rules_open(rules, IPPROTO_TCP, 8080, 8080);
	apply();
	/* Neighbour discovery must work for this. */
	from(&stranger, "fd00:9::1", 8080, 0);
	from(&stranger, "fd00:9::1", 7000, -ETIMEDOUT);
	rules_trust(rules, "fd00:9::/64");
	apply();
	from(&stranger, "fd00:9::1", 7000, 0);
	rules->policy.n_trusted = 0;
	rules->policy.reject_all = false;
	apply();
	from(&stranger, "fd00:9::1", 7000, 0);
	witness_not(witness->has_ipv6, "");
	stop();
}
END_TEST

/* What the probers of the window test count, in memory that they share. */
struct counts {
	atomic_bool end;
	atomic_uint sent_member, sent_stranger, connected, failed, refused;
};

static pid_t prober(const struct netns_host *host, struct counts *counts,
	void (*probe)(struct counts *counts))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	netns_enter(host);
	while (!atomic_load(&counts->end)) {
		probe(counts);
		usleep(50);
	}
	_exit(0);
}

/* Each from a port of its own, so that conntrack sees a new flow every time. */
static void send_one(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(7000) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, address, &to.sin_addr);
	if (sendto(fd, "x", 1, 0, (void *)&to, sizeof(to)) != 1)
		_exit(1);
	close(fd);
}

static void probe_member(struct counts *counts)
{
	send_one(HERE_MEMBER);
	atomic_fetch_add(&counts->sent_member, 1);
}

static void probe_stranger(struct counts *counts)
{
	send_one(HERE_STRANGER);
	atomic_fetch_add(&counts->sent_stranger, 1);
}

static void probe_overlay(struct counts *counts)
{
	atomic_fetch_add(netns_connect(OVERLAY, 7000, 2000) == 0 ? &counts->connected :
								   &counts->failed,
		1);
}

static void accept_all(int listener, struct counts *counts)
{
	while (!atomic_load(&counts->end)) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			close(fd);
		else
			usleep(100);
	}
	_exit(0);
}

static int open_udp(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(7000) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = 1 << 26;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	ck_assert_int_eq(bind(fd, (void *)&name, sizeof(name)), 0);
	return fd;
}

static void drain(int fd, unsigned *from_member, unsigned *from_stranger)
{
	struct sockaddr_in name;
	socklen_t length = sizeof(name);
	char byte;

	while (recvfrom(fd, &byte, 1, 0, (void *)&name, &length) == 1)
		++*(ntohl(name.sin_addr.s_addr) == 0x0a090102 ? from_member : from_stranger);
}

/* Each kind of change, again and again. */
static void change_something(unsigned round)
{
	struct ruleset *before = rules_copy(rules);
	char overlay[32], target[32];
	int r = 0;

	snprintf(overlay, sizeof(overlay), "192.168.%u.%u", round % 60, round % 7 + 10);
	snprintf(target, sizeof(target), "10.8.%u.%u", round % 200, round % 7 + 1);
	if (round % 3 == 2)
		rules_remove(rules, overlay);
	else
		rules_member(rules, overlay, target);
	if (round % 5 == 0)
		rules->policy.icmp = !rules->policy.icmp;
	if (round % 20 == 7)
		witness_do(witness->cut_in[1], "");
	if (round % 20 == 9)
		witness_do(witness->cut_in[0], "");
	if (round % 2)
		r = engine_update(engine, before, rules, &report, &error);
	if (r == -ESTALE || round % 2 == 0)
		r = engine_apply(engine, rules, &report, &error);
	ck_assert_msg(r == 0, "%s", error.text);
	rules_free(before);
}

/* Members and strangers knock while the rules are changed, step by step. */
static void knock_while(void (*step)(unsigned round), unsigned rounds)
{
	struct counts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned from_member = 0, from_stranger = 0;
	pid_t children[4];
	int udp, listener;

	netns_enter(&member);
	listener = netns_listen("0.0.0.0", 7000);
	children[0] = fork();
	if (children[0] == 0)
		accept_all(listener, counts);
	netns_enter(&self);
	udp = open_udp();
	rules_fill(rules, 2000);
	rules_member(rules, OVERLAY, MEMBER);
	apply();
	children[1] = prober(&member, counts, probe_member);
	children[2] = prober(&stranger, counts, probe_stranger);
	children[3] = prober(&self, counts, probe_overlay);
	for (unsigned round = 0; round < rounds || counts->sent_stranger < 500 ||
				 counts->sent_member < 500 || counts->connected < 100;
		round++) {
		step(round);
		drain(udp, &from_member, &from_stranger);
	}
	atomic_store(&counts->end, true);
	for (size_t i = 0; i < 4; i++)
		waitpid(children[i], NULL, 0);
	drain(udp, &from_member, &from_stranger);
	ck_assert_uint_eq(from_stranger, 0);
	ck_assert_uint_eq(from_member, counts->sent_member);
	ck_assert_uint_eq(counts->failed, 0);
}

START_TEST(test_no_window)
{
	if (!start())
		return;
	knock_while(change_something, 200);
	stop();
}
END_TEST

/* What only one engine has put up is there, and nothing of the other's. */
static void exchange(unsigned round)
{
	static const char *const names[] = { "iptables", "nftables" };
	struct settings *settings = check_settings();
	struct buffer diff = { 0 };
	struct address *peers;
	size_t n;

	engine_close(engine);
	free(settings->engine);
	settings->engine = strdup(names[round % 2]);
	ck_assert_msg(engine_open(&engine, settings, NULL, &error) == 0, "%s", error.text);
	ck_assert_int_eq(engine_compare(engine, rules, &diff, &error), 1);
	/* Whoever counts removals counts those that the other one lets in. */
	ck_assert_int_eq(engine_peers(engine, &peers, &n, &error), 0);
	ck_assert_uint_eq(n, rules->n_peers);
	free(peers);
	ck_assert_ptr_nonnull(strstr(buffer_text(&diff), names[(round + 1) % 2]));
	buffer_clear(&diff);
	apply();
	ck_assert(report.changed);
	check_equal(engine, rules);
	settings_free(settings);
	netns_do(round % 2 ? "! iptables-legacy-save | grep NETI && ! ipset list -n | grep neti" :
			     "! nft list table inet neti");
}

START_TEST(test_exchange_of_engines)
{
	if (!start())
		return;
	knock_while(exchange, 20);
	check_flush(engine);
	netns_do("! iptables-legacy-save | grep NETI && ! nft list table inet neti");
	stop();
}
END_TEST

static void probe_refusal(struct counts *counts)
{
	int r = netns_connect(OVERLAY, 7000, 1);

	atomic_fetch_add(r == 0 ? &counts->connected : &counts->failed, 1);
	atomic_fetch_add(&counts->refused, r == -EHOSTUNREACH);
}

/* Without rules nobody answers; "host unreachable" for a member can come from our rules alone. */
START_TEST(test_switching_on_and_off_refuses_no_member)
{
	struct counts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t children[4];

	if (!start())
		return;
	netns_enter(&member);
	netns_listen("0.0.0.0", 7000);
	netns_enter(&self);
	rules_fill(rules, 2000);
	rules_member(rules, OVERLAY, MEMBER);
	for (size_t i = 0; i < 4; i++)
		children[i] = prober(&self, counts, probe_refusal);
	/* More rounds where the probers get no turn: they must have met both states. */
	for (unsigned round = 0; round < 60 || (counts->connected == 0 && round < 1000); round++) {
		apply();
		usleep(round < 60 ? 500 : 10000);
		ck_assert_int_eq(engine_flush(engine, &report, &error), 0);
	}
	atomic_store(&counts->end, true);
	for (size_t i = 0; i < 4; i++)
		waitpid(children[i], NULL, 0);
	ck_assert_uint_gt(counts->connected, 0);
	ck_assert_uint_gt(counts->failed, 0);
	ck_assert_uint_eq(counts->refused, 0);
	stop();
}
END_TEST

static void wait_for_probes(const struct counts *counts)
{
	unsigned of_member = counts->sent_member + 10, of_stranger = counts->sent_stranger + 10;

	while (counts->sent_member < of_member || counts->sent_stranger < of_stranger)
		usleep(100);
}

START_TEST(test_no_window_while_it_is_put_right)
{
	struct counts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned from_member = 0, from_stranger = 0;
	pid_t children[4];
	int udp, listener;

	if (!start())
		return;
	netns_enter(&member);
	listener = netns_listen("0.0.0.0", 7000);
	netns_enter(&self);
	udp = open_udp();
	rules_fill(rules, 2000);
	rules_member(rules, OVERLAY, MEMBER);
	apply();
	for (unsigned round = 0; round < 10; round++) {
		witness_do(witness->spoilers[_i], MEMBER " " OVERLAY);
		drain(udp, &from_member, &from_stranger);
		from_member = from_stranger = 0;
		*counts = (struct counts){ 0 };
		children[0] = prober(&member, counts, probe_member);
		children[1] = prober(&stranger, counts, probe_stranger);
		children[2] = prober(&self, counts, probe_overlay);
		children[3] = fork();
		if (children[3] == 0)
			accept_all(listener, counts);
		wait_for_probes(counts);
		apply();
		wait_for_probes(counts);
		atomic_store(&counts->end, true);
		for (size_t i = 0; i < 4; i++)
			waitpid(children[i], NULL, 0);
		drain(udp, &from_member, &from_stranger);
		ck_assert_uint_eq(from_member, counts->sent_member);
		ck_assert_uint_eq(from_stranger, 0);
		ck_assert_uint_gt(counts->connected, 0);
		ck_assert_uint_eq(counts->failed, 0);
	}
	witness_do(witness->spoiled_no_more, "");
	stop();
}
END_TEST

static void add_strangers(void)
{
	test_add(test_who_is_let_in, test_denied_is_counted, test_ping);
}

static void add_roads(void)
{
	test_add(test_overlay, test_forwarded, test_ipv6);
}

/* As long as strangers are refused they stay refused while the rest is put right. */
static void meddle_and_repair(unsigned round)
{
	static const char *const damage[] = {
		"nft add rule inet neti input accept",
		"nft add rule inet neti input tcp dport '{ 80, 443 }' accept",
		"nft flush chain inet neti paths",
		"nft add chain inet neti mine",
	};

	netns_do("%s", damage[round % (sizeof(damage) / sizeof(*damage))]);
	apply();
}

START_TEST(test_repair_lets_nobody_in)
{
	struct counts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned from_member = 0, from_stranger = 0;
	pid_t child;
	int udp;

	if (!start())
		return;
	udp = open_udp();
	rules_fill(rules, 2000);
	rules_member(rules, OVERLAY, MEMBER);
	apply();
	child = prober(&stranger, counts, probe_stranger);
	for (unsigned round = 0; round < 40 || counts->sent_stranger < 500; round++)
		meddle_and_repair(round);
	atomic_store(&counts->end, true);
	waitpid(child, NULL, 0);
	drain(udp, &from_member, &from_stranger);
	ck_assert_uint_eq(from_stranger, 0);
	stop();
}
END_TEST

static void add_exchange(void)
{
	test_add(test_exchange_of_engines, test_repair_lets_nobody_in);
}

static void add_no_window(void)
{
	test_add(test_no_window, test_switching_on_and_off_refuses_no_member);
	test_add_loop(test_no_window_while_it_is_put_right, 0, witness->n_spoilers);
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("packets");
	const struct test_frame frame = { .timeout = 120 };

	witness_cases(suite, &frame, "strangers", add_strangers);
	witness_cases(suite, &frame, "roads", add_roads);
	witness_cases(suite, &frame, "no-window", add_no_window);
	witness_own_cases(suite, &frame, "nftables", "exchange", add_exchange);
	return suite;
}
