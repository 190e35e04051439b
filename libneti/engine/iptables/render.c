/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a ruleset is in iptables: which chains, which rules, in which order. Pure.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "render.h"

/*
 * neti-denied is asked before it is added to: adding again with --exist would set the
 * entry's packet counter back to one, matching it counts on.
 */
const struct set_shape render_sets[SETS] = {
	[SET_PEERS] = { .name = "neti-peers",
		.spare = "neti-peers-new",
		.type = "hash:ip",
		.maxelem = PEERS_MAX },
	[SET_DENIED] = { .name = "neti-denied",
		.spare = "neti-denied-new",
		.type = "hash:ip,port",
		.maxelem = DENIED_MAX,
		.timeout = DENIED_TIMEOUT,
		.counters = true },
};

static const struct {
	const char *name;
	uint8_t family;
	const char *hooks[4];
} tables[TABLES] = {
	[TABLE_NAT] = { "nat", AF_INET, { "PREROUTING", "OUTPUT" } },
	[TABLE_FILTER] = { "filter", AF_INET, { "INPUT", "FORWARD", "OUTPUT" } },
	[TABLE_FILTER6] = { "filter", AF_INET6, { "INPUT" } },
};

/* Which own rule may stand in which built-in chain. */
static const struct jump {
	enum table table;
	const char *builtin;
	const char *chain;
	bool overlay;	/* with -d OVERLAY */
	bool forwarded; /* only for forwarded traffic */
} jumps[] = {
	{ TABLE_FILTER, "INPUT", CHAIN_INPUT, .overlay = false },
	{ TABLE_FILTER, "OUTPUT", CHAIN_OUTPUT, .overlay = true },
	{ TABLE_FILTER, "FORWARD", CHAIN_OUTPUT, .overlay = true, .forwarded = true },
	{ TABLE_FILTER6, "INPUT", CHAIN_INPUT, .overlay = false },
	{ TABLE_NAT, "OUTPUT", CHAIN_OVERRIDES, .overlay = false },
	{ TABLE_NAT, "OUTPUT", CHAIN_OVERLAY, .overlay = true },
	{ TABLE_NAT, "PREROUTING", CHAIN_OVERRIDES, .overlay = false, .forwarded = true },
	{ TABLE_NAT, "PREROUTING", CHAIN_OVERLAY, .overlay = true, .forwarded = true },
};
#define N_JUMPS (sizeof(jumps) / sizeof(jumps[0]))

/* Without these an IPv6 host loses its neighbours, its router and its path MTU (RFC 4890). */
static const uint8_t icmp6_needed[] = {
	1, 2, 3, 4,	    /* unreachable, packet too big, time exceeded, parameter problem */
	130, 131, 132, 143, /* multicast listeners: switches forget a silent host */
	133, 134, 135, 136, /* router and neighbour discovery */
};

static struct rule *add(struct chain *chain, enum rule_target target)
{
	static struct rule lost; /* written to and never read after a failed allocation */
	struct rule *rule;

	if (chain->result == 0)
		chain->result = ARRAY_RESERVE(chain->rules, chain->size, chain->length + 1);
	if (chain->result < 0)
		return &lost;
	rule = &chain->rules[chain->length++];
	memset(rule, 0, sizeof(*rule));
	rule->set = SET_NONE;
	rule->target = target;
	return rule;
}

static void start_chain(struct chain *chain, const char *name)
{
	snprintf(chain->name, sizeof(chain->name), "%s", name);
	chain->length = 0;
}

void chain_clear(struct chain *chain)
{
	free(chain->rules);
	*chain = (struct chain){ 0 };
}

const char *render_table_name(enum table table)
{
	return tables[table].name;
}

uint8_t render_table_family(enum table table)
{
	return tables[table].family;
}

const char *const *render_hooks(enum table table)
{
	return tables[table].hooks;
}

/* NETI-PROXY belongs to the proxy command, which keeps house by itself. */
bool render_is_own(const char *chain)
{
	return strncmp(chain, "NETI-", 5) == 0 && strncmp(chain, "NETI-PROXY", 10) != 0;
}

uint32_t render_hashsize(size_t entries)
{
	uint32_t size = 1024;

	while (size < entries && size < PEERS_MAX)
		size *= 2;
	return size;
}

static void add_prefixes(struct chain *chain, const struct prefix *prefixes, size_t n,
	uint8_t family, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		struct rule *rule;

		if (prefixes[i].address.family != family)
			continue;
		rule = add(chain, RULE_ACCEPT);
		rule->source = prefixes[i];
		rule->protocol = port ? IPPROTO_TCP : 0;
		rule->low = rule->high = port;
	}
}

static void add_icmp(struct chain *chain, uint8_t family, uint8_t type)
{
	struct rule *rule = add(chain, RULE_ACCEPT);

	rule->protocol = family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	rule->typed = true;
	rule->icmp_type = type;
}

/* Replies to DHCPv6 answer a multicast request, so conntrack does not know them. */
static void add_ipv6_needs(struct chain *chain)
{
	static const struct prefix link_local = {
		.address = { .family = AF_INET6, .bytes = { 0xfe, 0x80 } }, .length = 10
	};
	struct rule *rule;

	for (size_t i = 0; i < sizeof(icmp6_needed); i++)
		add_icmp(chain, AF_INET6, icmp6_needed[i]);
	rule = add(chain, RULE_ACCEPT);
	rule->source = link_local;
	rule->destination = link_local;
	rule->protocol = IPPROTO_UDP;
	rule->low = rule->high = 546;
}

/* A stranger is who begins: of TCP a SYN. What else the kernel knows no connection of belongs to one
 * that is older than the rules, or over. While open connections are being imported nobody is noted, since
 * every answer that arrives looks like a stranger's. */
static void add_strangers(struct chain *chain, bool enforce, bool refused, uint8_t family)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	bool noted = family == AF_INET && enforce;

	for (size_t i = 0; noted && i < sizeof(protocols); i++) {
		struct rule *rule = add(chain, RULE_ADD);

		rule->protocol = protocols[i];
		rule->syn = rule->protocol == IPPROTO_TCP;
		rule->set = SET_DENIED;
	}
	add(chain, refused ? RULE_DROP : RULE_RETURN);
}

/* The connection's state is asked before the set of peers: both accept, the order changes no
 * verdict, almost every packet is of an open connection, and to look into the set costs more. */
static void add_policy(struct chain *chain, const struct policy *policy, bool enforce,
	uint8_t family)
{
	bool refused = policy->reject_all && enforce;
	struct rule *rule;

	add(chain, RULE_ACCEPT)->loopback = true;
	add(chain, RULE_ACCEPT)->states = RULE_RELATED | RULE_ESTABLISHED;
	if (family == AF_INET)
		add(chain, RULE_ACCEPT)->set = SET_PEERS;
	if (refused) {
		rule = add(chain, RULE_DROP);
		rule->protocol = IPPROTO_TCP;
		rule->not_syn = true;
		rule->states = RULE_NEW;
	}
	if (family == AF_INET6)
		add_ipv6_needs(chain);
	add_prefixes(chain, policy->trusted, policy->n_trusted, family, 0);
	add_prefixes(chain, policy->ssh_whitelist, policy->n_ssh_whitelist, family, 22);
	if (policy->icmp)
		add_icmp(chain, family, family == AF_INET6 ? 128 : 8);
	for (size_t i = 0; i < policy->n_open_ports; i++) {
		rule = add(chain, RULE_ACCEPT);
		rule->protocol = policy->open_ports[i].protocol;
		rule->low = policy->open_ports[i].low;
		rule->high = policy->open_ports[i].high;
	}
	add_strangers(chain, enforce, refused, family);
}

static void add_dnat(struct chain *chain, const struct address *from, const struct address *to)
{
	struct rule *rule = add(chain, RULE_DNAT);

	rule->destination = prefix_of(from, address_bits(from));
	rule->to = *to;
}

/* inside: those that the jump with -d OVERLAY reaches anyway. */
static size_t add_overrides(struct chain *chain, const struct ruleset *ruleset, bool inside)
{
	const struct policy *policy = &ruleset->policy;
	size_t n = 0;

	for (size_t i = 0; i < policy->n_nat_overrides; i++) {
		const struct override *override = &policy->nat_overrides[i];

		if (prefix_contains(&ruleset->overlay, &override->from) != inside)
			continue;
		n++;
		if (chain)
			add_dnat(chain, &override->from, &override->to);
	}
	return n;
}

unsigned render_tree_top(const struct prefix *overlay)
{
	return (overlay->length / RENDER_STEP + 1) * RENDER_STEP;
}

/* The first path behind the prefix. */
static size_t path_after(const struct ruleset *ruleset, const struct prefix *prefix, size_t from)
{
	size_t low = from, high = ruleset->n_paths;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (prefix_contains(prefix, &ruleset->paths[middle].overlay))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_goto(struct chain *chain, const struct prefix *child)
{
	char text[PREFIX_TEXT_MAX];
	struct rule *rule = add(chain, RULE_GOTO);

	rule->destination = *child;
	snprintf(rule->chain, sizeof(rule->chain), "NETI-%.23s", prefix_format(child, text));
}

void render_node(const struct ruleset *ruleset, const struct prefix *node, struct chain *ret)
{
	bool root = node->length == ruleset->overlay.length;
	unsigned below = root ? render_tree_top(node) : node->length + (unsigned)RENDER_STEP;
	size_t i = ruleset_path_index(ruleset, &node->address);
	char text[PREFIX_TEXT_MAX], name[CHAIN_NAME_SIZE];

	snprintf(name, sizeof(name), "NETI-%.23s", prefix_format(node, text));
	start_chain(ret, root ? CHAIN_OVERLAY : name);
	if (root)
		add_overrides(ret, ruleset, true);
	while (i < ruleset->n_paths && prefix_contains(node, &ruleset->paths[i].overlay)) {
		struct prefix child = prefix_of(&ruleset->paths[i].overlay, below);

		if (below > RENDER_LEAF) {
			add_dnat(ret, &ruleset->paths[i].overlay, &ruleset->paths[i].target);
			i++;
		} else {
			add_goto(ret, &child);
			i = path_after(ruleset, &child, i);
		}
	}
}

static int visit_level(const struct ruleset *ruleset, unsigned level, struct chain *chain,
	render_visit_fn visit, void *data)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ruleset->n_paths;) {
		struct prefix node = prefix_of(&ruleset->paths[i].overlay, level);

		render_node(ruleset, &node, chain);
		r = chain->result < 0 ? chain->result : visit(data, chain);
		i = path_after(ruleset, &node, i);
	}
	return r;
}

static int visit_nat(const struct ruleset *ruleset, struct chain *chain, render_visit_fn visit,
	void *data)
{
	unsigned top = render_tree_top(&ruleset->overlay);
	int r = 0;

	for (unsigned level = RENDER_LEAF; r >= 0 && level >= top; level -= RENDER_STEP)
		r = visit_level(ruleset, level, chain, visit, data);
	if (r < 0)
		return r;
	render_node(ruleset, &ruleset->overlay, chain);
	r = chain->result < 0 ? chain->result : visit(data, chain);
	start_chain(chain, CHAIN_OVERRIDES);
	if (r < 0 || add_overrides(chain, ruleset, false) == 0)
		return r;
	return chain->result < 0 ? chain->result : visit(data, chain);
}

static int visit_filter(const struct ruleset *ruleset, enum table table, bool enforce,
	struct chain *chain, render_visit_fn visit, void *data)
{
	int r;

	start_chain(chain, CHAIN_INPUT);
	add_policy(chain, &ruleset->policy, enforce, tables[table].family);
	r = chain->result < 0 ? chain->result : visit(data, chain);
	if (r < 0 || table == TABLE_FILTER6)
		return r;
	start_chain(chain, CHAIN_OUTPUT);
	for (size_t i = 0; i < ruleset->own.length; i++)
		add(chain, RULE_RETURN)->destination = ruleset->own.items[i];
	add(chain, RULE_REJECT);
	return chain->result < 0 ? chain->result : visit(data, chain);
}

/* Open hosts need nothing in IPv6: without reject_all the chain would only return. */
static bool wants_table(const struct ruleset *ruleset, enum table table)
{
	return ruleset && (table != TABLE_FILTER6 || ruleset->policy.reject_all);
}

int render_visit(const struct ruleset *ruleset, enum table table, bool enforce,
	render_visit_fn visit, void *data)
{
	struct chain chain = { 0 };
	int r;

	if (!wants_table(ruleset, table))
		return 0;
	r = table == TABLE_NAT ? visit_nat(ruleset, &chain, visit, data) :
				 visit_filter(ruleset, table, enforce, &chain, visit, data);
	chain_clear(&chain);
	return r;
}

static bool wants_jump(const struct ruleset *ruleset, const struct jump *jump)
{
	if (jump->forwarded && !ruleset->policy.forwarded)
		return false;
	return strcmp(jump->chain, CHAIN_OVERRIDES) != 0 || add_overrides(NULL, ruleset, false) > 0;
}

void render_jumps(const struct ruleset *ruleset, enum table table, const char *builtin,
	struct chain *ret)
{
	start_chain(ret, builtin);
	for (size_t i = 0; wants_table(ruleset, table) && i < N_JUMPS; i++) {
		struct rule *rule;

		if (jumps[i].table != table || strcmp(jumps[i].builtin, builtin) != 0 ||
			!wants_jump(ruleset, &jumps[i]))
			continue;
		rule = add(ret, RULE_JUMP);
		snprintf(rule->chain, sizeof(rule->chain), "%s", jumps[i].chain);
		if (jumps[i].overlay)
			rule->destination = ruleset->overlay;
	}
}

/* Any subnet: the overlay's may have been another one when the rule was made. */
bool render_is_jump(enum table table, const char *builtin, const struct rule *rule)
{
	if (rule->target != RULE_JUMP || rule->source.length || rule->loopback || rule->protocol ||
		rule->states || rule->set != SET_NONE)
		return false;
	for (size_t i = 0; i < N_JUMPS; i++)
		if (jumps[i].table == table && strcmp(jumps[i].builtin, builtin) == 0 &&
			strcmp(jumps[i].chain, rule->chain) == 0 &&
			(jumps[i].overlay || rule->destination.length == 0))
			return true;
	return false;
}
