/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values of several parts: port ranges, and the pairs of the maps.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

/* Reads a port's digits and returns what follows; NULL when there are none. 0: out of
 * range. */
static const char *read_port(const char *text, uint16_t *ret)
{
	size_t digits = strspn(text, "0123456789"), zeros = strspn(text, "0");
	unsigned long port = digits - zeros > 5 ? 0 : strtoul(text, NULL, 10);

	if (digits == 0)
		return NULL;
	*ret = port <= UINT16_MAX ? (uint16_t)port : 0;
	return text + digits;
}

static int read_protocol(const struct settings_at *at, const char *text, const char *rest,
	struct port_range *range)
{
	range->protocol = IPPROTO_TCP;
	if (!*rest || strcmp(rest, "/tcp") == 0)
		return 0;
	range->protocol = IPPROTO_UDP;
	if (strcmp(rest, "/udp") == 0)
		return 0;
	if (*rest == '/')
		return settings_fail_value(at, text,
			"names a protocol that is neither tcp nor udp");
	return settings_fail_value(at, text, "is not a port, such as 80, 53/udp or 8000-8100");
}

int settings_read_ports(const struct settings_at *at, const char *text, void *ret)
{
	struct port_range range = { 0 };
	const char *rest = read_port(text, &range.low);
	int result;

	range.high = range.low;
	if (rest && *rest == '-')
		rest = read_port(rest + 1, &range.high);
	if (!rest)
		return settings_fail_value(at, text,
			"is not a port, such as 80, 53/udp or 8000-8100");
	result = read_protocol(at, text, rest, &range);
	if (result < 0)
		return result;
	if (range.low == 0 || range.high == 0)
		return settings_fail_value(at, text, "is out of range: ports are 1 to 65535");
	if (range.low > range.high)
		return settings_fail_value(at, text, "is reversed: the lower port comes first");
	*(struct port_range *)ret = range;
	return 0;
}

int settings_read_port(const struct settings_at *at, const char *text, void *ret)
{
	uint16_t port = 0;
	const char *rest = read_port(text, &port);

	if (!rest || *rest)
		return settings_fail_value(at, text, "is not a port, such as 2181");
	if (port == 0)
		return settings_fail_value(at, text, "is out of range: ports are 1 to 65535");
	*(uint16_t *)ret = port;
	return 0;
}

int settings_read_override_from(const struct settings_at *at, const char *text, void *ret)
{
	return settings_read_address(at, text, &((struct override *)ret)->from);
}

int settings_read_override_to(const struct settings_at *at, const char *text, void *ret)
{
	return settings_read_address(at, text, &((struct override *)ret)->to);
}

int settings_read_zk_network(const struct settings_at *at, const char *text, void *ret)
{
	return settings_read_network(at, text, &((struct zk_hosts *)ret)->network);
}

#define ZK_HOSTS_MAX 4096 /* bytes for one network: dozens of servers */
#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

/* A name or an IPv4 address, or an IPv6 address in brackets; returns what follows, or
 * NULL. */
static const char *skip_host(const char *text)
{
	char inner[ADDRESS_TEXT_MAX];
	struct address address;
	size_t length;

	if (*text != '[') {
		length = strspn(text, HOST_CHARACTERS);
		return length ? text + length : NULL;
	}
	length = strcspn(text, "]");
	if (!text[length] || length > sizeof(inner))
		return NULL;
	snprintf(inner, sizeof(inner), "%.*s", (int)length - 1, text + 1);
	if (address_parse(inner, &address) < 0 || address.family != AF_INET6)
		return NULL;
	return text + length + 1;
}

static int check_host(const struct settings_at *at, const char *text)
{
	const char *rest = skip_host(text);
	uint16_t port = 0;

	if (rest && *rest == ':')
		rest = read_port(rest + 1, &port);
	else
		rest = NULL;
	if (!rest || *rest)
		return settings_fail_value(at, text,
			"is not a host and a port, such as zk1.example.com:2181");
	if (port == 0)
		return settings_fail_value(at, text,
			"has a port out of range: ports are 1 to 65535");
	return 0;
}

int settings_read_host(const struct settings_at *at, const char *text, void *ret)
{
	int result = check_host(at, text);

	return result < 0 ? result : settings_read_text(at, text, ret);
}

/* One host more for the network of the item. */
int settings_read_zk_host(const struct settings_at *at, const char *text, void *ret)
{
	struct zk_hosts *item = ret;
	size_t before = item->hosts ? strlen(item->hosts) : 0;
	char *hosts;
	int result = check_host(at, text);

	if (result < 0)
		return result;
	if (before + strlen(text) > ZK_HOSTS_MAX)
		return settings_fail(at, -E2BIG, "too many servers for network \"%s\"",
			item->network);
	hosts = realloc(item->hosts, before + strlen(text) + 2);
	if (!hosts)
		return error_memory(at->error);
	sprintf(hosts + before, "%s%s", before ? "," : "", text);
	item->hosts = hosts;
	return 0;
}
