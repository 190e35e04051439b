/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads sets over netlink, numerically. Changes nothing.
 */
#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "engine/netlink/netlink.h"
#include "ipset_read.h"

#define ATTRIBUTE_BITMASK 12 /* IPSET_ATTR_BITMASK: newer than many kernel headers */

struct members {
	uint32_t *items; /* host order: sorted as numbers */
	size_t n, size;
};

struct names {
	const char *beginning;
	void (*found)(void *data, const char *name);
	void *data;
};

static struct nlmsghdr *start_message(void *space, uint8_t command, uint16_t flags)
{
	struct nlmsghdr *message =
		netlink_begin_netfilter(space, NFNL_SUBSYS_IPSET, command, flags, AF_INET);

	netlink_put_u8(message, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
	return message;
}

static void read_create(const struct nlattr *nest, struct netlink_set *set)
{
	const struct nlattr *of[IPSET_ATTR_CREATE_MAX + 1];

	netlink_nested(nest, of, IPSET_ATTR_CREATE_MAX + 1);
	set->hashsize = netlink_be32(of[IPSET_ATTR_HASHSIZE]);
	set->maxelem = netlink_be32(of[IPSET_ATTR_MAXELEM]);
	set->elements = netlink_be32(of[IPSET_ATTR_ELEMENTS]);
	set->references = netlink_be32(of[IPSET_ATTR_REFERENCES]);
	set->has_timeout = of[IPSET_ATTR_TIMEOUT] != NULL;
	set->timeout = netlink_be32(of[IPSET_ATTR_TIMEOUT]);
	set->has_counters = netlink_be32(of[IPSET_ATTR_CADT_FLAGS]) & IPSET_FLAG_WITH_COUNTERS;
	set->has_mask = of[IPSET_ATTR_NETMASK] || of[ATTRIBUTE_BITMASK];
}

static void copy_text(const struct nlattr *attribute, char *ret, size_t size)
{
	size_t length;
	const void *text = netlink_value(attribute, &length);

	if (length > size - 1)
		length = size - 1;
	memcpy(ret, text, length);
	ret[length] = '\0';
}

static int on_header(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *of[IPSET_ATTR_CMD_MAX + 1];
	struct netlink_set *set = data;

	netlink_attributes(message, sizeof(struct nfgenmsg), of, IPSET_ATTR_CMD_MAX + 1);
	if (of[IPSET_ATTR_TYPENAME])
		copy_text(of[IPSET_ATTR_TYPENAME], set->type, sizeof(set->type));
	if (of[IPSET_ATTR_FAMILY])
		set->family = netlink_u8(of[IPSET_ATTR_FAMILY]);
	if (of[IPSET_ATTR_DATA])
		read_create(of[IPSET_ATTR_DATA], set);
	return 0;
}

/* Flags at command level. */
static struct nlmsghdr *start_list(void *space, const char *name, uint32_t flags)
{
	struct nlmsghdr *message = start_message(space, IPSET_CMD_LIST, NLM_F_ACK | NLM_F_DUMP);

	if (name)
		netlink_put_text(message, IPSET_ATTR_SETNAME, name);
	if (flags)
		netlink_put_be32(message, IPSET_ATTR_FLAGS, flags);
	return message;
}

static int ask(struct nlmsghdr *message, netlink_read_fn read, void *data)
{
	return netlink_request(NULL, NETLINK_NETFILTER, message, read, data);
}

int netlink_set_read(const char *name, struct netlink_set *ret)
{
	char space[256];
	struct netlink_set set = { 0 };
	int r = ask(start_list(space, name, IPSET_FLAG_LIST_HEADER), on_header, &set);

	if (r == 0)
		*ret = set;
	return r;
}

static int read_entry(const struct nlattr *entry, struct members *members)
{
	const struct nlattr *of[IPSET_ATTR_IP + 1], *ip[IPSET_ATTR_IPADDR_IPV4 + 1];

	netlink_nested(entry, of, IPSET_ATTR_IP + 1);
	netlink_nested(of[IPSET_ATTR_IP], ip, IPSET_ATTR_IPADDR_IPV4 + 1);
	if (!ip[IPSET_ATTR_IPADDR_IPV4])
		return 0;
	if (ARRAY_RESERVE(members->items, members->size, members->n + 1) < 0)
		return -ENOMEM;
	members->items[members->n++] = netlink_be32(ip[IPSET_ATTR_IPADDR_IPV4]);
	return 0;
}

static int on_members(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *of[IPSET_ATTR_CMD_MAX + 1], *entry = NULL;
	int r = 0;

	netlink_attributes(message, sizeof(struct nfgenmsg), of, IPSET_ATTR_CMD_MAX + 1);
	while (r == 0 && of[IPSET_ATTR_ADT] && (entry = netlink_next(of[IPSET_ATTR_ADT], entry)))
		if (netlink_type(entry) == IPSET_ATTR_DATA)
			r = read_entry(entry, data);
	return r;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* A set that grows while it is dumped may show an entry twice. */
static int hand_over(struct members *members, struct address **ret, size_t *ret_n)
{
	struct address *addresses = calloc(members->n + 1, sizeof(*addresses));
	size_t n = 0;

	if (!addresses)
		return -ENOMEM;
	if (members->n)
		qsort(members->items, members->n, sizeof(*members->items), compare_numbers);
	for (size_t i = 0; i < members->n; i++) {
		struct in_addr in = { .s_addr = htonl(members->items[i]) };

		if (i == 0 || members->items[i] != members->items[i - 1])
			addresses[n++] = address_from_ipv4(in);
	}
	*ret = addresses;
	*ret_n = n;
	return 0;
}

int netlink_set_members(const char *name, struct address **ret, size_t *ret_n)
{
	_Alignas(struct nlmsghdr) char space[256] = { 0 };
	struct members members = { 0 };
	int r = ask(start_list(space, name, 0), on_members, &members);

	if (r == 0)
		r = hand_over(&members, ret, ret_n);
	free(members.items);
	return r;
}

struct denied_list {
	struct denied *items;
	size_t n, size;
	uint32_t timeout; /* of the set: what an entry began with */
};

static uint16_t read_port(const struct nlattr *attribute)
{
	size_t size;
	const uint8_t *value = attribute ? netlink_value(attribute, &size) : NULL;

	return value && size == 2 ? (uint16_t)(value[0] << 8 | value[1]) : 0;
}

static int read_denied(const struct nlattr *entry, struct denied_list *list)
{
	const struct nlattr *of[IPSET_ATTR_ADT_MAX + 1], *ip[IPSET_ATTR_IPADDR_IPV4 + 1];
	struct in_addr source;

	if (ARRAY_RESERVE(list->items, list->size, list->n + 1) < 0)
		return -ENOMEM;
	netlink_nested(entry, of, IPSET_ATTR_ADT_MAX + 1);
	netlink_nested(of[IPSET_ATTR_IP], ip, IPSET_ATTR_IPADDR_IPV4 + 1);
	source.s_addr = htonl(netlink_be32(ip[IPSET_ATTR_IPADDR_IPV4]));
	list->items[list->n++] = (struct denied){
		.source = address_from_ipv4(source),
		.protocol = netlink_u8(of[IPSET_ATTR_PROTO]),
		.port = read_port(of[IPSET_ATTR_PORT]),
		.packets = netlink_be64(of[IPSET_ATTR_PACKETS]),
		/* What is left of it; the rules do not renew it. */
		.seconds = list->timeout - netlink_be32(of[IPSET_ATTR_TIMEOUT]),
	};
	return 0;
}

static int on_denied(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *of[IPSET_ATTR_CMD_MAX + 1], *entry = NULL;
	int r = 0;

	netlink_attributes(message, sizeof(struct nfgenmsg), of, IPSET_ATTR_CMD_MAX + 1);
	while (r == 0 && of[IPSET_ATTR_ADT] && (entry = netlink_next(of[IPSET_ATTR_ADT], entry)))
		if (netlink_type(entry) == IPSET_ATTR_DATA)
			r = read_denied(entry, data);
	return r;
}

int netlink_set_denied(const char *name, struct denied **ret, size_t *ret_n)
{
	struct denied_list list = { 0 };
	struct netlink_set set;
	char space[256];
	int r = netlink_set_read(name, &set);

	if (r < 0)
		return r;
	list.timeout = set.timeout;
	r = ask(start_list(space, name, 0), on_denied, &list);
	if (r < 0) {
		free(list.items);
		return r;
	}
	*ret = list.items;
	*ret_n = list.n;
	return 0;
}

static int on_name(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *of[IPSET_ATTR_SETNAME + 1];
	const struct names *names = data;
	char name[IPSET_MAXNAMELEN];

	netlink_attributes(message, sizeof(struct nfgenmsg), of, IPSET_ATTR_SETNAME + 1);
	if (!of[IPSET_ATTR_SETNAME])
		return 0;
	copy_text(of[IPSET_ATTR_SETNAME], name, sizeof(name));
	if (strncmp(name, names->beginning, strlen(names->beginning)) == 0)
		names->found(names->data, name);
	return 0;
}

int netlink_set_names(const char *beginning, void (*found)(void *data, const char *name),
	void *data)
{
	struct names names = { beginning, found, data };
	char space[256];

	return ask(start_list(space, NULL, IPSET_FLAG_LIST_SETNAME), on_name, &names);
}

int netlink_set_type(const char *type)
{
	char space[256];
	struct nlmsghdr *message =
		start_message(space, type ? IPSET_CMD_TYPE : IPSET_CMD_PROTOCOL, 0);

	if (type) {
		netlink_put_text(message, IPSET_ATTR_TYPENAME, type);
		netlink_put_u8(message, IPSET_ATTR_FAMILY, AF_INET);
	}
	return ask(message, NULL, NULL);
}
