/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NFTABLES_RENDER_H
#define NETI_NFTABLES_RENDER_H
/*
 * A ruleset in the words of nftables: one table of both families, its sets, its chains, their
 * rules, as values and as text. Pure: no kernel header, no library.
 */
#include "base/buffer.h"
#include "ruleset/arrival.h"
#include "ruleset/ruleset.h"

#define TABLE_NAME "neti"
#define DENIED_SECONDS 3600

enum nft_set { SET_PEERS, SET_OVERLAY, SET_DENIED, SET_DENIED6, SETS };

/* What an element is. Of several fields each fills a register of four bytes, or several. */
struct set_shape {
	const char *name, *comment;
	const char *type;	/* as nft prints it */
	uint32_t key_type;	/* the number that nft knows it by */
	uint8_t address_length; /* of its first field */
	uint8_t key_length;	/* of all fields, filled up */
	uint8_t data_length;	/* of what a map leads to; 0: no map */
	bool noted;		/* by rules: with a time-out and a counter */
};
extern const struct set_shape nft_sets[SETS];

/* Elements that the set has to have room for. */
uint32_t nft_set_room(const struct ruleset *ruleset, enum nft_set set);
/* Wanted elements, sorted by their key; none of a set that rules fill. */
size_t nft_set_length(const struct ruleset *ruleset, enum nft_set set);
const struct address *nft_set_key(const struct ruleset *ruleset, enum nft_set set, size_t i);
const struct address *nft_set_data(const struct ruleset *ruleset, enum nft_set set, size_t i);

enum nft_chain {
	CHAIN_INPUT,
	CHAIN_OUTPUT,
	CHAIN_FORWARD,
	CHAIN_PATHS,
	CHAIN_PATHS_FORWARDED,
	CHAINS
};

enum nft_hook { HOOK_PREROUTING = 0, HOOK_INPUT = 1, HOOK_FORWARD = 2, HOOK_OUTPUT = 3 };

struct chain_shape {
	const char *name, *comment;
	const char *type;
	enum nft_hook hook;
	int32_t priority;
	const char *place; /* hook and priority as nft prints them */
	bool forwarded;	   /* only for forwarded traffic */
};
extern const struct chain_shape nft_chains[CHAINS];
bool nft_chain_is_wanted(const struct ruleset *ruleset, enum nft_chain chain);

enum rule_target {
	TARGET_ACCEPT,
	TARGET_DROP,
	TARGET_NOTE, /* in the set of denied of that family */
	TARGET_RETURN,
	TARGET_REJECT, /* host unreachable */
	TARGET_DNAT,   /* to one address */
	TARGET_PATH,   /* to what the overlay leads to, if it does */
};

struct nft_rule {
	struct match match;
	enum rule_target target;
	struct address to;
	const char *comment;
};

struct nft_rules {
	struct nft_rule *items;
	size_t length, size;
	int result; /* 0 or -ENOMEM: sticks, like a buffer's */
};

/* Appends the rules of a chain. Without "enforce" the kernel tracks connections, and refuses and
 * notes nobody. */
void nft_chain_rules(const struct ruleset *ruleset, enum nft_chain chain, bool enforce,
	struct nft_rules *rules);
void nft_rules_clear(struct nft_rules *rules);

/* As nft lists it, without the end of line. */
void nft_print_rule(struct buffer *text, const struct nft_rule *rule);
/* "10.0.0.1", "192.168.0.7 : 10.0.0.1". */
void nft_print_element(struct buffer *text, enum nft_set set, const struct address *key,
	const struct address *data);
int nft_print_table(const struct ruleset *ruleset, struct buffer *text);

#endif
