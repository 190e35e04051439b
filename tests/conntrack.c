/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What becomes of connections: those that were open before the rules, and those to members
 * that move. A host with a member, the place it moves to and a stranger, each on a cable.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/conntrack.h"
#include "engine/engine.h"
#include "netns.h"
#include "rules.h"
#include "test.h"

#define HERE_MEMBER "10.9.1.1" /* this host on the member's cable */
#define MEMBER "10.9.1.2"
#define HERE_STRANGER "10.9.2.1"
#define STRANGER "10.9.2.2"
#define HERE_STRANGER6 "fd00:9::1"
#define STRANGER6 "fd00:9::2"
#define MOVED "10.9.3.2"
#define OVERLAY "192.168.0.5" /* the member's */
#define OTHER "192.168.0.6"   /* of another member at the same address */

#define SHORT 300 /* milliseconds to wait for an answer that should not come */

static struct netns_host self, member, moved, stranger;
static struct error error;
static struct engine_report report;
static struct engine *engine;
static struct ruleset *rules;

static void apply(void)
{
	ck_assert_msg(engine_apply(engine, rules, &report, &error) == 0, "%s", error.text);
}

static void update(const struct ruleset *from)
{
	ck_assert_msg(engine_update(engine, from, rules, &report, &error) == 0, "%s", error.text);
}

static bool start(void)
{
	if (!netns_start(&self))
		return false;
	netns_host(&member, "member");
	netns_host(&moved, "moved");
	netns_host(&stranger, "stranger");
	netns_link(&self, HERE_MEMBER "/24", &member, MEMBER "/24");
	netns_link(&self, "10.9.3.1/24", &moved, MOVED "/24");
	netns_link(&self, HERE_STRANGER "/24", &stranger, STRANGER "/24");
	netns_do("ip route add default via " MEMBER);
	netns_do("ip addr add " HERE_STRANGER6 "/64 dev stranger nodad");
	netns_enter(&moved);
	netns_do("ip route add default via 10.9.3.1");
	netns_enter(&stranger);
	netns_do("ip addr add " STRANGER6 "/64 dev self nodad");
	netns_enter(&self);
	ck_assert_msg(engine_open(&engine, NULL, NULL, &error) == 0, "%s", error.text);
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

static bool has_line(const char *command, const char *line)
{
	char *text = netns_output("%s", command);
	bool found = strstr(text, line) != NULL;

	free(text);
	return found;
}

/*
 * Connections, both ends in this process: a socket stays in the namespace it was made in.
 */
static socklen_t fill(struct sockaddr_storage *ret, const char *address, uint16_t port)
{
	struct sockaddr_in6 *in6 = (void *)ret;
	struct sockaddr_in *in = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	ck_assert_int_eq(inet_pton(AF_INET, address, &in->sin_addr), 1);
	return sizeof(*in);
}

struct end {
	const struct netns_host *host;
	const char *address;
};

struct pair {
	int caller, called;
};

static int begin_connect(const struct end *from, const char *address, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t length = fill(&name, address, port);
	int fd;

	netns_enter(from->host);
	fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	connect(fd, (void *)&name, length);
	netns_enter(&self);
	return fd;
}

static bool becomes(int fd, short events, int milliseconds)
{
	struct pollfd poll_for = { .fd = fd, .events = events };

	return poll(&poll_for, 1, milliseconds) == 1;
}

/* listen_at: where the called end listens, when that is not the address it is called at. */
static struct pair connect_pair(const struct end *from, const struct end *to, const char *listen_at,
	uint16_t port)
{
	struct pair pair;
	int listener;

	netns_enter(to->host);
	listener = netns_listen(listen_at, port);
	pair.caller = begin_connect(from, to->address, port);
	ck_assert(becomes(listener, POLLIN, 5000));
	pair.called = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_ge(pair.called, 0);
	close(listener);
	return pair;
}

static bool carries(int from, int to, int milliseconds)
{
	char byte = 0;

	return send(from, "x", 1, MSG_NOSIGNAL) == 1 && becomes(to, POLLIN, milliseconds) &&
	       recv(to, &byte, 1, 0) == 1 && byte == 'x';
}

static unsigned retransmitted(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	return info.tcpi_total_retrans;
}

/* Every byte comes through at once, whoever speaks first. */
static void assert_lives(const struct pair *pair, bool called_first, const char *what)
{
	int first = called_first ? pair->called : pair->caller;
	int second = called_first ? pair->caller : pair->called;

	for (int i = 0; i < 3; i++) {
		ck_assert_msg(carries(first, second, 5000), "%s: cut off", what);
		ck_assert_msg(carries(second, first, 5000), "%s: cut off, answer", what);
	}
	ck_assert_msg(retransmitted(first) + retransmitted(second) == 0, "%s: a packet was lost",
		what);
}

/*
 * Switching on.
 */
static const struct end here_member = { &self, HERE_MEMBER }, at_member = { &member, MEMBER },
			here_stranger = { &self, HERE_STRANGER }, at_stranger = { &stranger, STRANGER },
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
			if (!carries(pairs[i].caller, pairs[i].called, 5000) ||
				!carries(pairs[i].called, pairs[i].caller, 5000))
				atomic_fetch_add(&busy->lost, 1);
		atomic_fetch_add(&busy->rounds, 1);
	}
	for (size_t i = 0; i < N_KINDS; i++)
		atomic_fetch_add(&busy->lost,
			retransmitted(pairs[i].caller) + retransmitted(pairs[i].called));
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
		pairs[i] = connect_pair(kinds[i].from, kinds[i].to, kinds[i].listen_at,
			(uint16_t)(port + i));
}

/* Datagrams: both sockets are connected, the stranger speaks first. */
static struct pair connect_udp(void)
{
	struct pair pair;
	struct sockaddr_storage here, there;
	socklen_t length = fill(&here, HERE_STRANGER, 4000);

	fill(&there, STRANGER, 4001);
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
	assert_closed_to_strangers();
	for (size_t i = 0; i < N_KINDS; i++) {
		assert_lives(&early[i], false, kinds[i].what);
		assert_lives(&late[i], true, kinds[i].what);
	}
	ck_assert(carries(udp.caller, udp.called, 1000));
	atomic_store(&busy->end, true);
	waitpid(child, NULL, 0);
	ck_assert_uint_eq(busy->lost, 0);
	stop();
}

static void switch_on_fresh(void)
{
	apply();
	ck_assert_uint_eq(report.commits, 5); /* nat, both filters twice */
}

/* Conntrack is on, and has seen one packet of some and none of others. */
static void switch_on_tracked(void)
{
	netns_do("iptables-legacy -A INPUT -m conntrack --ctstate NEW");
	netns_do("ip6tables-legacy -A INPUT -m conntrack --ctstate NEW");
	apply();
}

/* The agent ran with reject_all: false before. */
static void switch_on_by_update(void)
{
	struct ruleset *open = rules_copy(rules);

	open->policy.reject_all = false;
	ck_assert_int_eq(engine_apply(engine, open, &report, &error), 0);
	ck_assert_uint_eq(report.sockets_learned, 0);
	update(open);
	rules_free(open);
}

/* Somebody emptied the chain: the host is open until it is repaired, and learns again. */
static void switch_on_after_drift(void)
{
	apply();
	netns_do("iptables-legacy -F NETI-INPUT; ip6tables-legacy -F NETI-INPUT; conntrack -F");
	apply();
}

static void (*const switches[])(void) = { switch_on_fresh, switch_on_tracked, switch_on_by_update,
	switch_on_after_drift };

START_TEST(test_open_connections_survive)
{
	if (start())
		survive(_i % 2, switches[_i / 2]);
}
END_TEST

/* Answers held back by a neighbour that is not known: what waits leaves when it becomes so. */
static void hold_back(const struct netns_host *host, const char *device, const char *address)
{
	netns_enter(host);
	netns_do("ip neigh flush all; echo 60 > /proc/sys/net/ipv4/neigh/%s/ucast_solicit;"
		 "echo 60 > /proc/sys/net/ipv4/neigh/%s/mcast_solicit; ip neigh del %s dev %s; true",
		device, device, address, device);
	netns_enter(&self);
}

static void know(const struct netns_host *host, const char *device, const char *address,
	const char *link)
{
	netns_enter(host);
	netns_do("ip neigh replace %s lladdr %.17s dev %s nud permanent", address, link, device);
	netns_enter(&self);
}

static char *link_of(const struct netns_host *host, const char *device)
{
	char *text;

	netns_enter(host);
	text = netns_output("cat /sys/class/net/%s/address 2>/dev/null ||"
			    "ip -o link show dev %s | sed 's/.*ether \\([^ ]*\\).*/\\1/'",
		device, device);
	netns_enter(&self);
	return text;
}

START_TEST(test_half_open_connections_survive)
{
	char *here, *there;
	int fd, listener;

	if (!start())
		return;
	netns_do("for n in all stranger; do echo 8 > /proc/sys/net/ipv4/conf/$n/arp_ignore; done");
	netns_enter(&stranger);
	netns_do("for n in all self; do echo 8 > /proc/sys/net/ipv4/conf/$n/arp_ignore; done");
	netns_enter(&self);
	here = link_of(&self, "stranger");
	there = link_of(&stranger, "self");
	netns_enter(&stranger);
	listener = netns_listen(STRANGER, 7000);
	netns_enter(&self);
	/* Ours: the answer to the SYN waits at the stranger's. */
	hold_back(&stranger, "self", HERE_STRANGER);
	know(&self, "stranger", STRANGER, there);
	fd = begin_connect(&here_stranger, STRANGER, 7000);
	apply();
	ck_assert(!becomes(listener, POLLIN, 0));
	know(&stranger, "self", HERE_STRANGER, here);
	ck_assert(becomes(fd, POLLOUT, 800));
	ck_assert(becomes(listener, POLLIN, 800));
	ck_assert_uint_eq(retransmitted(fd), 0);
	ck_assert_int_eq(engine_flush(engine, &report, &error), 0);
	netns_do("conntrack -F");
	/* The stranger's: our answer waits here. */
	listener = netns_listen(HERE_STRANGER, 7000);
	hold_back(&self, "stranger", STRANGER);
	fd = begin_connect(&at_stranger, HERE_STRANGER, 7000);
	apply();
	ck_assert(!becomes(listener, POLLIN, 0));
	know(&self, "stranger", STRANGER, there);
	ck_assert(becomes(fd, POLLOUT, 800));
	ck_assert(becomes(listener, POLLIN, 800));
	ck_assert_uint_eq(retransmitted(fd), 0);
	free(here);
	free(there);
	stop();
}
END_TEST

/* One family that refuses strangers already does so while the other is switched on. */
START_TEST(test_no_family_is_opened)
{
	struct busy *seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int listener;
	pid_t child;

	if (!start())
		return;
	listener = netns_listen(HERE_STRANGER, 7000);
	apply();
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
		apply();
		ck_assert_uint_eq(report.commits, 2); /* of IPv6 alone */
	}
	atomic_store(&seen->end, true);
	waitpid(child, NULL, 0);
	ck_assert(!becomes(listener, POLLIN, 0));
	close(listener);
	assert_closed_to_strangers();
	stop();
}
END_TEST

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A process may hold some thousand descriptors only, a namespace as many sockets as it likes. */
static pid_t open_many(struct busy *made, uint16_t port, unsigned n)
{
	pid_t child = fork();
	int listener;

	if (child)
		return child;
	listener = netns_listen(HERE_STRANGER, port);
	for (unsigned i = 0; i < n; i++) {
		begin_connect(&at_stranger, HERE_STRANGER, port);
		ck_assert(becomes(listener, POLLIN, 5000));
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
	if (!start())
		return;
	for (unsigned i = 0; i < 50; i++)
		children[i] = open_many(made, (uint16_t)(7000 + i), each);
	for (int i = 0; i < 30000 && atomic_load(&made->rounds) < 50 * each; i++)
		usleep(1000);
	begin = now();
	apply();
	printf("%zu open connections: switched on in %.1f ms\n", report.sockets_learned,
		(now() - begin) * 1e3);
	ck_assert_uint_ge(report.sockets_learned, 50 * each);
	netns_do("test $(conntrack -C) -ge %u", 50 * each);
	for (unsigned i = 0; i < 50; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	stop();
}
END_TEST

/*
 * Members that move.
 */
static int open_udp(const struct netns_host *host, const char *address, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t length = fill(&name, address, port);
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
	return carries(sender, receiver, 1000);
}

START_TEST(test_udp_follows)
{
	struct ruleset *before;
	int sender, old, new;

	if (!start())
		return;
	old = open_udp(&member, MEMBER, 7000);
	new = open_udp(&moved, MOVED, 7000);
	apply();
	sender = open_udp(&self, OVERLAY, 7000);
	ck_assert(reaches(sender, old));
	before = rules_copy(rules);
	rules_member(rules, OVERLAY, MOVED);
	update(before); /* the step is known */
	ck_assert_uint_eq(report.flows_forgotten, 1);
	ck_assert(reaches(sender, new));
	rules_member(rules, OVERLAY, MEMBER);
	apply(); /* what was before is not known */
	ck_assert_uint_eq(report.flows_forgotten, 1);
	ck_assert(reaches(sender, old));
	apply();
	ck_assert_uint_eq(report.flows_forgotten, 0);
	rules_free(before);
	before = rules_copy(rules);
	rules_remove(rules, OVERLAY);
	update(before); /* gone */
	ck_assert_int_eq(send(sender, "x", 1, 0), -1);
	ck_assert(!becomes(old, POLLIN, SHORT));
	rules_free(before);
	stop();
}
END_TEST

/* More than are asked for one by one, and some that stay where they are. */
START_TEST(test_many_members_move)
{
	struct ruleset *before;
	int sender[10], old, new;
	char overlay[32];

	if (!start())
		return;
	old = open_udp(&member, MEMBER, 7000);
	new = open_udp(&moved, MOVED, 7000);
	for (int i = 0; i < 10; i++) {
		snprintf(overlay, sizeof(overlay), "192.168.1.%d", i + 1);
		rules_member(rules, overlay, MEMBER);
		sender[i] = open_udp(&self, overlay, 7000);
	}
	apply();
	for (int i = 0; i < 10; i++)
		ck_assert(reaches(sender[i], old));
	before = rules_copy(rules);
	for (int i = 0; i < 8; i++) {
		snprintf(overlay, sizeof(overlay), "192.168.1.%d", i + 1);
		rules_member(rules, overlay, MOVED);
	}
	update(before);
	ck_assert_uint_eq(report.flows_forgotten, 8);
	for (int i = 0; i < 10; i++)
		ck_assert(reaches(sender[i], i < 8 ? new : old));
	rules_free(before);
	stop();
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

	if (!start())
		return;
	rules_member(rules, OTHER, MEMBER);
	apply();
	pair = connect_pair(&here_member, &overlay, MEMBER, 7000);
	before = rules_copy(rules);
	rules_member(rules, OVERLAY, MOVED); /* the other member still is there */
	if (_i == 0)
		update(before);
	else
		apply();
	assert_lives(&pair, false, "to a member that moved");
	ck_assert_uint_eq(report.flows_forgotten, 0);
	rules_free(before);
	before = rules_copy(rules);
	rules_member(rules, OVERLAY, MEMBER);
	update(before); /* and back */
	assert_lives(&pair, true, "to a member that came back");
	rules_free(before);
	before = rules_copy(rules);
	rules_member(rules, OVERLAY, MOVED);
	rules_member(rules, OTHER, MOVED);
	if (_i == 0)
		update(before);
	else
		apply();
	ck_assert_uint_eq(report.flows_forgotten, 1);
	ck_assert(!is_tracked(OVERLAY));
	/* The new place does not know the connection and says so. */
	ck_assert_int_eq(send(pair.caller, "x", 1, MSG_NOSIGNAL), 1);
	ck_assert(becomes(pair.caller, POLLIN, 1000));
	ck_assert_int_eq(recv(pair.caller, &byte, 1, 0), -1);
	rules_free(before);
	stop();
}
END_TEST

/* A flow that was on its way before the rules were made, and the kernel tracked it. */
START_TEST(test_flow_older_than_the_rules)
{
	int sender, receiver;

	if (!start())
		return;
	netns_do("iptables-legacy -A INPUT -m conntrack --ctstate NEW");
	receiver = open_udp(&member, MEMBER, 7000);
	sender = open_udp(&self, OVERLAY, 7000);
	ck_assert(!carries(sender, receiver, 100));
	apply();
	ck_assert_uint_eq(report.flows_forgotten, 1);
	ck_assert(reaches(sender, receiver));
	stop();
}
END_TEST

START_TEST(test_overrides_are_followed)
{
	struct ruleset *before;
	int sender, old, new;

	if (!start())
		return;
	old = open_udp(&member, MEMBER, 7000);
	new = open_udp(&moved, MOVED, 7000);
	rules_override(rules, "172.31.0.2", MEMBER);
	apply();
	sender = open_udp(&self, "172.31.0.2", 7000);
	ck_assert(reaches(sender, old));
	before = rules_copy(rules);
	address_parse(MOVED, &rules->policy.nat_overrides[0].to);
	update(before);
	ck_assert(reaches(sender, new));
	rules_free(before);
	before = rules_copy(rules);
	rules->policy.n_nat_overrides = 0;
	update(before);
	ck_assert_uint_eq(report.flows_forgotten, 1);
	ck_assert(!carries(sender, new, SHORT));
	rules_free(before);
	stop();
}
END_TEST

/* Killed between the rules and the flows: the next agent has nothing to change but them. */
START_TEST(test_next_engine_finishes)
{
	int sender, old, new;

	if (!start())
		return;
	old = open_udp(&member, MEMBER, 7000);
	new = open_udp(&moved, MOVED, 7000);
	apply();
	sender = open_udp(&self, OVERLAY, 7000);
	ck_assert(reaches(sender, old));
	netns_do("iptables-legacy-save -t nat | sed 's/" MEMBER "$/" MOVED "/' |"
		 "iptables-legacy-restore; ipset add neti-peers " MOVED "; ipset del neti-peers " MEMBER);
	rules_member(rules, OVERLAY, MOVED);
	engine_close(engine);
	ck_assert_int_eq(engine_open(&engine, NULL, NULL, &error), 0);
	apply();
	ck_assert_uint_eq(report.commits, 0);
	ck_assert(reaches(sender, new));
	stop();
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

	if (!start())
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
	ck_assert_uint_ge(number_in("nf_conntrack_buckets"), number_in("nf_conntrack_max"));
	stop();
}
END_TEST

/* The engine does it before the first rule, with the number of its settings. */
START_TEST(test_size_is_set_first)
{
	struct engine_config config = { .conntrack_max = 7777777 };

	if (!start())
		return;
	netns_do("mount --make-rprivate /");
	lay_over("nf_conntrack_max", 1000);
	lay_over("nf_conntrack_buckets", 1000);
	engine_close(engine);
	ck_assert_int_eq(engine_open(&engine, NULL, &config, &error), 0);
	apply();
	ck_assert_uint_eq(number_in("nf_conntrack_max"), 7777777);
	ck_assert_uint_eq(number_in("nf_conntrack_buckets"), 4194304);
	stop();
}
END_TEST

START_TEST(test_levels)
{
	struct engine_level levels[ENGINE_TABLES];

	if (!start())
		return;
	engine_levels(engine, levels);
	ck_assert_uint_eq(levels[ENGINE_PEERS].max, 0);
	rules_fill(rules, 100);
	apply();
	netns_do("conntrack -F; ipset add neti-denied 1.2.3.4,tcp:5");
	netns_do("conntrack -I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 2 -t 100");
	engine_levels(engine, levels);
	ck_assert_uint_eq(levels[ENGINE_PEERS].entries, 100);
	ck_assert_uint_eq(levels[ENGINE_PEERS].max, 1048576);
	ck_assert_uint_eq(levels[ENGINE_DENIED].entries, 1);
	ck_assert_uint_eq(levels[ENGINE_DENIED].max, 65536);
	ck_assert_uint_eq(levels[ENGINE_CONNTRACK].entries, 1);
	ck_assert_uint_gt(levels[ENGINE_CONNTRACK].max, 1000);
	stop();
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("conntrack");
	TCase *tcase = tcase_create("kernel");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, test_open_connections_survive, 0,
		2 * sizeof(switches) / sizeof(switches[0]));
	tcase_add_test(tcase, test_half_open_connections_survive);
	tcase_add_test(tcase, test_no_family_is_opened);
	tcase_add_test(tcase, test_many_connections);
	tcase_add_test(tcase, test_udp_follows);
	tcase_add_test(tcase, test_many_members_move);
	tcase_add_loop_test(tcase, test_tcp_is_cut_when_its_target_left, 0, 2);
	tcase_add_test(tcase, test_flow_older_than_the_rules);
	tcase_add_test(tcase, test_overrides_are_followed);
	tcase_add_test(tcase, test_next_engine_finishes);
	tcase_add_test(tcase, test_size);
	tcase_add_test(tcase, test_size_is_set_first);
	tcase_add_test(tcase, test_levels);
	suite_add_tcase(suite, tcase);
	return suite;
}
