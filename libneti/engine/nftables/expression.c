/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A rule as expressions of the kernel's virtual machine. All that the kernel gives back is given,
 * also where it is the default: a rule that was read is compared attribute by attribute.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "message.h"

#define SYN_FLAGS 0x17 /* FIN, SYN, RST, ACK */
#define SYN_ONLY 0x02
#define LOOPBACK_INDEX 1

struct expression {
	struct nlattr *element, *data;
};

static struct expression begin_expression(struct nlmsghdr *message, const char *name)
{
	struct expression expression = { .element = netlink_nest(message, NFTA_LIST_ELEM) };

	netlink_put_text(message, NFTA_EXPR_NAME, name);
	expression.data = netlink_nest(message, NFTA_EXPR_DATA);
	return expression;
}

static void end_expression(struct nlmsghdr *message, struct expression expression)
{
	netlink_end(message, expression.data);
	netlink_end(message, expression.element);
}

static void load_meta(struct nlmsghdr *message, uint32_t key, uint32_t to)
{
	struct expression expression = begin_expression(message, "meta");

	netlink_put_be32(message, NFTA_META_KEY, key);
	netlink_put_be32(message, NFTA_META_DREG, to);
	end_expression(message, expression);
}

static void load_payload(struct nlmsghdr *message, uint32_t base, uint32_t offset, uint32_t length,
	uint32_t to)
{
	struct expression expression = begin_expression(message, "payload");

	netlink_put_be32(message, NFTA_PAYLOAD_DREG, to);
	netlink_put_be32(message, NFTA_PAYLOAD_BASE, base);
	netlink_put_be32(message, NFTA_PAYLOAD_OFFSET, offset);
	netlink_put_be32(message, NFTA_PAYLOAD_LEN, length);
	end_expression(message, expression);
}

static void load_ct_state(struct nlmsghdr *message)
{
	struct expression expression = begin_expression(message, "ct");

	netlink_put_be32(message, NFTA_CT_DREG, NFT_REG_1);
	netlink_put_be32(message, NFTA_CT_KEY, NFT_CT_STATE);
	end_expression(message, expression);
}

static void compare(struct nlmsghdr *message, uint32_t operation, const void *bytes, size_t size)
{
	struct expression expression = begin_expression(message, "cmp");

	netlink_put_be32(message, NFTA_CMP_SREG, NFT_REG_1);
	netlink_put_be32(message, NFTA_CMP_OP, operation);
	netlink_put_inside(message, NFTA_CMP_DATA, NFTA_DATA_VALUE, bytes, size);
	end_expression(message, expression);
}

static void compare_byte(struct nlmsghdr *message, uint8_t byte)
{
	compare(message, NFT_CMP_EQ, &byte, 1);
}

static void mask(struct nlmsghdr *message, const void *bytes, size_t size)
{
	static const uint8_t nothing[16];
	struct expression expression = begin_expression(message, "bitwise");

	netlink_put_be32(message, NFTA_BITWISE_SREG, NFT_REG_1);
	netlink_put_be32(message, NFTA_BITWISE_DREG, NFT_REG_1);
	netlink_put_be32(message, NFTA_BITWISE_LEN, (uint32_t)size);
	netlink_put_inside(message, NFTA_BITWISE_MASK, NFTA_DATA_VALUE, bytes, size);
	netlink_put_inside(message, NFTA_BITWISE_XOR, NFTA_DATA_VALUE, nothing, size);
	end_expression(message, expression);
}

static void look_up(struct nlmsghdr *message, enum nft_set set)
{
	struct expression expression = begin_expression(message, "lookup");

	netlink_put_text(message, NFTA_LOOKUP_SET, nft_sets[set].name);
	netlink_put_be32(message, NFTA_LOOKUP_SREG, NFT_REG_1);
	if (nft_sets[set].data_length)
		netlink_put_be32(message, NFTA_LOOKUP_DREG, NFT_REG_1);
	netlink_put_be32(message, NFTA_LOOKUP_FLAGS, 0);
	end_expression(message, expression);
}

/* --- which packets ------------------------------------------------------------------------------ */

static void match_family(struct nlmsghdr *message, uint8_t family)
{
	if (family == 0)
		return;
	load_meta(message, NFT_META_NFPROTO, NFT_REG_1);
	compare_byte(message, family);
}

static void load_address(struct nlmsghdr *message, uint8_t family, bool source, uint32_t size)
{
	uint32_t whole = family == AF_INET6 ? 16 : 4, first = family == AF_INET6 ? 8 : 12;

	load_payload(message, NFT_PAYLOAD_NETWORK_HEADER, source ? first : first + whole, size,
		NFT_REG_1);
}

/* Whole bytes are loaded alone, as nft does it. */
static void match_prefix(struct nlmsghdr *message, const struct prefix *prefix, bool source)
{
	const struct address *address = &prefix->address;
	uint32_t size = (prefix->length % 8 ? address_bits(address) : prefix->length) / 8;
	uint8_t ones[16] = { 0 };

	if (!prefix->length)
		return;
	load_address(message, address->family, source, size);
	for (unsigned i = 0; i < prefix->length; i++)
		ones[i / 8] |= (uint8_t)(0x80 >> i % 8);
	if (prefix->length % 8)
		mask(message, ones, size);
	compare(message, NFT_CMP_EQ, address->bytes, size);
}

static void put_range(struct nlmsghdr *message, uint16_t first, uint16_t last)
{
	struct expression expression = begin_expression(message, "range");

	netlink_put_be32(message, NFTA_RANGE_SREG, NFT_REG_1);
	netlink_put_be32(message, NFTA_RANGE_OP, NFT_RANGE_EQ);
	netlink_put_inside(message, NFTA_RANGE_FROM_DATA, NFTA_DATA_VALUE, &first, sizeof(first));
	netlink_put_inside(message, NFTA_RANGE_TO_DATA, NFTA_DATA_VALUE, &last, sizeof(last));
	end_expression(message, expression);
}

static void match_ports(struct nlmsghdr *message, const struct match *match,
	enum nft_dialect dialect)
{
	uint16_t first = htons(match->low), last = htons(match->high);

	if (!match->high)
		return;
	load_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_REG_1);
	if (first == last) {
		compare(message, NFT_CMP_EQ, &first, sizeof(first));
	} else if (dialect == NFT_DIALECT_NEW) {
		put_range(message, first, last);
	} else {
		compare(message, NFT_CMP_GTE, &first, sizeof(first));
		compare(message, NFT_CMP_LTE, &last, sizeof(last));
	}
}

static void match_flags(struct nlmsghdr *message, const struct match *match)
{
	uint8_t flags = SYN_FLAGS, only = SYN_ONLY;

	if (!match->syn && !match->not_syn)
		return;
	load_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, NFT_REG_1);
	mask(message, &flags, 1);
	compare(message, match->syn ? NFT_CMP_EQ : NFT_CMP_NEQ, &only, 1);
}

static void match_protocol(struct nlmsghdr *message, const struct match *match,
	enum nft_dialect dialect)
{
	if (!match->protocol)
		return;
	load_meta(message, NFT_META_L4PROTO, NFT_REG_1);
	compare_byte(message, match->protocol);
	if (match->typed) {
		load_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
		compare_byte(message, match->icmp_type);
	}
	match_flags(message, match);
	match_ports(message, match, dialect);
}

static void match_states(struct nlmsghdr *message, uint8_t states)
{
	static const uint32_t nothing;
	uint32_t bits = 0;

	if (!states)
		return;
	if (states & STATE_NEW)
		bits |= NF_CT_STATE_BIT(IP_CT_NEW);
	if (states & STATE_RELATED)
		bits |= NF_CT_STATE_BIT(IP_CT_RELATED);
	if (states & STATE_ESTABLISHED)
		bits |= NF_CT_STATE_BIT(IP_CT_ESTABLISHED);
	load_ct_state(message);
	mask(message, &bits, sizeof(bits));
	compare(message, NFT_CMP_NEQ, &nothing, sizeof(nothing));
}

static void put_match(struct nlmsghdr *message, const struct match *match, enum nft_dialect dialect)
{
	uint32_t loopback = LOOPBACK_INDEX;

	if (match->loopback) {
		load_meta(message, NFT_META_IIF, NFT_REG_1);
		compare(message, NFT_CMP_EQ, &loopback, sizeof(loopback));
	}
	if (!match->syn)
		match_family(message, match->family);
	match_prefix(message, &match->source, true);
	match_prefix(message, &match->destination, false);
	if (match->peers) {
		load_address(message, match->family, true, 4);
		look_up(message, SET_PEERS);
	}
	match_protocol(message, match, dialect);
	if (match->syn) /* where nft puts it: when it is asked for */
		match_family(message, match->family);
	match_states(message, match->states);
}

/* --- what becomes of them ----------------------------------------------------------------------- */

static void put_verdict(struct nlmsghdr *message, uint32_t code)
{
	struct expression expression = begin_expression(message, "immediate");
	struct nlattr *data, *verdict;

	netlink_put_be32(message, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = netlink_nest(message, NFTA_IMMEDIATE_DATA);
	verdict = netlink_nest(message, NFTA_DATA_VERDICT);
	netlink_put_be32(message, NFTA_VERDICT_CODE, code);
	netlink_end(message, verdict);
	netlink_end(message, data);
	end_expression(message, expression);
}

static void put_reject(struct nlmsghdr *message)
{
	struct expression expression = begin_expression(message, "reject");

	netlink_put_be32(message, NFTA_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
	netlink_put_u8(message, NFTA_REJECT_ICMP_CODE, NFT_REJECT_ICMPX_HOST_UNREACH);
	end_expression(message, expression);
}

/* To the address in the first register. */
static void put_dnat(struct nlmsghdr *message)
{
	struct expression expression = begin_expression(message, "nat");

	netlink_put_be32(message, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	netlink_put_be32(message, NFTA_NAT_FAMILY, NFPROTO_IPV4);
	netlink_put_be32(message, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
	end_expression(message, expression);
}

static void put_dnat_to(struct nlmsghdr *message, const struct address *to)
{
	struct expression expression = begin_expression(message, "immediate");

	netlink_put_be32(message, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	netlink_put_inside(message, NFTA_IMMEDIATE_DATA, NFTA_DATA_VALUE, to->bytes,
		address_bits(to) / 8);
	end_expression(message, expression);
	put_dnat(message);
}

static void put_path(struct nlmsghdr *message)
{
	load_address(message, AF_INET, false, 4);
	look_up(message, SET_OVERLAY);
	put_dnat(message);
}

/* A key of three fields in registers that follow each other; what is there counts on. */
static void put_note(struct nlmsghdr *message, uint8_t family)
{
	uint32_t after = family == AF_INET6 ? NFT_REG32_04 : NFT_REG32_01;
	struct expression expression;
	struct nlattr *counter;

	load_address(message, family, true, family == AF_INET6 ? 16 : 4);
	load_meta(message, NFT_META_L4PROTO, family == AF_INET6 ? NFT_REG_2 : after);
	load_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, after + 1);
	expression = begin_expression(message, "dynset");
	netlink_put_text(message, NFTA_DYNSET_SET_NAME,
		nft_sets[family == AF_INET6 ? SET_DENIED6 : SET_DENIED].name);
	netlink_put_be32(message, NFTA_DYNSET_OP, NFT_DYNSET_OP_ADD);
	netlink_put_be32(message, NFTA_DYNSET_SREG_KEY, NFT_REG_1);
	counter = netlink_nest(message, NFTA_DYNSET_EXPR);
	netlink_put_text(message, NFTA_EXPR_NAME, "counter");
	netlink_end(message, counter);
	end_expression(message, expression);
}

static void put_target(struct nlmsghdr *message, const struct nft_rule *rule)
{
	switch (rule->target) {
	case TARGET_ACCEPT:
		put_verdict(message, NF_ACCEPT);
		break;
	case TARGET_DROP:
		put_verdict(message, NF_DROP);
		break;
	case TARGET_RETURN:
		put_verdict(message, (uint32_t)NFT_RETURN);
		break;
	case TARGET_REJECT:
		put_reject(message);
		break;
	case TARGET_NOTE:
		put_note(message, rule->match.family);
		break;
	case TARGET_DNAT:
		put_dnat_to(message, &rule->to);
		break;
	case TARGET_PATH:
		put_path(message);
		break;
	}
}

void nft_put_expressions(struct nlmsghdr *message, const struct nft_rule *rule,
	enum nft_dialect dialect)
{
	struct nlattr *list = netlink_nest(message, NFTA_RULE_EXPRESSIONS);

	put_match(message, &rule->match, dialect);
	put_target(message, rule);
	netlink_end(message, list);
}
