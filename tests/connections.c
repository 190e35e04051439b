/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections and what they need.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "connections.h"

struct netns_host self, member, moved, stranger;
struct error error;
struct engine_report report;
struct engine *engine;
struct ruleset *rules;

void connections_apply(void)
{
	ck_assert_msg(engine_apply(engine, rules, &report, &error) == 0, "%s", error.text);
}

void connections_update(const struct ruleset *from)
{
	ck_assert_msg(engine_update(engine, from, rules, &report, &error) == 0, "%s", error.text);
}

bool connections_start(void)
{
	if (!witness_start(&self))
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
	engine = check_open();
	rules = rules_new("192.168.0.0/18");
	rules_member(rules, OVERLAY, MEMBER);
	rules->policy.reject_all = true;
	return true;
}

void connections_stop(void)
{
	engine_close(engine);
	rules_free(rules);
}

socklen_t connections_name(struct sockaddr_storage *ret, const char *address, uint16_t port)
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

int connections_begin(const struct end *from, const char *address, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t length = connections_name(&name, address, port);
	int fd;

	netns_enter(from->host);
	fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	connect(fd, (void *)&name, length);
	netns_enter(&self);
	return fd;
}

bool connections_wait(int fd, short events, int milliseconds)
{
	struct pollfd poll_for = { .fd = fd, .events = events };

	return poll(&poll_for, 1, milliseconds) == 1;
}

struct pair connections_make(const struct end *from, const struct end *to, const char *listen_at,
	uint16_t port)
{
	struct pair pair;
	int listener;

	netns_enter(to->host);
	listener = netns_listen(listen_at, port);
	pair.caller = connections_begin(from, to->address, port);
	ck_assert(connections_wait(listener, POLLIN, 5000));
	pair.called = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_ge(pair.called, 0);
	close(listener);
	return pair;
}

bool connections_carry(int from, int to, int milliseconds)
{
	char byte = 0;

	return send(from, "x", 1, MSG_NOSIGNAL) == 1 &&
	       connections_wait(to, POLLIN, milliseconds) && recv(to, &byte, 1, 0) == 1 &&
	       byte == 'x';
}

unsigned connections_retransmitted(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	return info.tcpi_total_retrans;
}

void connections_assert_lives(const struct pair *pair, bool called_first, const char *what)
{
	int first = called_first ? pair->called : pair->caller;
	int second = called_first ? pair->caller : pair->called;

	for (int i = 0; i < 3; i++) {
		ck_assert_msg(connections_carry(first, second, 5000), "%s: cut off", what);
		ck_assert_msg(connections_carry(second, first, 5000), "%s: cut off, answer", what);
	}
	ck_assert_msg(connections_retransmitted(first) + connections_retransmitted(second) == 0,
		"%s: a packet was lost", what);
}
