/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a table in memory equal to what is wanted, rule by rule, so that rules which stay keep
 * their counters; foreign rules and chains are not looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "sync.h"

struct job {
	struct xtables *xtables;
	struct sync *sync;
	struct wanted_list wanted;
	size_t next; /* wanted chain to be filled */
};

static int take_step(struct xtables *xtables, const struct chain *chain, const struct step *step,
	size_t *position, struct sync *sync)
{
	int r = 0;

	sync->changed += step->what != STEP_SAME;
	switch (step->what) {
	case STEP_SAME:
		++*position;
		break;
	case STEP_DELETE:
		r = xtables_delete(xtables, chain->name, *position);
		break;
	case STEP_INSERT:
		r = xtables_insert(xtables, chain->name, *position, &chain->rules[step->new]);
		++*position;
		break;
	}
	return r;
}

static int edit_chain(struct xtables *xtables, const struct chain *chain, struct sync *sync)
{
	struct step *steps = NULL;
	size_t n = 0, position = 0;
	int r = chain_diff(xtables, chain, &steps, &n);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = take_step(xtables, chain, &steps[i], &position, sync);
	free(steps);
	return r;
}

static int fill_chain(struct xtables *xtables, const struct chain *chain, struct sync *sync)
{
	int r = 0;

	sync->changed += 1 + chain->length; /* the chain too */
	for (size_t i = 0; r == 0 && i < chain->length; i++)
		r = xtables_append(xtables, chain->name, &chain->rules[i]);
	return r;
}

static int sync_chain(struct xtables *xtables, const struct chain *chain, struct sync *sync)
{
	int r;

	if (xtables_has(xtables, chain->name))
		return xtables_chain_same(xtables, chain) ? 0 : edit_chain(xtables, chain, sync);
	r = xtables_create(xtables, chain->name);
	return r < 0 ? r : fill_chain(xtables, chain, sync);
}

/* All chains are made before the first is filled: libiptc finds chains by an index that it
 * renews after every 355 new ones only, and looks through the newest one by one. */
static int on_chain_name(void *data, const struct chain *chain)
{
	struct job *job = data;
	bool created = !xtables_has(job->xtables, chain->name);
	int r = created ? xtables_create(job->xtables, chain->name) : 0;

	return r < 0 ? r : chain_diff_want(&job->wanted, chain->name, created);
}

static int on_rules(void *data, const struct chain *chain)
{
	struct job *job = data;

	if (!job->wanted.items[job->next++].created)
		return sync_chain(job->xtables, chain, job->sync);
	return fill_chain(job->xtables, chain, job->sync);
}

/* Own jumps stand first and nowhere else. */
static bool jumps_same(struct xtables *xtables, const struct chain *wanted,
	const void *const *rules, size_t n)
{
	if (n < wanted->length)
		return false;
	for (size_t i = 0; i < wanted->length; i++)
		if (!xtables_same(xtables, rules[i], &wanted->rules[i]))
			return false;
	for (size_t i = wanted->length; i < n; i++)
		if (chain_diff_is_jump(xtables, wanted->name, rules[i]))
			return false;
	return true;
}

static int sync_jumps(struct xtables *xtables, const struct chain *wanted, struct sync *sync)
{
	const void *const *rules;
	size_t n;
	int r = xtables_rules(xtables, wanted->name, &rules, &n);

	if (r < 0 || jumps_same(xtables, wanted, rules, n))
		return r;
	sync->changed += wanted->length;
	while (r == 0 && n-- > 0)
		if (chain_diff_is_jump(xtables, wanted->name, rules[n])) {
			r = xtables_delete(xtables, wanted->name, n);
			sync->changed++;
		}
	for (size_t i = 0; r == 0 && i < wanted->length; i++)
		r = xtables_insert(xtables, wanted->name, i, &wanted->rules[i]);
	return r;
}

static int sync_hooks(struct xtables *xtables, const struct ruleset *wanted, struct sync *sync)
{
	enum table table = xtables_table(xtables);
	struct chain chain = { 0 };
	int r = 0;

	for (const char *const *hook = render_hooks(table); r == 0 && *hook; hook++) {
		render_jumps(wanted, table, *hook, &chain);
		r = chain.result < 0 ? chain.result : sync_jumps(xtables, &chain, sync);
	}
	chain_clear(&chain);
	return r;
}

static int empty_chain(struct xtables *xtables, const char *name, struct sync *sync)
{
	const void *const *rules;
	size_t n;
	int r = xtables_rules(xtables, name, &rules, &n);

	if (r < 0 || n == 0)
		return r;
	sync->changed += n;
	return xtables_empty(xtables, name);
}

static int drop_chain(struct xtables *xtables, const char *name, struct sync *sync)
{
	if (xtables_references(xtables, name) > 0) {
		strncpy(sync->kept, name, sizeof(sync->kept) - 1);
		return 0;
	}
	sync->changed++;
	return xtables_drop(xtables, name);
}

/* All are emptied before the first is deleted, because they refer to one another. In rising
 * order: libiptc 1.8.9 loses its index when the last chain goes and others follow. */
static int drop_surplus(const struct job *job)
{
	static int (*const passes[])(struct xtables *, const char *, struct sync *) = { empty_chain,
		drop_chain };
	char(*names)[CHAIN_NAME_MAX] = NULL;
	size_t n = 0;
	int r = xtables_own_chains(job->xtables, &names, &n);

	for (size_t pass = 0; r == 0 && pass < 2; pass++)
		for (size_t i = 0; r == 0 && i < n; i++)
			if (!chain_diff_is_wanted(&job->wanted, names[i]))
				r = passes[pass](job->xtables, names[i], job->sync);
	free(names);
	return r;
}

int sync_table(struct xtables *xtables, const struct ruleset *wanted, bool enforce,
	struct sync *sync)
{
	struct job job = { .xtables = xtables, .sync = sync };
	int r = render_visit(wanted, xtables_table(xtables), enforce, on_chain_name, &job);

	if (r == 0)
		r = render_visit(wanted, xtables_table(xtables), enforce, on_rules, &job);
	chain_diff_sort(&job.wanted);
	if (r == 0)
		r = sync_hooks(xtables, wanted, sync);
	if (r == 0)
		r = drop_surplus(&job);
	free(job.wanted.items);
	return r;
}

/* The overlay addresses whose path is another now, sorted. The caller frees. */
static int changed_addresses(const struct ruleset_diff *diff, struct address **ret, size_t *ret_n)
{
	const struct path *lists[] = { diff->paths_added, diff->paths_removed,
		diff->paths_changed };
	size_t lengths[] = { diff->n_paths_added, diff->n_paths_removed, diff->n_paths_changed };
	size_t n = 0;

	*ret = calloc(lengths[0] + lengths[1] + lengths[2] + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (size_t list = 0; list < 3; list++)
		for (size_t i = 0; i < lengths[list]; i++)
			(*ret)[n++] = lists[list][i].overlay;
	address_sort(*ret, n);
	*ret_n = n;
	return 0;
}

struct tree {
	struct xtables *xtables;
	const struct ruleset *from, *to;
	struct sync *sync;
	struct chain old, new;
	const struct address *addresses;
	size_t n;
	bool branches; /* may come or go: paths were added or removed, not only changed */
};

static bool has_paths(const struct ruleset *ruleset, const struct prefix *node)
{
	size_t i = ruleset_path_index(ruleset, &node->address);

	return i < ruleset->n_paths && prefix_contains(node, &ruleset->paths[i].overlay);
}

/* The table must hold the old node. */
static int check_node(struct tree *tree, const struct prefix *node, bool wanted)
{
	bool good;

	render_node(tree->from, node, &tree->old);
	if (tree->old.result < 0)
		return tree->old.result;
	good = wanted ? xtables_chain_same(tree->xtables, &tree->old) :
			!xtables_has(tree->xtables, tree->old.name);
	return good ? 0 : -ESTALE;
}

static int change_node(struct tree *tree, const struct prefix *node)
{
	bool root = node->length == tree->to->overlay.length;
	bool leaf = node->length >= RENDER_LEAF;
	int r = check_node(tree, node, root || has_paths(tree->from, node));

	if (r < 0 || (!leaf && !tree->branches))
		return r;
	if (!root && !has_paths(tree->to, node))
		return 0; /* goes later, when nothing refers to it */
	render_node(tree->to, node, &tree->new);
	return tree->new.result < 0 ? tree->new.result :
				      sync_chain(tree->xtables, &tree->new, tree->sync);
}

/* Parents refer to their children, so all are emptied before the first is deleted. */
static int empty_node(struct tree *tree, const struct prefix *node)
{
	if (has_paths(tree->to, node) || !has_paths(tree->from, node))
		return 0;
	render_node(tree->from, node, &tree->old);
	return xtables_empty(tree->xtables, tree->old.name);
}

static int drop_node(struct tree *tree, const struct prefix *node)
{
	if (has_paths(tree->to, node) || !has_paths(tree->from, node))
		return 0;
	render_node(tree->from, node, &tree->old);
	return drop_chain(tree->xtables, tree->old.name, tree->sync);
}

static int each_node(struct tree *tree, int (*work)(struct tree *, const struct prefix *))
{
	unsigned top = render_tree_top(&tree->to->overlay);
	int r = 0;

	for (unsigned level = RENDER_LEAF; level >= top; level -= RENDER_STEP)
		for (size_t i = 0; r == 0 && i < tree->n; i++) {
			struct prefix node = prefix_of(&tree->addresses[i], level);

			if (i == 0 || !prefix_contains(&node, &tree->addresses[i - 1]))
				r = work(tree, &node);
		}
	return r;
}

static int check_hooks(struct xtables *xtables, const struct ruleset *wanted)
{
	struct sync sync = { 0 };
	int r = sync_hooks(xtables, wanted, &sync);

	return r < 0 ? r : sync.changed ? -ESTALE : 0;
}

int sync_tree(struct xtables *xtables, const struct ruleset *from, const struct ruleset *to,
	const struct ruleset_diff *diff, struct sync *sync)
{
	struct tree tree = { .xtables = xtables, .from = from, .to = to, .sync = sync };
	struct address *addresses = NULL;
	int r = changed_addresses(diff, &addresses, &tree.n);

	tree.addresses = addresses;
	tree.branches = diff->n_paths_added + diff->n_paths_removed > 0;
	if (r == 0)
		r = check_hooks(xtables, to);
	if (r == 0)
		r = each_node(&tree, change_node);
	if (r == 0)
		r = change_node(&tree, &to->overlay);
	if (r == 0 && diff->n_paths_removed)
		r = each_node(&tree, empty_node);
	if (r == 0 && diff->n_paths_removed)
		r = each_node(&tree, drop_node);
	chain_clear(&tree.old);
	chain_clear(&tree.new);
	free(addresses);
	return r;
}

int sync_enforces(struct xtables *xtables)
{
	static const struct rule drop = { .set = SET_NONE, .target = RULE_DROP };
	const void *const *rules;
	bool drops = false;
	size_t n;
	int r = xtables_rules(xtables, CHAIN_INPUT, &rules, &n);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = n; i > 0 && !drops; i--)
		drops = xtables_same(xtables, rules[i - 1], &drop);
	return drops;
}

int sync_is_asked(struct xtables *xtables)
{
	static const struct rule jump = {
		.set = SET_NONE, .target = RULE_JUMP, .chain = CHAIN_INPUT
	};
	const void *const *rules;
	bool asked = false;
	size_t n;
	int r = xtables_rules(xtables, "INPUT", &rules, &n);

	for (size_t i = 0; r == 0 && i < n && !asked; i++)
		asked = xtables_same(xtables, rules[i], &jump);
	return r < 0 ? r : asked;
}
