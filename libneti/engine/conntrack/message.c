/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of nf_conntrack_netlink, of which this is the only file to know.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

#include "conntrack.h"
#include "message.h"

/* Numbers of the kernel's that no header of its gives: net/netfilter/nf_internals.h. */
#define FILTER_DESTINATION (1 << 1)
/* Newer than many kernel headers. */
#define ATTRIBUTE_FILTER 25
#define ATTRIBUTE_FILTER_ORIGINAL 1
#define ATTRIBUTE_FILTER_REPLY 2

static struct nlmsghdr *begin(void *space, uint8_t command, uint16_t flags, uint8_t family)
{
	return netlink_begin_netfilter(space, NFNL_SUBSYS_CTNETLINK, command, flags, family);
}

int conntrack_check(struct error *error)
{
	char space[64];
	int r = netlink_request(NULL, NETLINK_NETFILTER,
		begin(space, IPCTNL_MSG_CT_GET_STATS, 0, AF_UNSPEC), NULL, NULL);

	if (r == 0)
		return 0;
	return error_set(error, -EPROTONOSUPPORT, NETI_REASON_UNSUPPORTED,
		"the kernel does not give its connections (%s): modprobe nf_conntrack_netlink",
		strerrordesc_np(-r));
}

/*
 * Reading.
 */
struct visit {
	entry_visit_fn visit;
	void *data;
};

static struct address read_address(const struct nlattr *attribute)
{
	struct in_addr in = { .s_addr = htonl(netlink_be32(attribute)) };

	return address_from_ipv4(in);
}

static int on_entry(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *of[CTA_MAX + 1], *sent[CTA_TUPLE_MAX + 1],
		*answered[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *answered_ip[CTA_IP_MAX + 1],
		*protocol[CTA_PROTO_MAX + 1];
	const struct visit *visit = data;
	struct entry entry;

	netlink_attributes(message, sizeof(struct nfgenmsg), of, CTA_MAX + 1);
	netlink_nested(of[CTA_TUPLE_ORIG], sent, CTA_TUPLE_MAX + 1);
	netlink_nested(of[CTA_TUPLE_REPLY], answered, CTA_TUPLE_MAX + 1);
	netlink_nested(sent[CTA_TUPLE_IP], ip, CTA_IP_MAX + 1);
	netlink_nested(sent[CTA_TUPLE_PROTO], protocol, CTA_PROTO_MAX + 1);
	netlink_nested(answered[CTA_TUPLE_IP], answered_ip, CTA_IP_MAX + 1);
	if (!ip[CTA_IP_V4_DST] || !answered_ip[CTA_IP_V4_SRC])
		return 0;
	entry = (struct entry){
		.protocol = netlink_u8(protocol[CTA_PROTO_NUM]),
		.destination = read_address(ip[CTA_IP_V4_DST]),
		.answers = read_address(answered_ip[CTA_IP_V4_SRC]),
		.tuple = of[CTA_TUPLE_ORIG],
		.zone = of[CTA_ZONE],
		.id = of[CTA_ID],
	};
	return visit->visit(visit->data, &entry);
}

static void put_filter(struct nlmsghdr *message, const struct address *destination)
{
	static const uint32_t original = FILTER_DESTINATION, reply = 0;
	struct nlattr *tuple = netlink_nest(message, CTA_TUPLE_ORIG);
	struct nlattr *ip = netlink_nest(message, CTA_TUPLE_IP), *filter;

	netlink_put(message, CTA_IP_V4_DST, destination->bytes, 4);
	netlink_end(message, ip);
	netlink_end(message, tuple);
	filter = netlink_nest(message, ATTRIBUTE_FILTER);
	netlink_put(message, ATTRIBUTE_FILTER_ORIGINAL, &original, sizeof(original));
	netlink_put(message, ATTRIBUTE_FILTER_REPLY, &reply, sizeof(reply));
	netlink_end(message, filter);
}

static int read_entries(struct netlink_line *line, const struct address *destination,
	struct visit *visit)
{
	char space[256];
	struct nlmsghdr *message = begin(space, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_INET);

	if (destination)
		put_filter(message, destination);
	return netlink_request(line, NETLINK_NETFILTER, message, on_entry, visit);
}

int entry_read(struct netlink_line *line, const struct address *destination, entry_visit_fn visit,
	void *data)
{
	struct visit both = { visit, data };
	int r = read_entries(line, destination, &both);

	/* A kernel that knows the filter, but not this one. */
	if (destination && (r == -EOPNOTSUPP || r == -EINVAL))
		r = read_entries(line, NULL, &both);
	return r;
}

/*
 * Writing.
 */
static void copy(struct nlmsghdr *message, uint16_t type, const struct nlattr *attribute)
{
	size_t size;
	const void *value;

	if (!attribute)
		return;
	value = netlink_value(attribute, &size);
	netlink_put(message, type, value, size);
}

/* The tuple alone could by now belong to a newer entry: the id tells them apart. */
void entry_delete(void *space, const struct entry *entry)
{
	struct nlmsghdr *message = begin(space, IPCTNL_MSG_CT_DELETE, 0, AF_INET);

	copy(message, CTA_TUPLE_ORIG | NLA_F_NESTED, entry->tuple);
	copy(message, CTA_ZONE, entry->zone);
	copy(message, CTA_ID, entry->id);
}

static void put_tuple(struct nlmsghdr *message, uint16_t type, const struct flow *flow, bool reply)
{
	static const struct {
		uint16_t source, destination;
		size_t size;
	} families[] = { { CTA_IP_V4_SRC, CTA_IP_V4_DST, 4 },
		{ CTA_IP_V6_SRC, CTA_IP_V6_DST, 16 } };
	const struct address *ends[] = { &flow->source, &flow->destination };
	const uint16_t *ports[] = { &flow->source_port, &flow->destination_port };
	size_t six = flow->source.family == AF_INET6;
	struct nlattr *tuple = netlink_nest(message, type), *nest;

	nest = netlink_nest(message, CTA_TUPLE_IP);
	netlink_put(message, families[six].source, ends[reply]->bytes, families[six].size);
	netlink_put(message, families[six].destination, ends[!reply]->bytes, families[six].size);
	netlink_end(message, nest);
	nest = netlink_nest(message, CTA_TUPLE_PROTO);
	netlink_put_u8(message, CTA_PROTO_NUM, flow->protocol);
	netlink_put(message, CTA_PROTO_SRC_PORT, ports[reply], sizeof(uint16_t));
	netlink_put(message, CTA_PROTO_DST_PORT, ports[!reply], sizeof(uint16_t));
	netlink_end(message, nest);
	netlink_end(message, tuple);
}

/* Liberal, because the scales of the windows were told in a SYN that nobody kept. */
static void put_tcp(struct nlmsghdr *message, uint8_t state)
{
	static const struct nf_ct_tcp_flags flags = { IP_CT_TCP_FLAG_BE_LIBERAL,
		IP_CT_TCP_FLAG_BE_LIBERAL };
	struct nlattr *info = netlink_nest(message, CTA_PROTOINFO);
	struct nlattr *tcp = netlink_nest(message, CTA_PROTOINFO_TCP);

	netlink_put_u8(message, CTA_PROTOINFO_TCP_STATE, state);
	netlink_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &flags, sizeof(flags));
	netlink_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, &flags, sizeof(flags));
	netlink_end(message, tcp);
	netlink_end(message, info);
}

#define ANSWERED (IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED)

void entry_create(void *space, const struct flow *flow, const struct entry_state *state)
{
	struct nlmsghdr *message =
		begin(space, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, flow->source.family);

	put_tuple(message, CTA_TUPLE_ORIG, flow, false);
	put_tuple(message, CTA_TUPLE_REPLY, flow, true);
	netlink_put_be32(message, CTA_STATUS, state->answered ? ANSWERED : IPS_CONFIRMED);
	netlink_put_be32(message, CTA_TIMEOUT, state->timeout);
	if (flow->protocol == IPPROTO_TCP)
		put_tcp(message, state->tcp);
}

void entry_confirm(void *space, const struct flow *flow)
{
	struct nlmsghdr *message = begin(space, IPCTNL_MSG_CT_NEW, 0, flow->source.family);

	put_tuple(message, CTA_TUPLE_ORIG, flow, false);
	netlink_put_be32(message, CTA_STATUS, ANSWERED);
}
