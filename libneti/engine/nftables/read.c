/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the table: its shape, its rules, its elements. The kernel tells when somebody changed
 * something between two parts of a list; that between two lists shows by the generation.
 */
#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "read.h"

#define ROOM 256
#define HEADER sizeof(struct nfgenmsg)
#define TRIES 20

int kernel_failed(int result, const char *doing, struct error *error)
{
	if (result == -ENOMEM)
		return error_memory(error);
	if (result == -EPERM)
		return error_set(error, result, NETI_REASON_PRIVILEGE,
			"not permitted to use nftables: CAP_NET_ADMIN is needed");
	if (result == -EINTR || result == -ERESTART)
		return error_set(error, -EAGAIN, NETI_REASON_BUSY,
			"other programs change nftables without a pause: %s will be tried again",
			doing);
	return error_set(error, result, NETI_REASON_KERNEL, "nftables: %s: %s", doing,
		strerrordesc_np(-result));
}

static struct nlmsghdr *ask(void *space, uint8_t command, uint16_t flags)
{
	return netlink_begin_netfilter(space, NFNL_SUBSYS_NFTABLES, command, flags, NFPROTO_INET);
}

static const char *text_of(const struct nlattr *attribute)
{
	size_t size = 0;
	const char *text = attribute ? netlink_value(attribute, &size) : "";

	return size > 0 && text[size - 1] == '\0' ? text : "";
}

static bool is_ours(const struct nlattr *table)
{
	return strcmp(text_of(table), TABLE_NAME) == 0;
}

static int take_generation(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *found[NFTA_GEN_MAX + 1];

	netlink_attributes(message, HEADER, found, NFTA_GEN_MAX + 1);
	*(uint32_t *)data = netlink_be32(found[NFTA_GEN_ID]);
	return 0;
}

int kernel_generation(struct netlink_line *line, uint32_t *ret)
{
	char space[ROOM];

	*ret = 0;
	return netlink_request(line, NETLINK_NETFILTER, ask(space, NFT_MSG_GETGEN, 0),
		take_generation, ret);
}

static int take_table(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *found[NFTA_TABLE_MAX + 1];
	struct kernel *kernel = data;

	netlink_attributes(message, HEADER, found, NFTA_TABLE_MAX + 1);
	kernel->there = true;
	kernel->dormant = netlink_be32(found[NFTA_TABLE_FLAGS]) & NFT_TABLE_F_DORMANT;
	return 0;
}

static int read_table(struct netlink_line *line, struct kernel *kernel)
{
	char space[ROOM];
	struct nlmsghdr *message = ask(space, NFT_MSG_GETTABLE, 0);
	int r;

	netlink_put_text(message, NFTA_TABLE_NAME, TABLE_NAME);
	r = netlink_request(line, NETLINK_NETFILTER, message, take_table, kernel);
	return r == -ENOENT ? 0 : r;
}

int kernel_has_table(struct netlink_line *line)
{
	struct kernel kernel = { 0 };
	int r = read_table(line, &kernel);

	return r < 0 ? r : kernel.there;
}

static int note_surplus(struct kernel *kernel, bool chain, const char *name)
{
	struct kernel_surplus *surplus;

	if (ARRAY_RESERVE(kernel->surplus, kernel->size_surplus, kernel->n_surplus + 1) < 0)
		return -ENOMEM;
	surplus = &kernel->surplus[kernel->n_surplus++];
	surplus->chain = chain;
	snprintf(surplus->name, sizeof(surplus->name), "%s", name);
	return 0;
}

static bool chain_is_right(const struct chain_shape *shape, const struct nlattr **found)
{
	const struct nlattr *hook[NFTA_HOOK_MAX + 1];

	netlink_nested(found[NFTA_CHAIN_HOOK], hook, NFTA_HOOK_MAX + 1);
	return found[NFTA_CHAIN_HOOK] &&
	       strcmp(text_of(found[NFTA_CHAIN_TYPE]), shape->type) == 0 &&
	       netlink_be32(hook[NFTA_HOOK_HOOKNUM]) == shape->hook &&
	       netlink_be32(hook[NFTA_HOOK_PRIORITY]) == (uint32_t)shape->priority &&
	       netlink_be32(found[NFTA_CHAIN_POLICY]) == NF_ACCEPT;
}

static enum nft_chain chain_of(const char *name)
{
	enum nft_chain chain = 0;

	while (chain < CHAINS && strcmp(nft_chains[chain].name, name) != 0)
		chain++;
	return chain;
}

static int take_chain(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *found[NFTA_CHAIN_MAX + 1];
	struct kernel *kernel = data;
	enum nft_chain chain;

	netlink_attributes(message, HEADER, found, NFTA_CHAIN_MAX + 1);
	if (!is_ours(found[NFTA_CHAIN_TABLE]))
		return 0;
	chain = chain_of(text_of(found[NFTA_CHAIN_NAME]));
	/* One that stands inside a rule comes and goes with it. */
	if (netlink_be32(found[NFTA_CHAIN_FLAGS]) & NFT_CHAIN_BINDING)
		return 0;
	if (chain == CHAINS)
		return note_surplus(kernel, true, text_of(found[NFTA_CHAIN_NAME]));
	kernel->chains[chain] =
		(struct kernel_chain){ true, chain_is_right(&nft_chains[chain], found) };
	return 0;
}

static int take_rule(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *found[NFTA_RULE_MAX + 1];
	struct kernel *kernel = data;
	struct kernel_rule rule = { 0 };

	netlink_attributes(message, HEADER, found, NFTA_RULE_MAX + 1);
	if (!is_ours(found[NFTA_RULE_TABLE]))
		return 0;
	rule.chain = chain_of(text_of(found[NFTA_RULE_CHAIN]));
	if (rule.chain == CHAINS) /* the chain itself is told */
		return 0;
	rule.handle = netlink_be64(found[NFTA_RULE_HANDLE]);
	rule.message = malloc(message->nlmsg_len);
	if (!rule.message ||
		ARRAY_RESERVE(kernel->rules, kernel->size_rules, kernel->n_rules + 1) < 0) {
		free(rule.message);
		return -ENOMEM;
	}
	memcpy(rule.message, message, message->nlmsg_len);
	kernel->rules[kernel->n_rules++] = rule;
	return 0;
}

static bool set_is_right(const struct set_shape *shape, const struct nlattr **found)
{
	uint32_t flags = netlink_be32(found[NFTA_SET_FLAGS]);

	return netlink_be32(found[NFTA_SET_KEY_LEN]) == shape->key_length &&
	       netlink_be32(found[NFTA_SET_KEY_TYPE]) == shape->key_type &&
	       netlink_be32(found[NFTA_SET_DATA_LEN]) == shape->data_length &&
	       !(flags & (NFT_SET_CONSTANT | NFT_SET_INTERVAL)) &&
	       !(flags & NFT_SET_TIMEOUT) == !shape->noted &&
	       netlink_be64(found[NFTA_SET_TIMEOUT]) == (shape->noted ? DENIED_SECONDS * 1000 : 0);
}

static int take_set(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *found[NFTA_SET_MAX + 1], *description[NFTA_SET_DESC_MAX + 1];
	struct kernel *kernel = data;
	enum nft_set set = 0;

	netlink_attributes(message, HEADER, found, NFTA_SET_MAX + 1);
	if (!is_ours(found[NFTA_SET_TABLE]))
		return 0;
	if (netlink_be32(found[NFTA_SET_FLAGS]) & NFT_SET_ANONYMOUS)
		return 0;
	while (set < SETS && strcmp(nft_sets[set].name, text_of(found[NFTA_SET_NAME])) != 0)
		set++;
	if (set == SETS)
		return note_surplus(kernel, false, text_of(found[NFTA_SET_NAME]));
	netlink_nested(found[NFTA_SET_DESC], description, NFTA_SET_DESC_MAX + 1);
	kernel->sets[set].there = true;
	kernel->sets[set].right = set_is_right(&nft_sets[set], found);
	kernel->sets[set].room = netlink_be32(description[NFTA_SET_DESC_SIZE]);
	return 0;
}

#define SET_COUNT 20 /* NFTA_SET_COUNT: newer than the headers of many */

struct counting {
	bool told;
	uint32_t n;
};

static int take_count(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *found[SET_COUNT + 1];

	netlink_attributes(message, HEADER, found, SET_COUNT + 1);
	*(struct counting *)data =
		(struct counting){ found[SET_COUNT] != NULL, netlink_be32(found[SET_COUNT]) };
	return 0;
}

int kernel_count(struct netlink_line *line, enum nft_set set, uint32_t *ret)
{
	struct counting counting = { 0 };
	char space[ROOM];
	struct nlmsghdr *message = ask(space, NFT_MSG_GETSET, 0);
	int r;

	netlink_put_text(message, NFTA_SET_TABLE, TABLE_NAME);
	netlink_put_text(message, NFTA_SET_NAME, nft_sets[set].name);
	r = netlink_request(line, NETLINK_NETFILTER, message, take_count, &counting);
	*ret = counting.n;
	return r < 0 ? r : counting.told ? 0 : -ENODATA;
}

static int dump(struct netlink_line *line, struct kernel *kernel, uint8_t command, uint16_t table,
	netlink_read_fn take)
{
	char space[ROOM];
	struct nlmsghdr *message = ask(space, command, NLM_F_DUMP);

	netlink_put_text(message, table, TABLE_NAME);
	return netlink_request(line, NETLINK_NETFILTER, message, take, kernel);
}

/* --- elements ----------------------------------------------------------------------------------- */

struct taking {
	const struct set_shape *shape;
	struct kernel_set *set;
};

static void copy_value(const struct nlattr *nest, uint8_t *ret, size_t most)
{
	const struct nlattr *value[NFTA_DATA_MAX + 1];
	const void *bytes;
	size_t size;

	netlink_nested(nest, value, NFTA_DATA_MAX + 1);
	if (!value[NFTA_DATA_VALUE])
		return;
	bytes = netlink_value(value[NFTA_DATA_VALUE], &size);
	memcpy(ret, bytes, size < most ? size : most);
}

static void read_counter(const struct nlattr *expression, struct nft_element *element)
{
	const struct nlattr *part[NFTA_EXPR_MAX + 1], *counter[NFTA_COUNTER_MAX + 1];

	netlink_nested(expression, part, NFTA_EXPR_MAX + 1);
	netlink_nested(part[NFTA_EXPR_DATA], counter, NFTA_COUNTER_MAX + 1);
	element->packets = netlink_be64(counter[NFTA_COUNTER_PACKETS]);
}

static int take_element(const struct taking *taking, const struct nlattr *nest)
{
	const struct nlattr *found[NFTA_SET_ELEM_MAX + 1];
	struct kernel_set *set = taking->set;
	struct nft_element *element;

	netlink_nested(nest, found, NFTA_SET_ELEM_MAX + 1);
	if (!found[NFTA_SET_ELEM_KEY]) { /* one that stands for all others */
		set->right = false;
		return 0;
	}
	if (ARRAY_RESERVE(set->elements, set->size, set->n + 1) < 0)
		return -ENOMEM;
	element = &set->elements[set->n++];
	*element = (struct nft_element){ 0 };
	copy_value(found[NFTA_SET_ELEM_KEY], element->key, sizeof(element->key));
	if (taking->shape->data_length)
		copy_value(found[NFTA_SET_ELEM_DATA], element->data, sizeof(element->data));
	if (!taking->shape->noted)
		return 0;
	element->timeout_ms = netlink_be64(found[NFTA_SET_ELEM_TIMEOUT]);
	if (!element->timeout_ms) /* that of the set */
		element->timeout_ms = DENIED_SECONDS * 1000;
	element->expires_ms = netlink_be64(found[NFTA_SET_ELEM_EXPIRATION]);
	read_counter(found[NFTA_SET_ELEM_EXPR], element);
	return 0;
}

static int take_elements(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *found[NFTA_SET_ELEM_LIST_MAX + 1], *element = NULL;
	int r = 0;

	netlink_attributes(message, HEADER, found, NFTA_SET_ELEM_LIST_MAX + 1);
	if (!found[NFTA_SET_ELEM_LIST_ELEMENTS])
		return 0;
	while (r == 0 &&
		(element = netlink_next(found[NFTA_SET_ELEM_LIST_ELEMENTS], element)) != NULL)
		r = take_element(data, element);
	return r;
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(((const struct nft_element *)a)->key, ((const struct nft_element *)b)->key,
		sizeof(((const struct nft_element *)a)->key));
}

static int read_elements(struct netlink_line *line, enum nft_set set, struct kernel_set *ret)
{
	struct taking taking = { &nft_sets[set], ret };
	char space[ROOM];
	struct nlmsghdr *message = ask(space, NFT_MSG_GETSETELEM, NLM_F_DUMP);
	int r;

	netlink_put_text(message, NFTA_SET_ELEM_LIST_TABLE, TABLE_NAME);
	netlink_put_text(message, NFTA_SET_ELEM_LIST_SET, nft_sets[set].name);
	r = netlink_request(line, NETLINK_NETFILTER, message, take_elements, &taking);
	if (r == 0 && ret->n)
		qsort(ret->elements, ret->n, sizeof(*ret->elements), compare_keys);
	return r;
}

int kernel_read_set(struct netlink_line *line, enum nft_set set, struct kernel_set *ret,
	struct error *error)
{
	int r = -EINTR;

	for (unsigned i = 0; r == -EINTR && i < (nft_sets[set].noted ? 2 : TRIES); i++) {
		ret->n = 0;
		r = read_elements(line, set, ret);
	}
	if (r == -ENOENT)
		ret->n = 0;
	else if (r < 0)
		return kernel_failed(r, "reading a set", error);
	return 0;
}

/* --- all of it ---------------------------------------------------------------------------------- */

void kernel_clear(struct kernel *kernel)
{
	for (size_t i = 0; i < kernel->n_rules; i++)
		free(kernel->rules[i].message);
	for (enum nft_set set = 0; set < SETS; set++)
		free(kernel->sets[set].elements);
	free(kernel->rules);
	free(kernel->surplus);
	*kernel = (struct kernel){ 0 };
}

static int read_members(struct netlink_line *line, struct kernel *kernel)
{
	int r = 0;

	for (enum nft_set set = 0; r == 0 && set < SETS; set++)
		if (kernel->sets[set].right && !nft_sets[set].noted)
			r = read_elements(line, set, &kernel->sets[set]);
	return r;
}

static int read_once(struct netlink_line *line, struct kernel *kernel, bool members)
{
	uint32_t after;
	int r = kernel_generation(line, &kernel->generation);

	if (r == 0)
		r = read_table(line, kernel);
	if (r < 0 || !kernel->there)
		return r;
	r = dump(line, kernel, NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, take_chain);
	if (r == 0)
		r = dump(line, kernel, NFT_MSG_GETSET, NFTA_SET_TABLE, take_set);
	if (r == 0)
		r = dump(line, kernel, NFT_MSG_GETRULE, NFTA_RULE_TABLE, take_rule);
	if (r == 0 && members)
		r = read_members(line, kernel);
	if (r == 0)
		r = kernel_generation(line, &after);
	if (r == -ENOENT || (r == 0 && after != kernel->generation))
		return -EINTR;
	return r;
}

int kernel_read(struct netlink_line *line, struct kernel *ret, bool members, struct error *error)
{
	int r = -EINTR;

	for (unsigned i = 0; r == -EINTR && i < TRIES; i++) {
		kernel_clear(ret);
		r = read_once(line, ret, members);
	}
	return r < 0 ? kernel_failed(r, "reading the table", error) : 0;
}

/* In whatever is told of a table or of something in it, its name comes first. */
bool kernel_read_event(const struct nlmsghdr *message, struct kernel_event *ret)
{
	const struct nlattr *found[NFTA_GEN_MAX + 1];
	const struct nfgenmsg *header;
	size_t size;

	*ret = (struct kernel_event){ 0 };
	if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
		return false;
	header = netlink_payload(message, &size);
	if (size < HEADER)
		return false;
	netlink_attributes(message, HEADER, found, NFTA_GEN_MAX + 1);
	if ((message->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) {
		ret->touches = header->nfgen_family == NFPROTO_INET && is_ours(found[1]);
		return true;
	}
	ret->generation = netlink_be32(found[NFTA_GEN_ID]);
	ret->pid = (int32_t)netlink_be32(found[NFTA_GEN_PROC_PID]);
	snprintf(ret->program, sizeof(ret->program), "%s", text_of(found[NFTA_GEN_PROC_NAME]));
	return true;
}

/* --- comparing ---------------------------------------------------------------------------------- */

/* All that is wanted is told, the same; what is told beside it are defaults of a newer kernel. */
static bool has_all(const struct nlattr *told, const struct nlattr *wanted)
{
	const struct nlattr *attribute = NULL, *other, *inner;
	const void *a, *b;
	size_t size_a, size_b;

	while ((attribute = netlink_next(wanted, attribute)) != NULL) {
		inner = NULL;
		while ((inner = netlink_next(told, inner)) != NULL &&
			netlink_type(inner) != netlink_type(attribute))
			;
		other = inner;
		if (!other)
			return false;
		if (attribute->nla_type & NLA_F_NESTED) {
			if (!has_all(other, attribute))
				return false;
			continue;
		}
		a = netlink_value(attribute, &size_a);
		b = netlink_value(other, &size_b);
		if (size_a != size_b || memcmp(a, b, size_a) != 0)
			return false;
	}
	return true;
}

static bool same_expressions(const struct nlattr *told, const struct nlattr *wanted)
{
	const struct nlattr *a = NULL, *b = NULL;

	while ((a = netlink_next(wanted, a)) != NULL) {
		b = netlink_next(told, b);
		if (!b || !has_all(b, a))
			return false;
	}
	return netlink_next(told, b) == NULL;
}

static bool is_told_as(const struct nlattr *told, const struct nft_rule *rule,
	enum nft_dialect dialect)
{
	char space[NFT_RULE_ROOM];
	struct nlmsghdr *message = ask(space, NFT_MSG_NEWRULE, 0);
	const struct nlattr *wanted[NFTA_RULE_MAX + 1];

	nft_put_expressions(message, rule, dialect);
	netlink_attributes(message, HEADER, wanted, NFTA_RULE_MAX + 1);
	return same_expressions(told, wanted[NFTA_RULE_EXPRESSIONS]);
}

bool kernel_rule_is(const struct kernel_rule *told, const struct nft_rule *rule)
{
	const struct nlattr *found[NFTA_RULE_MAX + 1];

	netlink_attributes(told->message, HEADER, found, NFTA_RULE_MAX + 1);
	return found[NFTA_RULE_EXPRESSIONS] &&
	       (is_told_as(found[NFTA_RULE_EXPRESSIONS], rule, NFT_DIALECT_OLD) ||
		       (rule->match.low != rule->match.high &&
			       is_told_as(found[NFTA_RULE_EXPRESSIONS], rule, NFT_DIALECT_NEW)));
}
