/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NFTABLES_MESSAGE_H
#define NETI_NFTABLES_MESSAGE_H
/*
 * Netlink messages of nftables, as parts of a transaction.
 */
#include "engine/netlink/transaction.h"
#include "render.h"

void nft_add_table(struct transaction *transaction);
void nft_delete_table(struct transaction *transaction);
void nft_add_set(struct transaction *transaction, enum nft_set set, uint32_t room);
void nft_add_chain(struct transaction *transaction, enum nft_chain chain);
void nft_add_rule(struct transaction *transaction, enum nft_chain chain,
	const struct nft_rule *rule);
/* All rules of the chain of that name; NULL: of all chains. */
void nft_empty_chain(struct transaction *transaction, const char *name);
void nft_delete_chain(struct transaction *transaction, const char *name);
void nft_delete_set(struct transaction *transaction, const char *name);

/* An element as the kernel keeps it: fields fill four bytes each, or several. */
struct nft_element {
	uint8_t key[24], data[16];
	uint64_t timeout_ms, expires_ms, packets; /* of what rules noted */
};
void nft_element_of(enum nft_set set, const struct address *key, const struct address *data,
	struct nft_element *ret);

/* Many at a time: elements to be added to a set, or to be deleted. Begun with zero. */
struct nft_elements {
	struct transaction *transaction;
	enum nft_set set;
	bool delete;
	struct nlmsghdr *message;
	struct nlattr *list;
	size_t n; /* in all */
};
void nft_elements_put(struct nft_elements *elements, const struct nft_element *element);
/* Before the next message of the transaction. */
void nft_elements_end(struct nft_elements *elements);

/* The expressions of a rule, into a message of NFT_RULE_ROOM bytes at most. */
#define NFT_RULE_ROOM 2048
enum nft_dialect {
	NFT_DIALECT_OLD, /* two comparisons for a range of ports: what every kernel takes */
	NFT_DIALECT_NEW, /* one expression: nft from 1.1 on, when it restores what it listed */
};
void nft_put_expressions(struct nlmsghdr *message, const struct nft_rule *rule,
	enum nft_dialect dialect);

#endif
