/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the host's addresses and routes, and keeps what overlaps the overlay subnet.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/netlink/netlink.h"
#include "host_networks.h"

#define LOOPBACK_INDEX 1 /* in every network namespace */
#define DEFAULT_LENGTH 1 /* a VPN may split its default route in two halves */

struct search {
	const struct prefix *overlay;
	struct prefix_list found;
	struct error *error; /* the first that is found is named there */
	int result;
};

static int compare_prefixes(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

__attribute__((format(printf, 3, 4))) static void found(struct search *search,
	const struct prefix *prefix, const char *format, ...)
{
	struct prefix_list *list = &search->found;
	char what[256], overlay[PREFIX_TEXT_MAX];
	va_list arguments;

	if (prefix_list_add(list, prefix) < 0)
		search->result = error_memory(search->error);
	if (list->length != 1)
		return;
	va_start(arguments, format);
	text_format(what, sizeof(what), format, arguments);
	va_end(arguments);
	error_set(search->error, -EADDRINUSE, NETI_REASON_SETTINGS,
		"overlay_subnet %s overlaps a network of this host: %s; members there cannot be reached",
		prefix_format(search->overlay, overlay), what);
}

/*
 * Interfaces.
 */
static bool read_sockaddr(const struct sockaddr *from, struct address *ret)
{
	struct address address = { 0 };

	if (!from || (from->sa_family != AF_INET && from->sa_family != AF_INET6))
		return false;
	address.family = (uint8_t)from->sa_family;
	if (address.family == AF_INET)
		memcpy(address.bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr,
			4);
	else
		memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr,
			16);
	*ret = address;
	return true;
}

static unsigned mask_length(const struct sockaddr *mask, const struct address *address)
{
	struct address bits;
	unsigned length = 0;

	if (!read_sockaddr(mask, &bits))
		return address_bits(address);
	for (unsigned i = 0; i < address_bits(address) / 8; i++)
		length += (unsigned)__builtin_popcount(bits.bytes[i]);
	return length;
}

static void look_at_end(struct search *search, const struct ifaddrs *interface,
	const struct sockaddr *end)
{
	char address_text[ADDRESS_TEXT_MAX], subnet_text[PREFIX_TEXT_MAX];
	struct address address;
	struct prefix subnet;

	if (!read_sockaddr(end, &address) || !address_is_unicast(&address))
		return;
	subnet = prefix_of(&address, mask_length(interface->ifa_netmask, &address));
	if (prefix_overlaps(search->overlay, &subnet))
		found(search, &subnet, "interface %s has %s in %s", interface->ifa_name,
			address_format(&address, address_text),
			prefix_format(&subnet, subnet_text));
}

static int look_at_interfaces(struct search *search)
{
	struct ifaddrs *interfaces;

	if (getifaddrs(&interfaces) < 0)
		return -errno;
	for (const struct ifaddrs *i = interfaces; i; i = i->ifa_next) {
		look_at_end(search, i, i->ifa_addr);
		if (i->ifa_flags & IFF_POINTOPOINT)
			look_at_end(search, i, i->ifa_dstaddr);
	}
	freeifaddrs(interfaces);
	return 0;
}

/*
 * Routes.
 */
static uint32_t number_of(const struct nlattr *attribute)
{
	uint32_t number = 0;
	size_t size = 0;
	const void *value = attribute ? netlink_value(attribute, &size) : NULL;

	if (size == sizeof(number))
		memcpy(&number, value, size);
	return number;
}

static bool read_destination(const struct rtmsg *route, const struct nlattr *attribute,
	struct prefix *ret)
{
	struct address address = { .family = route->rtm_family };
	size_t size = 0;
	const void *value = attribute ? netlink_value(attribute, &size) : NULL;

	if (!value || size != address_bits(&address) / 8 || route->rtm_dst_len > size * 8)
		return false;
	memcpy(address.bytes, value, size);
	*ret = prefix_of(&address, route->rtm_dst_len);
	return true;
}

static int on_route(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *attributes[RTA_TABLE + 1];
	char name[IF_NAMESIZE], text[PREFIX_TEXT_MAX];
	struct search *search = data;
	const struct rtmsg *route;
	struct prefix to;
	uint32_t index;
	size_t size;

	route = netlink_payload(message, &size);
	if (message->nlmsg_type != RTM_NEWROUTE || size < sizeof(*route) ||
		route->rtm_type != RTN_UNICAST || route->rtm_dst_len <= DEFAULT_LENGTH ||
		route->rtm_family != search->overlay->address.family)
		return 0;
	netlink_attributes(message, sizeof(*route), attributes, RTA_TABLE + 1);
	index = number_of(attributes[RTA_OIF]);
	if (index == LOOPBACK_INDEX || !read_destination(route, attributes[RTA_DST], &to) ||
		!prefix_overlaps(search->overlay, &to))
		return 0;
	found(search, &to, "a route leads to %s by interface %s", prefix_format(&to, text),
		index && if_indextoname(index, name) ? name : "(several)");
	return 0;
}

static int look_at_routes(struct search *search)
{
	struct rtmsg header = { .rtm_family = search->overlay->address.family };
	char space[256];
	struct nlmsghdr *message =
		netlink_begin(space, RTM_GETROUTE, NLM_F_DUMP, &header, sizeof(header));

	return netlink_request(NULL, NETLINK_ROUTE, message, on_route, search);
}

static void sort(struct prefix_list *list)
{
	size_t kept = 0;

	if (list->length)
		qsort(list->items, list->length, sizeof(*list->items), compare_prefixes);
	for (size_t i = 0; i < list->length; i++)
		if (kept == 0 || prefix_compare(&list->items[kept - 1], &list->items[i]) != 0)
			list->items[kept++] = list->items[i];
	list->length = kept;
}

int host_networks_overlapping(const struct prefix *overlay, struct prefix_list *ret,
	struct error *error)
{
	struct search search = { .overlay = overlay, .error = error };
	int result = look_at_interfaces(&search);

	if (result == 0)
		result = look_at_routes(&search);
	if (result < 0)
		error_set(error, result, NETI_REASON_SYSTEM,
			"the addresses and routes of this host cannot be listed: %s",
			strerrordesc_np(-result));
	else
		result = search.result;
	if (result < 0) {
		prefix_list_clear(&search.found);
		return result;
	}
	sort(&search.found);
	*ret = search.found;
	return search.found.length > 0;
}
