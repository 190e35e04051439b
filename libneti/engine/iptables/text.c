/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Chains and sets as iptables-save and ipset save print them, word for word, so that an
 * operator can compare, and iptables-restore can take it back. Pure.
 */
#include "render.h"

#define SYN_FLAGS "FIN,SYN,RST,ACK SYN"

static const char *protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_IGMP:
		return "igmp";
	case IPPROTO_ICMPV6:
		return "ipv6-icmp";
	}
	return "?";
}

static void save_prefix(struct buffer *text, const char *option, const struct prefix *prefix)
{
	char address[PREFIX_TEXT_MAX];

	if (prefix->length)
		buffer_print(text, " %s %s", option, prefix_format(prefix, address));
}

static void save_protocol(struct buffer *text, const struct rule *rule)
{
	const char *name = protocol_name(rule->match.protocol);

	if (rule->match.protocol)
		buffer_print(text, " -p %s", name);
	if (rule->match.typed && rule->match.protocol == IPPROTO_ICMPV6)
		buffer_print(text, " -m icmp6 --icmpv6-type %u", rule->match.icmp_type);
	else if (rule->match.typed)
		buffer_print(text, " -m icmp --icmp-type %u", rule->match.icmp_type);
	if (rule->match.high || rule->match.syn || rule->match.not_syn)
		buffer_print(text, " -m %s", name);
	if (rule->match.high)
		buffer_print(text, " --dport %u", rule->match.low);
	if (rule->match.high != rule->match.low)
		buffer_print(text, ":%u", rule->match.high);
	if (rule->match.syn || rule->match.not_syn)
		buffer_print(text, "%s --tcp-flags " SYN_FLAGS, rule->match.not_syn ? " !" : "");
}

static void save_states(struct buffer *text, uint8_t states)
{
	static const struct {
		enum state state;
		const char *name;
	} names[] = { { STATE_NEW, "NEW" }, { STATE_RELATED, "RELATED" },
		{ STATE_ESTABLISHED, "ESTABLISHED" } };
	const char *separator = " -m conntrack --ctstate ";

	for (size_t i = 0; i < 3; i++) {
		if (!(states & names[i].state))
			continue;
		buffer_print(text, "%s%s", separator, names[i].name);
		separator = ",";
	}
}

static void save_set(struct buffer *text, enum set set)
{
	switch (set) {
	case SET_PEERS:
		buffer_print(text, " -m set --match-set %s src", render_sets[set].name);
		break;
	case SET_DENIED:
		buffer_print(text, " -m set ! --match-set %s src,dst", render_sets[set].name);
		break;
	case SET_NONE:
		break;
	}
}

static void save_target(struct buffer *text, const struct rule *rule)
{
	char address[ADDRESS_TEXT_MAX];

	switch (rule->target) {
	case RULE_ACCEPT:
		buffer_print(text, " -j ACCEPT");
		break;
	case RULE_DROP:
		buffer_print(text, " -j DROP");
		break;
	case RULE_RETURN:
		buffer_print(text, " -j RETURN");
		break;
	case RULE_REJECT:
		buffer_print(text, " -j REJECT --reject-with icmp-host-unreachable");
		break;
	case RULE_DNAT:
		buffer_print(text, " -j DNAT --to-destination %s",
			address_format(&rule->to, address));
		break;
	case RULE_ADD:
		buffer_print(text, " -j SET --add-set %s src,dst", render_sets[SET_DENIED].name);
		break;
	case RULE_JUMP:
		buffer_print(text, " -j %s", rule->chain);
		break;
	case RULE_GOTO:
		buffer_print(text, " -g %s", rule->chain);
		break;
	}
}

void render_rule(struct buffer *text, const char *chain, const struct rule *rule)
{
	buffer_print(text, "-A %s", chain);
	save_prefix(text, "-s", &rule->match.source);
	save_prefix(text, "-d", &rule->match.destination);
	if (rule->match.loopback)
		buffer_print(text, " -i lo");
	save_protocol(text, rule);
	save_states(text, rule->match.states);
	save_set(text, rule->set);
	save_target(text, rule);
}

void render_set(struct buffer *text, enum set set, size_t entries)
{
	const struct set_shape *shape = &render_sets[set];

	buffer_print(text, "create %s %s family inet hashsize %u maxelem %u", shape->name,
		shape->type, render_hashsize(entries), shape->maxelem);
	if (shape->timeout)
		buffer_print(text, " timeout %u", shape->timeout);
	if (shape->counters)
		buffer_print(text, " counters");
}

static int save_chain_name(void *data, const struct chain *chain)
{
	buffer_print(data, ":%s - [0:0]\n", chain->name);
	return 0;
}

static int save_chain(void *data, const struct chain *chain)
{
	for (size_t i = 0; i < chain->length; i++) {
		render_rule(data, chain->name, &chain->rules[i]);
		buffer_append(data, "\n", 1);
	}
	return 0;
}

static int save_table(const struct ruleset *ruleset, enum table table, struct buffer *text)
{
	static const char *const comments[TABLES] = { [TABLE_NAT] = "# iptables\n",
		[TABLE_FILTER] = "# iptables\n",
		[TABLE_FILTER6] = "# ip6tables\n" };
	struct chain chain = { 0 };
	int r;

	buffer_print(text, "%s*%s\n", comments[table], render_table_name(table));
	r = render_visit(ruleset, table, true, save_chain_name, text);
	for (const char *const *hook = render_hooks(table); r >= 0 && *hook; hook++) {
		render_jumps(ruleset, table, *hook, &chain);
		r = chain.result < 0 ? chain.result : save_chain(text, &chain);
	}
	chain_clear(&chain);
	if (r >= 0)
		r = render_visit(ruleset, table, true, save_chain, text);
	buffer_print(text, "COMMIT\n");
	return r;
}

int render_filter(const struct ruleset *ruleset, struct buffer *text)
{
	char address[ADDRESS_TEXT_MAX];
	int r;

	buffer_print(text, "# ipset\n");
	render_set(text, SET_PEERS, ruleset->n_peers);
	buffer_print(text, "\n");
	render_set(text, SET_DENIED, 0);
	buffer_print(text, "\n");
	for (size_t i = 0; i < ruleset->n_peers; i++)
		buffer_print(text, "add %s %s\n", render_sets[SET_PEERS].name,
			address_format(&ruleset->peers[i], address));
	r = save_table(ruleset, TABLE_FILTER, text);
	if (r >= 0 && ruleset->policy.reject_all)
		r = save_table(ruleset, TABLE_FILTER6, text);
	return r < 0 ? r : buffer_result(text);
}

int render_paths(const struct ruleset *ruleset, struct buffer *text)
{
	int r = save_table(ruleset, TABLE_NAT, text);

	return r < 0 ? r : buffer_result(text);
}
