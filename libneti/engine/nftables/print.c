/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the difference between the table and what is wanted of it: "-" in the kernel, "+" wanted,
 * behind it what nft calls it. Changes nothing.
 */
#include <netinet/in.h>
#include <string.h>

#include "difference.h"
#include "sync.h"

#define OF_TABLE " inet " TABLE_NAME " "

struct printing {
	const struct ruleset *wanted;
	enum nft_set set;
	struct buffer *diff;
};

static void print_line(const struct printing *printing, char sign, const struct address *key,
	const struct address *data)
{
	buffer_print(printing->diff, "%c element" OF_TABLE "%s { ", sign,
		nft_sets[printing->set].name);
	nft_print_element(printing->diff, printing->set, key, data);
	buffer_print(printing->diff, " }\n");
}

static void print_element(void *data, enum difference difference, const struct nft_element *told,
	size_t index)
{
	const struct printing *printing = data;
	struct address key = { .family = AF_INET }, to = { .family = AF_INET };

	if (told) {
		memcpy(key.bytes, told->key, 4);
		memcpy(to.bytes, told->data, 4);
		print_line(printing, '-', &key, &to);
	}
	if (difference != ELEMENT_SURPLUS)
		print_line(printing, '+', nft_set_key(printing->wanted, printing->set, index),
			nft_set_data(printing->wanted, printing->set, index));
}

static void print_set_difference(const struct kernel *kernel, const struct ruleset *wanted,
	enum nft_set set, struct buffer *diff)
{
	struct printing printing = { wanted, set, diff };

	if (kernel->sets[set].there && (!wanted || !difference_set_fits(kernel, wanted, set)))
		buffer_print(diff, "- set" OF_TABLE "%s%s\n", nft_sets[set].name,
			kernel->sets[set].right ? "" : " # of another kind");
	if (wanted && !difference_set_fits(kernel, wanted, set))
		buffer_print(diff, "+ set" OF_TABLE "%s\n", nft_sets[set].name);
	if (!nft_sets[set].noted)
		difference_of_elements(&kernel->sets[set], wanted, set, print_element, &printing);
}

static void print_rule(struct buffer *diff, char sign, enum nft_chain chain,
	const struct nft_rule *rule)
{
	buffer_print(diff, "%c rule" OF_TABLE "%s ", sign, nft_chains[chain].name);
	nft_print_rule(diff, rule);
	buffer_print(diff, "\n");
}

/* A rule of the kernel's that is not wanted there, in our words when it is one of ours. */
static void print_other(struct buffer *diff, enum nft_chain chain, const struct kernel_rule *told,
	const struct nft_rules *wanted)
{
	for (size_t i = 0; i < wanted->length; i++)
		if (kernel_rule_is(told, &wanted->items[i])) {
			print_rule(diff, '-', chain, &wanted->items[i]);
			return;
		}
	buffer_print(diff, "- rule" OF_TABLE "%s # handle %llu, which Neti did not make\n",
		nft_chains[chain].name, (unsigned long long)told->handle);
}

/* Where the wanted rule comes next in the kernel's chain; n: nowhere. */
static size_t find(const struct kernel_rule *told, size_t n, size_t from,
	const struct nft_rule *rule)
{
	while (from < n && !kernel_rule_is(&told[from], rule))
		from++;
	return from;
}

static void print_rules(const struct kernel *kernel, enum nft_chain chain,
	const struct nft_rules *wanted, struct buffer *diff)
{
	size_t n, at = 0, found;
	const struct kernel_rule *told = difference_rules(kernel, chain, &n);

	for (size_t i = 0; i < wanted->length; i++) {
		found = find(told, n, at, &wanted->items[i]);
		if (found == n) {
			print_rule(diff, '+', chain, &wanted->items[i]);
			continue;
		}
		while (at < found)
			print_other(diff, chain, &told[at++], wanted);
		at++;
	}
	while (at < n)
		print_other(diff, chain, &told[at++], wanted);
}

static int print_chain_difference(const struct kernel *kernel, const struct ruleset *wanted,
	enum nft_chain chain, struct buffer *diff)
{
	bool keeps = wanted && nft_chain_is_wanted(wanted, chain);
	bool fits = wanted && difference_chain_fits(kernel, wanted, chain);
	struct nft_rules rules = { 0 };
	int r;

	if (kernel->chains[chain].there && !fits)
		buffer_print(diff, "- chain" OF_TABLE "%s%s\n", nft_chains[chain].name,
			kernel->chains[chain].right ? "" : " # of another kind");
	if (keeps && !fits)
		buffer_print(diff, "+ chain" OF_TABLE "%s\n", nft_chains[chain].name);
	if (keeps)
		nft_chain_rules(wanted, chain, true, &rules);
	r = rules.result;
	if (r == 0)
		print_rules(kernel, chain, &rules, diff);
	nft_rules_clear(&rules);
	return r;
}

int nft_sync_print(const struct kernel *kernel, const struct ruleset *wanted, struct buffer *diff)
{
	int r = 0;

	if (kernel->there && (!wanted || kernel->dormant))
		buffer_print(diff, "- table inet " TABLE_NAME "%s\n",
			kernel->dormant ? " # asleep" : "");
	if (wanted && (!kernel->there || kernel->dormant))
		buffer_print(diff, "+ table inet " TABLE_NAME "\n");
	for (enum nft_set set = 0; set < SETS; set++)
		print_set_difference(kernel, wanted, set, diff);
	for (enum nft_chain chain = 0; r == 0 && chain < CHAINS; chain++)
		r = print_chain_difference(kernel, wanted, chain, diff);
	for (size_t i = 0; i < kernel->n_surplus; i++)
		buffer_print(diff, "- %s" OF_TABLE "%s # which Neti did not make\n",
			kernel->surplus[i].chain ? "chain" : "set", kernel->surplus[i].name);
	return r < 0 ? r : buffer_result(diff);
}
