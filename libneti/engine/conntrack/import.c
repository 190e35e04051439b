/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Enters the sockets of this network namespace into the table of connections, so that rules
 * which let in what is established know those that are older than the tracking.
 *
 * What goes through the host has no socket here, and no INPUT chain either. Half-open
 * connections are learned as such: an answer to a SYN of ours finds its entry, and so does the
 * last step of one that somebody began. Two kinds are not imported. One begun by a SYN cookie
 * has no socket until its last step, which then is refused: the other side sees a connection
 * that does not answer. TIME_WAIT has nothing left to say.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "conntrack.h"
#include "message.h"

/* What the kernel would hold of a connection in this state, had it watched. */
static const struct state {
	uint8_t protocol;
	uint8_t socket; /* its state */
	uint8_t tcp;
	bool unanswered;
	bool begun_there; /* else taken as begun here: once both have spoken it does not matter */
	const char *timeout;
	uint32_t otherwise; /* the kernel's default of it */
} states[] = {
	{ IPPROTO_TCP, TCP_SYN_SENT, TCP_CONNTRACK_SYN_SENT, true, false,
		"nf_conntrack_tcp_timeout_syn_sent", 120 },
	{ IPPROTO_TCP, TCP_SYN_RECV, TCP_CONNTRACK_SYN_RECV, false, true,
		"nf_conntrack_tcp_timeout_syn_recv", 60 },
	{ IPPROTO_TCP, TCP_ESTABLISHED, TCP_CONNTRACK_ESTABLISHED, false, false,
		"nf_conntrack_tcp_timeout_established", 432000 },
	{ IPPROTO_TCP, TCP_FIN_WAIT1, TCP_CONNTRACK_FIN_WAIT, false, false,
		"nf_conntrack_tcp_timeout_fin_wait", 120 },
	{ IPPROTO_TCP, TCP_FIN_WAIT2, TCP_CONNTRACK_CLOSE_WAIT, false, false,
		"nf_conntrack_tcp_timeout_close_wait", 60 },
	{ IPPROTO_TCP, TCP_CLOSE_WAIT, TCP_CONNTRACK_CLOSE_WAIT, false, false,
		"nf_conntrack_tcp_timeout_close_wait", 60 },
	{ IPPROTO_TCP, TCP_CLOSING, TCP_CONNTRACK_LAST_ACK, false, false,
		"nf_conntrack_tcp_timeout_last_ack", 30 },
	{ IPPROTO_TCP, TCP_LAST_ACK, TCP_CONNTRACK_LAST_ACK, false, false,
		"nf_conntrack_tcp_timeout_last_ack", 30 },
	/* A connected socket; one that is not has no other side to learn. */
	{ IPPROTO_UDP, TCP_ESTABLISHED, 0, false, false, "nf_conntrack_udp_timeout_stream", 120 },
};
#define N_STATES (sizeof(states) / sizeof(states[0]))

struct import {
	const struct ruleset *wanted;
	struct netlink_batch *batch;
	struct imported imported;
	uint8_t protocol;
	uint32_t timeouts[N_STATES];
};

static struct address socket_address(uint8_t family, const __be32 raw[4])
{
	struct address address = { .family = family };
	struct in_addr in;
	struct in6_addr in6;

	memcpy(&in6, raw, sizeof(in6));
	if (family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&in6)) {
		memcpy(address.bytes, &in6, sizeof(address.bytes));
		return address;
	}
	in.s_addr = family == AF_INET6 ? raw[3] : raw[0];
	return address_from_ipv4(in);
}

static void turn_round(struct flow *flow)
{
	*flow = (struct flow){ flow->protocol, flow->destination, flow->source,
		flow->destination_port, flow->source_port };
}

/* Both messages at once, without a question in between: where the kernel has met the
 * connection by now it may have seen one side of it only, and would refuse that side. */
static int enter(struct import *import, const struct flow *flow, const struct state *state)
{
	const struct entry_state wanted = { !state->unanswered, state->tcp,
		import->timeouts[state - states] };
	void *space = netlink_batch_next(import->batch);

	if (!space)
		return -EIO; /* netlink_batch_close says why */
	entry_create(space, flow, &wanted);
	import->imported.sockets++;
	if (state->unanswered)
		return 0;
	space = netlink_batch_next(import->batch);
	if (!space)
		return -EIO;
	entry_confirm(space, flow);
	return 0;
}

/* An entry made here has no translation, and the kernel asks for one only once a flow. What is
 * established with an address that is only now overridden goes on as it is. */
static bool is_led_elsewhere(const struct ruleset *wanted, const struct flow *flow,
	const struct state *state)
{
	bool settled = flow->protocol == IPPROTO_TCP && !state->unanswered;

	if (prefix_contains(&wanted->overlay, &flow->destination))
		return true;
	for (size_t i = 0; i < wanted->policy.n_nat_overrides && !settled; i++)
		if (address_equal(&wanted->policy.nat_overrides[i].from, &flow->destination))
			return true;
	return false;
}

static int on_socket(void *data, const struct nlmsghdr *message)
{
	struct import *import = data;
	const struct inet_diag_msg *found;
	struct flow flow = { .protocol = import->protocol };
	size_t size, i = 0;

	found = netlink_payload(message, &size);
	if (size < sizeof(*found))
		return 0;
	flow.source = socket_address(found->idiag_family, found->id.idiag_src);
	flow.destination = socket_address(found->idiag_family, found->id.idiag_dst);
	flow.source_port = found->id.idiag_sport;
	flow.destination_port = found->id.idiag_dport;
	if (!address_is_unicast(&flow.source) || !address_is_unicast(&flow.destination))
		return 0; /* loopback above all, which needs no leave */
	while (i < N_STATES &&
		(states[i].protocol != flow.protocol || states[i].socket != found->idiag_state))
		i++;
	if (i == N_STATES || is_led_elsewhere(import->wanted, &flow, &states[i]))
		return 0;
	if (states[i].begun_there)
		turn_round(&flow);
	return enter(import, &flow, &states[i]);
}

/* That it is there already is well; -ENOENT and -EBUSY answer the second message alone. */
static void on_import_refused(void *data, int result)
{
	struct imported *imported = data;

	if (result == -EEXIST || result == -ENOENT || result == -EBUSY)
		return;
	imported->refused++;
	imported->result = result;
}

static int read_sockets(struct import *import, uint8_t family, uint8_t protocol)
{
	struct inet_diag_req_v2 request = { .sdiag_family = family, .sdiag_protocol = protocol };
	char space[128];

	for (size_t i = 0; i < N_STATES; i++)
		if (states[i].protocol == protocol)
			request.idiag_states |= 1u << states[i].socket;
	import->protocol = protocol;
	return netlink_request(NULL, NETLINK_SOCK_DIAG,
		netlink_begin(space, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof(request)),
		on_socket, import);
}

int conntrack_import(const struct ruleset *wanted, struct imported *ret)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct import import = { .wanted = wanted };
	int r = netlink_batch_open(&import.batch, NETLINK_NETFILTER, on_import_refused,
		    &import.imported),
	    closed;

	if (r < 0)
		return r;
	for (size_t i = 0; i < N_STATES; i++)
		import.timeouts[i] = conntrack_timeout(states[i].timeout, states[i].otherwise);
	for (size_t i = 0; i < 4 && r == 0; i++) {
		r = read_sockets(&import, families[i / 2], protocols[i % 2]);
		if (r == -ENOENT && i > 0)
			r = 0; /* no IPv6 here, or nobody who tells of UDP */
	}
	closed = netlink_batch_close(import.batch);
	*ret = import.imported;
	return closed < 0 ? closed : r;
}
