/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table as nft lists it, so that an operator can compare, and nft can take it back. Pure.
 */
#include "render.h"

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP	? "tcp" :
	       protocol == IPPROTO_UDP	? "udp" :
	       protocol == IPPROTO_ICMP ? "icmp" :
	       protocol == IPPROTO_IGMP ? "igmp" :
					  "icmpv6";
}

static const char *icmp_name(uint8_t protocol, uint8_t type)
{
	static const struct {
		uint8_t type;
		const char *name;
	} names[] = {
		{ 1, "destination-unreachable" },
		{ 2, "packet-too-big" },
		{ 3, "time-exceeded" },
		{ 4, "parameter-problem" },
		{ 128, "echo-request" },
		{ 130, "mld-listener-query" },
		{ 131, "mld-listener-report" },
		{ 132, "mld-listener-done" },
		{ 133, "nd-router-solicit" },
		{ 134, "nd-router-advert" },
		{ 135, "nd-neighbor-solicit" },
		{ 136, "nd-neighbor-advert" },
		{ 141, "ind-neighbor-solicit" },
		{ 142, "ind-neighbor-advert" },
		{ 143, "mld2-listener-report" },
	};

	for (size_t i = 0; protocol == IPPROTO_ICMPV6 && i < sizeof(names) / sizeof(*names); i++)
		if (names[i].type == type)
			return names[i].name;
	/* Of ICMP there is one type alone. */
	return protocol == IPPROTO_ICMPV6 ? NULL : "echo-request";
}

static void print_prefix(struct buffer *text, const char *field, const struct prefix *prefix)
{
	char address[PREFIX_TEXT_MAX];

	if (!prefix->length)
		return;
	buffer_print(text, "%s %s %s ", prefix->address.family == AF_INET6 ? "ip6" : "ip", field,
		prefix->length == address_bits(&prefix->address) ?
			address_format(&prefix->address, address) :
			prefix_format(prefix, address));
}

static void print_protocol(struct buffer *text, const struct match *match)
{
	const char *name = protocol_name(match->protocol);
	const char *type = icmp_name(match->protocol, match->icmp_type);

	if (match->typed && type)
		buffer_print(text, "%s type %s ", name, type);
	else if (match->typed)
		buffer_print(text, "%s type %u ", name, match->icmp_type);
	else if (match->protocol == IPPROTO_IGMP)
		buffer_print(text, "meta l4proto %s ", name);
	if (match->syn || match->not_syn)
		buffer_print(text, "tcp flags %ssyn / fin,syn,rst,ack ",
			match->not_syn ? "!= " : "");
	if (match->high)
		buffer_print(text, "%s dport %u", name, match->low);
	if (match->high != match->low)
		buffer_print(text, "-%u", match->high);
	if (match->high)
		buffer_print(text, " ");
}

static void print_states(struct buffer *text, uint8_t states)
{
	if (states)
		buffer_print(text, "ct state %s ",
			states == STATE_NEW ? "new" : "established,related");
}

/* Where nothing else says it. */
static bool names_family(const struct nft_rule *rule)
{
	const struct match *match = &rule->match;

	return match->family && rule->target == TARGET_ACCEPT && !match->peers && !match->typed &&
	       match->source.length == 0 && match->destination.length == 0;
}

static void print_match(struct buffer *text, const struct nft_rule *rule)
{
	const struct match *match = &rule->match;

	if (match->loopback)
		buffer_print(text, "iif \"lo\" ");
	if (names_family(rule))
		buffer_print(text, "meta nfproto %s ", match->family == AF_INET6 ? "ipv6" : "ipv4");
	print_prefix(text, "saddr", &match->source);
	print_prefix(text, "daddr", &match->destination);
	if (match->peers)
		buffer_print(text, "ip saddr @%s ", nft_sets[SET_PEERS].name);
	print_protocol(text, match);
	print_states(text, match->states);
}

/* The port says which protocol it is. */
static void print_note(struct buffer *text, const struct match *match)
{
	bool six = match->family == AF_INET6;

	buffer_print(text, "add @%s { %s saddr . meta l4proto . %s dport counter }",
		nft_sets[six ? SET_DENIED6 : SET_DENIED].name, six ? "ip6" : "ip",
		protocol_name(match->protocol));
}

void nft_print_rule(struct buffer *text, const struct nft_rule *rule)
{
	char address[ADDRESS_TEXT_MAX];

	print_match(text, rule);
	switch (rule->target) {
	case TARGET_ACCEPT:
		buffer_print(text, "accept");
		break;
	case TARGET_DROP:
		buffer_print(text, "drop");
		break;
	case TARGET_RETURN:
		buffer_print(text, "return");
		break;
	case TARGET_REJECT:
		buffer_print(text, "reject with icmpx host-unreachable");
		break;
	case TARGET_NOTE:
		print_note(text, &rule->match);
		break;
	case TARGET_DNAT:
		buffer_print(text, "dnat ip to %s", address_format(&rule->to, address));
		break;
	case TARGET_PATH:
		buffer_print(text, "dnat ip to ip daddr map @%s", nft_sets[SET_OVERLAY].name);
		break;
	}
	buffer_print(text, " comment \"%s\"", rule->comment);
}

void nft_print_element(struct buffer *text, enum nft_set set, const struct address *key,
	const struct address *data)
{
	char address[ADDRESS_TEXT_MAX];

	buffer_print(text, "%s", address_format(key, address));
	if (nft_sets[set].data_length)
		buffer_print(text, " : %s", address_format(data, address));
}

static void print_set(struct buffer *text, const struct ruleset *ruleset, enum nft_set set)
{
	const struct set_shape *shape = &nft_sets[set];
	size_t n = nft_set_length(ruleset, set);

	buffer_print(text, "\t%s %s {\n\t\ttype %s\n\t\tsize %u\n",
		shape->data_length ? "map" : "set", shape->name, shape->type,
		nft_set_room(ruleset, set));
	if (shape->noted)
		buffer_print(text, "\t\tflags dynamic,timeout\n\t\ttimeout 1h\n");
	buffer_print(text, "\t\tcomment \"%s\"\n", shape->comment);
	for (size_t i = 0; i < n; i++) {
		buffer_print(text, i ? ",\n\t\t\t     " : "\t\telements = { ");
		nft_print_element(text, set, nft_set_key(ruleset, set, i),
			nft_set_data(ruleset, set, i));
	}
	buffer_print(text, "%s\t}\n\n", n ? " }\n" : "");
}

static void print_chain(struct buffer *text, const struct ruleset *ruleset, enum nft_chain chain)
{
	const struct chain_shape *shape = &nft_chains[chain];
	struct nft_rules rules = { 0 };

	buffer_print(text,
		"\tchain %s {\n\t\tcomment \"%s\"\n\t\ttype %s hook %s; policy accept;\n",
		shape->name, shape->comment, shape->type, shape->place);
	nft_chain_rules(ruleset, chain, true, &rules);
	for (size_t i = 0; i < rules.length; i++) {
		buffer_print(text, "\t\t");
		nft_print_rule(text, &rules.items[i]);
		buffer_print(text, "\n");
	}
	if (rules.result < 0)
		text->result = rules.result;
	buffer_print(text, "\t}\n");
	nft_rules_clear(&rules);
}

int nft_print_table(const struct ruleset *ruleset, struct buffer *text)
{
	buffer_print(text, "table inet " TABLE_NAME " {\n");
	for (enum nft_set set = 0; set < SETS; set++)
		print_set(text, ruleset, set);
	for (enum nft_chain chain = 0; chain < CHAINS; chain++) {
		if (!nft_chain_is_wanted(ruleset, chain))
			continue;
		print_chain(text, ruleset, chain);
		buffer_print(text, chain + 1 < CHAINS ? "\n" : "");
	}
	buffer_print(text, "}\n");
	return buffer_result(text);
}
