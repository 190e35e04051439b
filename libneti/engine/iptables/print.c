/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the difference between a table and what is wanted of it. Text is made for what
 * differs alone: a table of 16,000 rules is mostly compared. Changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "sync.h"

struct print {
	struct xtables *xtables;
	struct wanted_list wanted;
	struct buffer *text;
};

static void print_rule(struct buffer *text, struct xtables *xtables, const char *chain,
	const void *entry, size_t position)
{
	struct rule rule;

	buffer_print(text, "- ");
	if (xtables_decode(xtables, entry, &rule) == 0)
		render_rule(text, chain, &rule);
	else
		buffer_print(text, "-A %s # rule %zu, which Neti did not make", chain,
			position + 1);
}

static int print_chain_difference(struct print *print, const struct chain *chain)
{
	struct xtables *xtables = print->xtables;
	struct step *steps = NULL;
	const void *const *rules = NULL;
	size_t n = 0, n_rules;
	int r = chain_diff(xtables, chain, &steps, &n);

	if (r == 0)
		r = xtables_rules(xtables, chain->name, &rules, &n_rules);
	if (r == -ENOENT)
		buffer_print(print->text, "+ :%s - [0:0]\n", chain->name);
	for (size_t i = 0; i < n; i++) {
		if (steps[i].what == STEP_SAME)
			continue;
		if (steps[i].what == STEP_DELETE)
			print_rule(print->text, xtables, chain->name, rules[steps[i].old],
				steps[i].old);
		if (steps[i].what == STEP_INSERT) {
			buffer_print(print->text, "+ ");
			render_rule(print->text, chain->name, &chain->rules[steps[i].new]);
		}
		buffer_print(print->text, "\n");
	}
	free(steps);
	return r == -ENOENT ? 0 : r;
}

static int print_chain(void *data, const struct chain *chain)
{
	struct print *print = data;
	int r = chain_diff_want(&print->wanted, chain->name, false);

	if (r < 0 || xtables_chain_same(print->xtables, chain))
		return r;
	return print_chain_difference(print, chain);
}

/* The place is said too, because it is often all that is wrong. */
static int print_jumps(struct print *print, const struct chain *wanted)
{
	struct xtables *xtables = print->xtables;
	const void *const *rules;
	size_t n;
	int r = xtables_rules(xtables, wanted->name, &rules, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (!chain_diff_is_jump(xtables, wanted->name, rules[i]) ||
			(i < wanted->length && xtables_same(xtables, rules[i], &wanted->rules[i])))
			continue;
		print_rule(print->text, xtables, wanted->name, rules[i], i);
		buffer_print(print->text, " # rule %zu\n", i + 1);
	}
	for (size_t i = 0; i < wanted->length; i++) {
		if (i < n && xtables_same(xtables, rules[i], &wanted->rules[i]))
			continue;
		buffer_print(print->text, "+ ");
		render_rule(print->text, wanted->name, &wanted->rules[i]);
		buffer_print(print->text, " # rule %zu\n", i + 1);
	}
	return 0;
}

static int print_hooks(struct print *print, const struct ruleset *wanted)
{
	enum table table = xtables_table(print->xtables);
	struct chain chain = { 0 };
	int r = 0;

	for (const char *const *hook = render_hooks(table); r == 0 && *hook; hook++) {
		render_jumps(wanted, table, *hook, &chain);
		r = chain.result < 0 ? chain.result : print_jumps(print, &chain);
	}
	chain_clear(&chain);
	return r;
}

static int print_surplus(struct print *print)
{
	struct chain nothing = { 0 };
	char(*names)[CHAIN_NAME_MAX] = NULL;
	size_t n = 0;
	int r = xtables_own_chains(print->xtables, &names, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (chain_diff_is_wanted(&print->wanted, names[i]))
			continue;
		buffer_print(print->text, "- :%s - [0:0]\n", names[i]);
		memcpy(nothing.name, names[i], sizeof(nothing.name) - 1);
		r = print_chain_difference(print, &nothing);
	}
	free(names);
	return r;
}

int sync_print(struct xtables *xtables, const struct ruleset *wanted, struct buffer *diff)
{
	struct print print = { .xtables = xtables, .text = diff };
	int r = render_visit(wanted, xtables_table(xtables), true, print_chain, &print);

	chain_diff_sort(&print.wanted);
	if (r == 0)
		r = print_hooks(&print, wanted);
	if (r == 0)
		r = print_surplus(&print);
	free(print.wanted.items);
	return r < 0 ? r : buffer_result(diff);
}
