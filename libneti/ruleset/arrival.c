/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is let in, in which order.
 */
#include <errno.h>
#include <stdlib.h>

#include "arrival.h"
#include "base/array.h"

/* Without these an IPv6 host loses its neighbours, its router and its path MTU (RFC 4890). */
static const uint8_t icmp6_needed[] = {
	1, 2, 3, 4,	    /* unreachable, packet too big, time exceeded, parameter problem */
	130, 131, 132, 143, /* multicast listeners: switches forget a silent host */
	133, 134, 135, 136, /* router and neighbour discovery */
	141, 142,	    /* inverse neighbour discovery */
	148, 149,	    /* secure neighbour discovery */
	151, 152, 153,	    /* multicast routers */
};

static struct match *add(struct arrival_list *list, enum verdict verdict, uint8_t family,
	const char *why)
{
	static struct arrival lost; /* written to and never read after a failed allocation */
	struct arrival *rule;

	if (list->result == 0)
		list->result = ARRAY_RESERVE(list->items, list->size, list->length + 1);
	if (list->result < 0)
		return &lost.match;
	rule = &list->items[list->length++];
	*rule = (struct arrival){ .match.family = family, .verdict = verdict, .why = why };
	return &rule->match;
}

void arrival_clear(struct arrival_list *list)
{
	free(list->items);
	*list = (struct arrival_list){ 0 };
}

static bool covers(uint8_t family, uint8_t one)
{
	return family == 0 || family == one;
}

static void add_prefixes(struct arrival_list *list, const struct prefix *prefixes, size_t n,
	uint8_t family, uint16_t port, const char *why)
{
	for (size_t i = 0; i < n; i++) {
		struct match *match;

		if (!covers(family, prefixes[i].address.family))
			continue;
		match = add(list, VERDICT_ACCEPT, prefixes[i].address.family, why);
		match->source = prefixes[i];
		match->protocol = port ? IPPROTO_TCP : 0;
		match->low = match->high = port;
	}
}

static void add_icmp(struct arrival_list *list, uint8_t family, uint8_t type, const char *why)
{
	struct match *match = add(list, VERDICT_ACCEPT, family, why);

	match->protocol = family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	match->typed = true;
	match->icmp_type = type;
}

static void add_ipv4_needs(struct arrival_list *list)
{
	static const struct prefix multicast = { .address = { .family = AF_INET, .bytes = { 224 } },
		.length = 4 };
	struct match *match = add(list, VERDICT_ACCEPT, AF_INET, "IGMP: multicast listeners");

	match->destination = multicast;
	match->protocol = IPPROTO_IGMP;
}

/* Replies to DHCPv6 answer a multicast request, so conntrack does not know them. */
static void add_ipv6_needs(struct arrival_list *list)
{
	static const struct prefix link_local = {
		.address = { .family = AF_INET6, .bytes = { 0xfe, 0x80 } }, .length = 10
	};
	struct match *match;

	for (size_t i = 0; i < sizeof(icmp6_needed); i++)
		add_icmp(list, AF_INET6, icmp6_needed[i], "IPv6 needs it");
	match = add(list, VERDICT_ACCEPT, AF_INET6, "DHCPv6");
	match->source = link_local;
	match->destination = link_local;
	match->protocol = IPPROTO_UDP;
	match->low = match->high = 546;
}

/* A stranger is who begins: of TCP a SYN. What else the kernel knows no connection of belongs to one
 * that is older than the rules, or over. While open connections are being imported nobody is noted,
 * since every answer that arrives looks like a stranger's. */
static void add_strangers(struct arrival_list *list, uint8_t family)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

	for (size_t i = 0; i < 4; i++) {
		struct match *match;

		if (!covers(family, families[i / 2]))
			continue;
		match = add(list, VERDICT_NOTE, families[i / 2], "everybody else, noted");
		match->protocol = protocols[i % 2];
		match->syn = match->protocol == IPPROTO_TCP;
	}
}

static void add_open_ports(struct arrival_list *list, const struct policy *policy)
{
	for (size_t i = 0; i < policy->n_open_ports; i++) {
		struct match *match = add(list, VERDICT_ACCEPT, 0, "open_ports");

		match->protocol = policy->open_ports[i].protocol;
		match->low = policy->open_ports[i].low;
		match->high = policy->open_ports[i].high;
	}
}

/* The connection's state is asked before the set of peers: both accept, the order changes no
 * verdict, almost every packet is of an open connection, and to look into the set costs more. */
void arrival_rules(struct arrival_list *list, const struct policy *policy, uint8_t family,
	bool enforce)
{
	bool refused = policy->reject_all && enforce;
	struct match *match;

	add(list, VERDICT_ACCEPT, 0, "this host itself")->loopback = true;
	match = add(list, VERDICT_ACCEPT, 0, "what is open already");
	match->states = STATE_RELATED | STATE_ESTABLISHED;
	if (covers(family, AF_INET))
		add(list, VERDICT_ACCEPT, AF_INET, "members")->peers = true;
	if (refused) {
		match = add(list, VERDICT_DROP, 0, "of no connection");
		match->protocol = IPPROTO_TCP;
		match->not_syn = true;
		match->states = STATE_NEW;
	}
	if (covers(family, AF_INET))
		add_ipv4_needs(list);
	if (covers(family, AF_INET6))
		add_ipv6_needs(list);
	add_prefixes(list, policy->trusted, policy->n_trusted, family, 0, "trusted");
	add_prefixes(list, policy->ssh_whitelist, policy->n_ssh_whitelist, family, 22,
		"ssh_whitelist");
	if (policy->icmp && covers(family, AF_INET))
		add_icmp(list, AF_INET, 8, "icmp");
	if (policy->icmp && covers(family, AF_INET6))
		add_icmp(list, AF_INET6, 128, "icmp");
	add_open_ports(list, policy);
	if (enforce)
		add_strangers(list, family);
	add(list, refused ? VERDICT_DROP : VERDICT_LEAVE, 0, "everybody else");
}
