/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IPTABLES_RENDER_H
#define NETI_IPTABLES_RENDER_H
/*
 * A ruleset in the words of iptables: tables, chains, rules, sets, as values and as text.
 * Pure: no kernel header, no library. One chain at a time, so that 64,000 members need no
 * more memory than sixteen.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ruleset/arrival.h"
#include "ruleset/ruleset.h"

#define CHAIN_NAME_SIZE 29 /* what iptables takes, with the NUL */

#define CHAIN_INPUT "NETI-INPUT"
#define CHAIN_OUTPUT "NETI-OUTPUT"
#define CHAIN_OVERLAY "NETI-OVERLAY"
#define CHAIN_OVERRIDES "NETI-OVERRIDES"

#define PEERS_MAX RULESET_PEERS_MAX
#define DENIED_MAX 65536
#define DENIED_TIMEOUT 3600 /* seconds */

enum table { TABLE_NAT, TABLE_FILTER, TABLE_FILTER6, TABLES };

enum set { SET_PEERS, SET_DENIED, SETS, SET_NONE = SETS };

struct set_shape {
	const char *name, *spare; /* spare: while a set of the wrong type is replaced */
	const char *type;
	uint32_t maxelem, timeout;
	bool counters;
};
extern const struct set_shape render_sets[SETS];

enum rule_target {
	RULE_ACCEPT,
	RULE_DROP,
	RULE_RETURN,
	RULE_REJECT, /* icmp-host-unreachable */
	RULE_DNAT,
	RULE_ADD, /* to the set of denied */
	RULE_JUMP,
	RULE_GOTO
};

struct rule {
	struct match match;
	enum set set; /* SET_PEERS: source in it; SET_DENIED: source and port not in it */
	enum rule_target target;
	struct address to;	     /* DNAT */
	char chain[CHAIN_NAME_SIZE]; /* jump, goto */
};

struct chain {
	char name[CHAIN_NAME_SIZE];
	struct rule *rules;
	size_t length, size;
	int result; /* 0 or -ENOMEM: sticks, like a buffer's */
};
void chain_clear(struct chain *chain);

/* The kernel's name of the table, and its address family. */
const char *render_table_name(enum table table);
uint8_t render_table_family(enum table table);

/*
 * Every own chain of the table, children before those that go to them; stops at the first
 * negative result. The chain is lent for the call. ruleset may be NULL: nothing. Without
 * "enforce" the kernel tracks connections and refuses nobody.
 */
typedef int (*render_visit_fn)(void *data, const struct chain *chain);
int render_visit(const struct ruleset *ruleset, enum table table, bool enforce,
	render_visit_fn visit, void *data);

/* The own rules that stand first in a built-in chain. */
void render_jumps(const struct ruleset *ruleset, enum table table, const char *builtin,
	struct chain *ret);
/* The built-in chains that may have such rules: NULL-terminated. */
const char *const *render_hooks(enum table table);
bool render_is_jump(enum table table, const char *builtin, const struct rule *rule);
bool render_is_own(const char *chain);

/*
 * The tree of the overlay. Nodes of a level are prefixes of that length; render_tree_top is the
 * first level below the root, above RENDER_LEAF when the root itself is the only leaf.
 */
#define RENDER_LEAF 28
#define RENDER_STEP 4
unsigned render_tree_top(const struct prefix *overlay);
/* One node; without rules when no path is in it. The root: the overlay subnet itself. */
void render_node(const struct ruleset *ruleset, const struct prefix *node, struct chain *ret);

uint32_t render_hashsize(size_t entries);

/* "-A CHAIN ..." as iptables-save prints it, without the end of line. */
void render_rule(struct buffer *text, const char *chain, const struct rule *rule);
void render_set(struct buffer *text, enum set set, size_t entries);
/* As ipset save and iptables-save print it. */
int render_filter(const struct ruleset *ruleset, struct buffer *text);
int render_paths(const struct ruleset *ruleset, struct buffer *text);

#endif
