/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_XTABLES_H
#define NETI_XTABLES_H
/*
 * One table of the kernel, read whole, changed in memory and put back whole. The same for
 * IPv4 and IPv6.
 */
#include <stdint.h>

#include "base/error.h"
#include "render.h"

struct xtables;

/* Whether the table is in use in this network namespace; opening one brings it into being. */
bool xtables_exists(enum table table);
int xtables_open(struct xtables **ret, enum table table, const uint16_t sets[SETS],
	struct error *error);

struct xtables *xtables_close(struct xtables *xtables);
enum table xtables_table(const struct xtables *xtables);

/* Names of the own chains, each CHAIN_NAME_MAX bytes. The caller frees. */
#define CHAIN_NAME_MAX 32
int xtables_own_chains(struct xtables *xtables, char (**ret)[CHAIN_NAME_MAX], size_t *ret_n);
bool xtables_has(struct xtables *xtables, const char *chain);
unsigned xtables_references(struct xtables *xtables, const char *chain);

/* A chain's rules, as handles that stay good until the rule is deleted; valid until the next
 * call. -ENOENT without the chain. */
int xtables_rules(struct xtables *xtables, const char *chain, const void *const **ret,
	size_t *ret_n);
bool xtables_same(struct xtables *xtables, const void *entry, const struct rule *rule);
/* Whether the chain refuses whatever comes to its end: by its policy, or by a rule that asks
 * nothing. */
bool xtables_refuses(struct xtables *xtables, const char *chain);
/* The whole chain equals: the quick way. A missing one differs. */
bool xtables_chain_same(struct xtables *xtables, const struct chain *chain);
/* -EINVAL: not a rule of Neti's. */
int xtables_decode(struct xtables *xtables, const void *entry, struct rule *ret);

/* Changes in memory: 0 or -errno. Positions count from 0. */
int xtables_create(struct xtables *xtables, const char *chain);
int xtables_insert(struct xtables *xtables, const char *chain, size_t position,
	const struct rule *rule);
int xtables_append(struct xtables *xtables, const char *chain, const struct rule *rule);
int xtables_delete(struct xtables *xtables, const char *chain, size_t position);
int xtables_empty(struct xtables *xtables, const char *chain);
int xtables_drop(struct xtables *xtables, const char *chain); /* -EMLINK: referred to */

/* -EAGAIN: somebody changed the table meanwhile, open it again. Policy counters are kept. */
int xtables_commit(struct xtables *xtables, struct error *error);

/* The kernel's number of a set, IPSET_INVALID_ID (65535) without one. */
uint16_t xtables_set_index(const char *name);
/* Matches and targets in the revisions that are used; names the missing one. */
int xtables_check(struct error *error);

#endif
