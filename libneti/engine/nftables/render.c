/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a ruleset is in nftables: which sets, which chains, which rules, in which order. Pure.
 */
#include <stdlib.h>

#include "base/array.h"
#include "render.h"

#define ROOM_LEAST 1024
#define DENIED_MOST 65536

const struct set_shape nft_sets[SETS] = {
	[SET_PEERS] = { "peers", "addresses that members are seen from", "ipv4_addr", 7, 4, 4, 0,
		false },
	[SET_OVERLAY] = { "overlay", "where overlay addresses lead from here",
		"ipv4_addr : ipv4_addr", 7, 4, 4, 4, false },
	[SET_DENIED] = { "denied", "who was refused, or would have been",
		"ipv4_addr . inet_proto . inet_service", 7 << 12 | 12 << 6 | 13, 4, 12, 0, true },
	[SET_DENIED6] = { "denied6", "who was refused, or would have been",
		"ipv6_addr . inet_proto . inet_service", 8 << 12 | 12 << 6 | 13, 16, 24, 0, true },
};

/* The paths before every other program's, so that these see where a packet really goes. */
const struct chain_shape nft_chains[CHAINS] = {
	[CHAIN_INPUT] = { "input", "who is let in", "filter", HOOK_INPUT, 0,
		"input priority filter", false },
	[CHAIN_OUTPUT] = { "output", "an overlay address without a path", "filter", HOOK_OUTPUT, 0,
		"output priority filter", false },
	[CHAIN_FORWARD] = { "forward", "an overlay address without a path", "filter", HOOK_FORWARD,
		0, "forward priority filter", true },
	[CHAIN_PATHS] = { "paths", "where overlay addresses lead", "nat", HOOK_OUTPUT, -101,
		"output priority -101", false },
	[CHAIN_PATHS_FORWARDED] = { "paths_forwarded", "the same, for what others send", "nat",
		HOOK_PREROUTING, -101, "prerouting priority dstnat - 1", true },
};

uint32_t nft_set_room(const struct ruleset *ruleset, enum nft_set set)
{
	size_t n = nft_set_length(ruleset, set);
	uint32_t room = ROOM_LEAST;

	if (nft_sets[set].noted)
		return DENIED_MOST;
	while (room < 2 * n && room < 2 * RULESET_PEERS_MAX)
		room *= 2;
	return room;
}

size_t nft_set_length(const struct ruleset *ruleset, enum nft_set set)
{
	return set == SET_PEERS ? ruleset->n_peers : set == SET_OVERLAY ? ruleset->n_paths : 0;
}

const struct address *nft_set_key(const struct ruleset *ruleset, enum nft_set set, size_t i)
{
	return set == SET_PEERS ? &ruleset->peers[i] : &ruleset->paths[i].overlay;
}

const struct address *nft_set_data(const struct ruleset *ruleset, enum nft_set set, size_t i)
{
	return set == SET_PEERS ? NULL : &ruleset->paths[i].target;
}

bool nft_chain_is_wanted(const struct ruleset *ruleset, enum nft_chain chain)
{
	return ruleset->policy.forwarded || !nft_chains[chain].forwarded;
}

static struct nft_rule *add(struct nft_rules *rules, enum rule_target target, const char *comment)
{
	static struct nft_rule lost; /* written to and never read after a failed allocation */
	struct nft_rule *rule;

	if (rules->result == 0)
		rules->result = ARRAY_RESERVE(rules->items, rules->size, rules->length + 1);
	if (rules->result < 0)
		return &lost;
	rule = &rules->items[rules->length++];
	*rule = (struct nft_rule){ .target = target, .comment = comment };
	return rule;
}

void nft_rules_clear(struct nft_rules *rules)
{
	free(rules->items);
	*rules = (struct nft_rules){ 0 };
}

static void add_policy(struct nft_rules *rules, const struct policy *policy, bool enforce)
{
	static const enum rule_target targets[] = {
		[VERDICT_ACCEPT] = TARGET_ACCEPT,
		[VERDICT_DROP] = TARGET_DROP,
		[VERDICT_NOTE] = TARGET_NOTE,
		[VERDICT_LEAVE] = TARGET_RETURN,
	};
	struct arrival_list list = { 0 };

	arrival_rules(&list, policy, 0, enforce);
	for (size_t i = 0; i < list.length; i++)
		add(rules, targets[list.items[i].verdict], list.items[i].why)->match =
			list.items[i].match;
	if (list.result < 0)
		rules->result = list.result;
	arrival_clear(&list);
}

static void send_to(struct nft_rule *rule, const struct prefix *destination)
{
	rule->match.family = destination->address.family;
	rule->match.destination = *destination;
}

/* Behind the paths: what still has an overlay address here has none. */
static void add_unreachable(struct nft_rules *rules, const struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->own.length; i++)
		send_to(add(rules, TARGET_RETURN, "a network of this host's own"),
			&ruleset->own.items[i]);
	send_to(add(rules, TARGET_REJECT, "no member has it"), &ruleset->overlay);
}

static void add_paths(struct nft_rules *rules, const struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->policy.n_nat_overrides; i++) {
		const struct override *override = &ruleset->policy.nat_overrides[i];
		struct prefix from = prefix_of(&override->from, address_bits(&override->from));
		struct nft_rule *rule = add(rules, TARGET_DNAT, "nat_overrides");

		send_to(rule, &from);
		rule->to = override->to;
	}
	add(rules, TARGET_PATH, "to the member that has it")->match.family = AF_INET;
}

void nft_chain_rules(const struct ruleset *ruleset, enum nft_chain chain, bool enforce,
	struct nft_rules *rules)
{
	if (chain == CHAIN_INPUT)
		add_policy(rules, &ruleset->policy, enforce || !ruleset->policy.reject_all);
	else if (nft_chains[chain].hook == HOOK_PREROUTING || chain == CHAIN_PATHS)
		add_paths(rules, ruleset);
	else if (enforce)
		add_unreachable(rules, ruleset);
}
