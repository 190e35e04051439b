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

/* What is refused is noted in IPv4 alone: there is one set of denied. */
static void add_arrival(struct chain *chain, const struct arrival *arrival, uint8_t family)
{
	static const enum rule_target targets[] = {
		[VERDICT_ACCEPT] = RULE_ACCEPT,
		[VERDICT_DROP] = RULE_DROP,
		[VERDICT_NOTE] = RULE_ADD,
		[VERDICT_LEAVE] = RULE_RETURN,
	};
	struct rule *rule;

	if (arrival->verdict == VERDICT_NOTE && family != AF_INET)
		return;
	rule = add(chain, targets[arrival->verdict]);
	rule->match = arrival->match;
	rule->match.family = 0; /* the table's */
	rule->match.peers = false;
	if (arrival->match.peers)
		rule->set = SET_PEERS;
	if (arrival->verdict == VERDICT_NOTE)
		rule->set = SET_DENIED;
}

static void add_policy(struct chain *chain, const struct policy *policy, bool enforce,
	uint8_t family)
{
	struct arrival_list list = { 0 };

	arrival_rules(&list, policy, family, enforce);
	for (size_t i = 0; i < list.length; i++)
		add_arrival(chain, &list.items[i], family);
	if (list.result < 0)
		chain->result = list.result;
	arrival_clear(&list);
}

static void add_dnat(struct chain *chain, const struct address *from, const struct address *to)
{
	struct rule *rule = add(chain, RULE_DNAT);

	rule->match.destination = prefix_of(from, address_bits(from));
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

	rule->match.destination = *child;
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
		add(chain, RULE_RETURN)->match.destination = ruleset->own.items[i];
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
			rule->match.destination = ruleset->overlay;
	}
}

/* Any subnet: the overlay's may have been another one when the rule was made. */
bool render_is_jump(enum table table, const char *builtin, const struct rule *rule)
{
	if (rule->target != RULE_JUMP || rule->match.source.length || rule->match.loopback ||
		rule->match.protocol || rule->match.states || rule->set != SET_NONE)
		return false;
	for (size_t i = 0; i < N_JUMPS; i++)
		if (jumps[i].table == table && strcmp(jumps[i].builtin, builtin) == 0 &&
			strcmp(jumps[i].chain, rule->chain) == 0 &&
			(jumps[i].overlay || rule->match.destination.length == 0))
			return true;
	return false;
}
