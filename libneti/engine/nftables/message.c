/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables, sets, chains and elements as the kernel takes them.
 */
#include <endian.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

#define ROOM 512 /* for everything but rules and elements */
/* A list has 65,535 bytes at most, and an element 100. */
#define ELEMENTS_ROOM 65536
#define ELEMENTS_FULL 60000

/* Where nft keeps comments: a byte for what it is, one for the length, the text. */
enum { COMMENT_OF_TABLE = 0, COMMENT_OF_CHAIN = 0, COMMENT_OF_SET = 7, COMMENT_OF_RULE = 0 };

static void put_comment(struct nlmsghdr *message, uint16_t attribute, uint8_t kind,
	const char *comment)
{
	size_t length = strlen(comment) + 1;
	uint8_t bytes[128] = { kind, (uint8_t)length };

	memcpy(bytes + 2, comment, length);
	netlink_put(message, attribute, bytes, length + 2);
}

static struct nlmsghdr *begin_message(struct transaction *transaction, uint8_t command,
	uint16_t flags, size_t room)
{
	static char lost[ELEMENTS_ROOM]; /* written to after a failed allocation */
	void *space = transaction_next(transaction, room);

	return netlink_begin_netfilter(space ? space : lost, NFNL_SUBSYS_NFTABLES, command, flags,
		NFPROTO_INET);
}

/* Also one that sleeps. */
void nft_add_table(struct transaction *transaction)
{
	struct nlmsghdr *message = begin_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE, ROOM);

	netlink_put_text(message, NFTA_TABLE_NAME, TABLE_NAME);
	netlink_put_be32(message, NFTA_TABLE_FLAGS, 0);
}

void nft_delete_table(struct transaction *transaction)
{
	struct nlmsghdr *message = begin_message(transaction, NFT_MSG_DELTABLE, 0, ROOM);

	netlink_put_text(message, NFTA_TABLE_NAME, TABLE_NAME);
}

static void put_size(struct nlmsghdr *message, uint32_t room)
{
	struct nlattr *description = netlink_nest(message, NFTA_SET_DESC);

	netlink_put_be32(message, NFTA_SET_DESC_SIZE, room);
	netlink_end(message, description);
}

void nft_add_set(struct transaction *transaction, enum nft_set set, uint32_t room)
{
	const struct set_shape *shape = &nft_sets[set];
	struct nlmsghdr *message = begin_message(transaction, NFT_MSG_NEWSET, NLM_F_CREATE, ROOM);
	uint64_t timeout = htobe64(DENIED_SECONDS * 1000);

	netlink_put_text(message, NFTA_SET_TABLE, TABLE_NAME);
	netlink_put_text(message, NFTA_SET_NAME, shape->name);
	netlink_put_be32(message, NFTA_SET_ID, set + 1);
	netlink_put_be32(message, NFTA_SET_FLAGS,
		shape->noted	   ? NFT_SET_EVAL | NFT_SET_TIMEOUT :
		shape->data_length ? NFT_SET_MAP :
				     0);
	netlink_put_be32(message, NFTA_SET_KEY_TYPE, shape->key_type);
	netlink_put_be32(message, NFTA_SET_KEY_LEN, shape->key_length);
	if (shape->data_length) {
		netlink_put_be32(message, NFTA_SET_DATA_TYPE, shape->key_type);
		netlink_put_be32(message, NFTA_SET_DATA_LEN, shape->data_length);
	}
	if (shape->noted)
		netlink_put(message, NFTA_SET_TIMEOUT, &timeout, sizeof(timeout));
	put_size(message, room);
	put_comment(message, NFTA_SET_USERDATA, COMMENT_OF_SET, shape->comment);
}

void nft_add_chain(struct transaction *transaction, enum nft_chain chain)
{
	const struct chain_shape *shape = &nft_chains[chain];
	struct nlmsghdr *message = begin_message(transaction, NFT_MSG_NEWCHAIN, NLM_F_CREATE, ROOM);
	struct nlattr *hook;

	netlink_put_text(message, NFTA_CHAIN_TABLE, TABLE_NAME);
	netlink_put_text(message, NFTA_CHAIN_NAME, shape->name);
	hook = netlink_nest(message, NFTA_CHAIN_HOOK);
	netlink_put_be32(message, NFTA_HOOK_HOOKNUM, shape->hook);
	netlink_put_be32(message, NFTA_HOOK_PRIORITY, (uint32_t)shape->priority);
	netlink_end(message, hook);
	netlink_put_be32(message, NFTA_CHAIN_POLICY, NF_ACCEPT);
	netlink_put_text(message, NFTA_CHAIN_TYPE, shape->type);
	put_comment(message, NFTA_CHAIN_USERDATA, COMMENT_OF_CHAIN, shape->comment);
}

void nft_add_rule(struct transaction *transaction, enum nft_chain chain,
	const struct nft_rule *rule)
{
	struct nlmsghdr *message = begin_message(transaction, NFT_MSG_NEWRULE,
		NLM_F_CREATE | NLM_F_APPEND, NFT_RULE_ROOM);

	netlink_put_text(message, NFTA_RULE_TABLE, TABLE_NAME);
	netlink_put_text(message, NFTA_RULE_CHAIN, nft_chains[chain].name);
	nft_put_expressions(message, rule, NFT_DIALECT_OLD);
	put_comment(message, NFTA_RULE_USERDATA, COMMENT_OF_RULE, rule->comment);
}

void nft_empty_chain(struct transaction *transaction, const char *name)
{
	struct nlmsghdr *message = begin_message(transaction, NFT_MSG_DELRULE, 0, ROOM);

	netlink_put_text(message, NFTA_RULE_TABLE, TABLE_NAME);
	if (name)
		netlink_put_text(message, NFTA_RULE_CHAIN, name);
}

void nft_delete_chain(struct transaction *transaction, const char *name)
{
	struct nlmsghdr *message = begin_message(transaction, NFT_MSG_DELCHAIN, 0, ROOM);

	netlink_put_text(message, NFTA_CHAIN_TABLE, TABLE_NAME);
	netlink_put_text(message, NFTA_CHAIN_NAME, name);
}

void nft_delete_set(struct transaction *transaction, const char *name)
{
	struct nlmsghdr *message = begin_message(transaction, NFT_MSG_DELSET, 0, ROOM);

	netlink_put_text(message, NFTA_SET_TABLE, TABLE_NAME);
	netlink_put_text(message, NFTA_SET_NAME, name);
}

/* --- elements ----------------------------------------------------------------------------------- */

void nft_element_of(enum nft_set set, const struct address *key, const struct address *data,
	struct nft_element *ret)
{
	const struct set_shape *shape = &nft_sets[set];

	*ret = (struct nft_element){ 0 };
	memcpy(ret->key, key->bytes, shape->key_length);
	if (shape->data_length)
		memcpy(ret->data, data->bytes, shape->data_length);
}

static void begin_elements(struct nft_elements *elements)
{
	elements->message = begin_message(elements->transaction,
		elements->delete ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM,
		elements->delete ? 0 : NLM_F_CREATE, ELEMENTS_ROOM);
	netlink_put_text(elements->message, NFTA_SET_ELEM_LIST_TABLE, TABLE_NAME);
	netlink_put_text(elements->message, NFTA_SET_ELEM_LIST_SET, nft_sets[elements->set].name);
	elements->list = netlink_nest(elements->message, NFTA_SET_ELEM_LIST_ELEMENTS);
}

void nft_elements_put(struct nft_elements *elements, const struct nft_element *element)
{
	const struct set_shape *shape = &nft_sets[elements->set];
	struct nlattr *nest;

	if (!elements->message)
		begin_elements(elements);
	nest = netlink_nest(elements->message, NFTA_LIST_ELEM);
	netlink_put_inside(elements->message, NFTA_SET_ELEM_KEY, NFTA_DATA_VALUE, element->key,
		shape->key_length);
	if (shape->data_length && !elements->delete)
		netlink_put_inside(elements->message, NFTA_SET_ELEM_DATA, NFTA_DATA_VALUE,
			element->data, shape->data_length);
	netlink_end(elements->message, nest);
	elements->n++;
	if (elements->message->nlmsg_len > ELEMENTS_FULL)
		nft_elements_end(elements);
}

void nft_elements_end(struct nft_elements *elements)
{
	if (elements->message)
		netlink_end(elements->message, elements->list);
	elements->message = NULL;
}
