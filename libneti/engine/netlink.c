/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads sets over netlink, numerically: the only file that calls libmnl. Changes nothing.
 */
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

/* The kernel fills up to 32 KiB a message of a dump when the reader asks for as much. */
#define DUMP_SIZE 65536

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

static struct nlmsghdr *start(void *space, uint16_t command, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(space);
	struct nfgenmsg *family;

	message->nlmsg_type = (NFNL_SUBSYS_IPSET << 8) | command;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	family = mnl_nlmsg_put_extra_header(message, sizeof(*family));
	family->nfgen_family = AF_INET;
	family->version = NFNETLINK_V0;
	mnl_attr_put_u8(message, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
	return message;
}

static int receive(struct mnl_socket *socket, unsigned sequence, mnl_cb_t callback, void *data)
{
	char *space = malloc(DUMP_SIZE);
	ssize_t n;
	int r = 1;

	if (!space)
		return -ENOMEM;
	while (r > 0) {
		n = mnl_socket_recvfrom(socket, space, DUMP_SIZE);
		r = n < 0 ? -1 :
			    mnl_cb_run(space, (size_t)n, sequence, mnl_socket_get_portid(socket),
				    callback, data);
		if (r < 0 && errno == EINTR)
			r = -1; /* a dump that somebody disturbed: read again, whole */
	}
	r = r < 0 ? -errno : 0;
	free(space);
	return r;
}

static int talk(struct nlmsghdr *message, mnl_cb_t callback, void *data)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int r;

	if (!socket)
		return -errno;
	message->nlmsg_seq = 1;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		r = -errno;
	else
		r = receive(socket, message->nlmsg_seq, callback, data);
	mnl_socket_close(socket);
	return r;
}

static void read_create(const struct nlattr *nested, struct netlink_set *set)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, nested) {
		uint32_t value = mnl_attr_get_payload_len(attribute) == 4 ?
					 ntohl(mnl_attr_get_u32(attribute)) :
					 0;

		switch (mnl_attr_get_type(attribute)) {
		case IPSET_ATTR_HASHSIZE:
			set->hashsize = value;
			break;
		case IPSET_ATTR_MAXELEM:
			set->maxelem = value;
			break;
		case IPSET_ATTR_ELEMENTS:
			set->elements = value;
			break;
		case IPSET_ATTR_TIMEOUT:
			set->has_timeout = true;
			set->timeout = value;
			break;
		case IPSET_ATTR_CADT_FLAGS:
			set->has_counters = value & IPSET_FLAG_WITH_COUNTERS;
			break;
		case IPSET_ATTR_NETMASK:
		case ATTRIBUTE_BITMASK:
			set->has_mask = true;
			break;
		}
	}
}

static int on_header(const struct nlmsghdr *message, void *data)
{
	struct netlink_set *set = data;
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(attribute)) {
		case IPSET_ATTR_TYPENAME:
			strncpy(set->type, mnl_attr_get_str(attribute), sizeof(set->type) - 1);
			break;
		case IPSET_ATTR_FAMILY:
			set->family = mnl_attr_get_u8(attribute);
			break;
		case IPSET_ATTR_DATA:
			read_create(attribute, set);
			break;
		}
	}
	return MNL_CB_OK;
}

/* Flags at command level, in network order. */
static struct nlmsghdr *start_list(void *space, const char *name, uint32_t flags)
{
	struct nlmsghdr *message = start(space, IPSET_CMD_LIST, NLM_F_ACK | NLM_F_DUMP);

	if (name)
		mnl_attr_put_strz(message, IPSET_ATTR_SETNAME, name);
	if (flags)
		mnl_attr_put_u32(message, IPSET_ATTR_FLAGS, htonl(flags));
	return message;
}

int netlink_set_read(const char *name, struct netlink_set *ret)
{
	_Alignas(struct nlmsghdr) char space[256] = { 0 };
	struct netlink_set set = { 0 };
	int r = talk(start_list(space, name, IPSET_FLAG_LIST_HEADER), on_header, &set);

	if (r == 0)
		*ret = set;
	return r;
}

static int keep(struct members *members, const struct nlattr *ip)
{
	const struct nlattr *inner;
	uint32_t *items = members->items;

	mnl_attr_for_each_nested(inner, ip) {
		if (mnl_attr_get_type(inner) != IPSET_ATTR_IPADDR_IPV4)
			continue;
		if (members->n == members->size) {
			members->size = members->size ? 2 * members->size : 1024;
			items = realloc(items, members->size * sizeof(*items));
			if (!items) {
				errno = ENOMEM;
				return MNL_CB_ERROR;
			}
			members->items = items;
		}
		members->items[members->n++] = ntohl(mnl_attr_get_u32(inner));
	}
	return MNL_CB_OK;
}

static int read_entries(const struct nlattr *entries, struct members *members)
{
	const struct nlattr *entry, *attribute;

	mnl_attr_for_each_nested(entry, entries) {
		if (mnl_attr_get_type(entry) != IPSET_ATTR_DATA)
			continue;
		mnl_attr_for_each_nested(attribute, entry)
			if (mnl_attr_get_type(attribute) == IPSET_ATTR_IP &&
				keep(members, attribute) != MNL_CB_OK)
				return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

static int on_members(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == IPSET_ATTR_ADT &&
			read_entries(attribute, data) != MNL_CB_OK)
			return MNL_CB_ERROR;
	return MNL_CB_OK;
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
	int r = talk(start_list(space, name, 0), on_members, &members);

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

static uint64_t read_u64(const struct nlattr *attribute)
{
	return be64toh(mnl_attr_get_u64(attribute));
}

static void read_denied(const struct nlattr *entry, uint32_t timeout, struct denied *denied)
{
	const struct nlattr *attribute, *inner;

	mnl_attr_for_each_nested(attribute, entry) {
		switch (mnl_attr_get_type(attribute)) {
		case IPSET_ATTR_IP:
			mnl_attr_for_each_nested(inner, attribute)
				denied->source = address_from_ipv4(
					(struct in_addr){ mnl_attr_get_u32(inner) });
			break;
		case IPSET_ATTR_PORT:
			denied->port = ntohs(mnl_attr_get_u16(attribute));
			break;
		case IPSET_ATTR_PROTO:
			denied->protocol = mnl_attr_get_u8(attribute);
			break;
		case IPSET_ATTR_PACKETS:
			denied->packets = read_u64(attribute);
			break;
		case IPSET_ATTR_TIMEOUT: /* left; the rules do not renew it */
			denied->seconds = timeout - ntohl(mnl_attr_get_u32(attribute));
			break;
		}
	}
}

static int on_denied(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attribute, *entry;
	struct denied_list *list = data;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) != IPSET_ATTR_ADT)
			continue;
		mnl_attr_for_each_nested(entry, attribute) {
			if (list->n == list->size) {
				size_t size = list->size ? 2 * list->size : 256;
				struct denied *items = reallocarray(list->items, size, sizeof(*items));

				if (!items) {
					errno = ENOMEM;
					return MNL_CB_ERROR;
				}
				list->items = items;
				list->size = size;
			}
			list->items[list->n] = (struct denied){ 0 };
			read_denied(entry, list->timeout, &list->items[list->n++]);
		}
	}
	return MNL_CB_OK;
}

int netlink_set_denied(const char *name, struct denied **ret, size_t *ret_n)
{
	_Alignas(struct nlmsghdr) char space[256] = { 0 };
	struct denied_list list = { 0 };
	struct netlink_set set;
	int r = netlink_set_read(name, &set);

	if (r < 0)
		return r;
	list.timeout = set.timeout;
	r = talk(start_list(space, name, 0), on_denied, &list);
	if (r < 0) {
		free(list.items);
		return r;
	}
	*ret = list.items;
	*ret_n = list.n;
	return 0;
}

static int on_name(const struct nlmsghdr *message, void *data)
{
	const struct names *names = data;
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		const char *name;

		if (mnl_attr_get_type(attribute) != IPSET_ATTR_SETNAME)
			continue;
		name = mnl_attr_get_str(attribute);
		if (strncmp(name, names->beginning, strlen(names->beginning)) == 0)
			names->found(names->data, name);
	}
	return MNL_CB_OK;
}

int netlink_set_names(const char *beginning, void (*found)(void *data, const char *name), void *data)
{
	struct names names = { beginning, found, data };
	_Alignas(struct nlmsghdr) char space[256] = { 0 };

	return talk(start_list(space, NULL, IPSET_FLAG_LIST_SETNAME), on_name, &names);
}

static int on_answer(const struct nlmsghdr *message, void *data)
{
	(void)message;
	(void)data;
	return MNL_CB_STOP;
}

int netlink_set_type(const char *type)
{
	_Alignas(struct nlmsghdr) char space[256] = { 0 };
	struct nlmsghdr *message = start(space, type ? IPSET_CMD_TYPE : IPSET_CMD_PROTOCOL, 0);

	if (type) {
		mnl_attr_put_strz(message, IPSET_ATTR_TYPENAME, type);
		mnl_attr_put_u8(message, IPSET_ATTR_FAMILY, AF_INET);
	}
	return talk(message, on_answer, NULL);
}
