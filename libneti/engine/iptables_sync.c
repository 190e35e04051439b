/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a table in memory equal to what is wanted, rule by rule, so that rules which stay keep
 * their counters; foreign rules and chains are not looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iptables_sync.h"

/* How far a wanted rule is looked for behind the place where it should stand. */
#define LOOK_AHEAD 64

struct job {
	struct xtables *xtables;
	struct sync *sync;
	char (*names)[CHAIN_NAME_MAX]; /* wanted chains */
	size_t n_names, size;
};

/* One step of turning a chain into the wanted one. */
struct step {
	enum { STEP_SAME, STEP_DELETE, STEP_INSERT } what;
	size_t old, new; /* index of the rule in the kernel's chain, in the wanted one */
};

static size_t look_ahead(struct xtables *xtables, const void *const *old, size_t n_old, size_t i,
	const struct rule *rule)
{
	size_t end = n_old - i > LOOK_AHEAD ? i + LOOK_AHEAD : n_old;

	for (; i < end; i++)
		if (xtables_same(xtables, old[i], rule))
			return i;
	return n_old;
}

/* Steps in order of position. The caller frees. */
static int find_steps(struct xtables *xtables, const struct chain *chain, struct step **ret,
	size_t *ret_n)
{
	const void *const *old = NULL;
	size_t n_old = 0, n = 0, i = 0, found;
	int r = xtables_rules(xtables, chain->name, &old, &n_old);
	struct step *steps;

	if (r < 0 && r != -ENOENT)
		return r;
	steps = calloc(n_old + chain->length + 1, sizeof(*steps));
	if (!steps)
		return -ENOMEM;
	for (size_t j = 0; j < chain->length; j++) {
		found = look_ahead(xtables, old, n_old, i, &chain->rules[j]);
		if (found == n_old) {
			steps[n++] = (struct step){ STEP_INSERT, i, j };
			continue;
		}
		while (i < found)
			steps[n++] = (struct step){ STEP_DELETE, i++, j };
		steps[n++] = (struct step){ STEP_SAME, i++, j };
	}
	while (i < n_old)
		steps[n++] = (struct step){ STEP_DELETE, i++, chain->length };
	*ret = steps;
	*ret_n = n;
	return 0;
}

static int take_step(struct xtables *xtables, const struct chain *chain, const struct step *step,
	size_t *position)
{
	int r = 0;

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

static int edit_chain(struct xtables *xtables, const struct chain *chain)
{
	struct step *steps = NULL;
	size_t n = 0, position = 0;
	int r = find_steps(xtables, chain, &steps, &n);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = take_step(xtables, chain, &steps[i], &position);
	free(steps);
	return r;
}

static int make_chain(struct xtables *xtables, const struct chain *chain)
{
	int r = xtables_create(xtables, chain->name);

	for (size_t i = 0; r == 0 && i < chain->length; i++)
		r = xtables_append(xtables, chain->name, &chain->rules[i]);
	return r;
}

static int sync_chain(struct xtables *xtables, const struct chain *chain, struct sync *sync)
{
	int r;

	if (!xtables_has(xtables, chain->name))
		r = make_chain(xtables, chain);
	else if (xtables_chain_same(xtables, chain))
		return 0;
	else
		r = edit_chain(xtables, chain);
	sync->changed += r == 0;
	return r;
}

static int remember_name(struct job *job, const char *name)
{
	if (job->n_names == job->size) {
		size_t size = job->size ? 2 * job->size : 64;
		void *names = realloc(job->names, size * sizeof(*job->names));

		if (!names)
			return -ENOMEM;
		job->names = names;
		job->size = size;
	}
	strncpy(job->names[job->n_names], name, CHAIN_NAME_MAX - 1);
	job->names[job->n_names++][CHAIN_NAME_MAX - 1] = '\0';
	return 0;
}

static int on_chain(void *data, const struct chain *chain)
{
	struct job *job = data;
	int r = remember_name(job, chain->name);

	return r < 0 ? r : sync_chain(job->xtables, chain, job->sync);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void sort_names(struct job *job)
{
	if (job->n_names)
		qsort(job->names, job->n_names, sizeof(*job->names), compare_names);
}

static bool is_wanted(const struct job *job, const char *name)
{
	return job->n_names && bsearch(name, job->names, job->n_names, sizeof(*job->names),
				       compare_names);
}

static bool is_own_jump(struct xtables *xtables, const char *builtin, const void *entry)
{
	struct rule rule;

	return xtables_decode(xtables, entry, &rule) == 0 &&
	       render_is_jump(xtables_table(xtables), builtin, &rule);
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
		if (is_own_jump(xtables, wanted->name, rules[i]))
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
	sync->changed++;
	while (r == 0 && n-- > 0)
		if (is_own_jump(xtables, wanted->name, rules[n]))
			r = xtables_delete(xtables, wanted->name, n);
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
	sync->changed++;
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
	static int (*const passes[])(struct xtables *, const char *, struct sync *) = {
		empty_chain, drop_chain
	};
	char(*names)[CHAIN_NAME_MAX] = NULL;
	size_t n = 0;
	int r = xtables_own_chains(job->xtables, &names, &n);

	for (size_t pass = 0; r == 0 && pass < 2; pass++)
		for (size_t i = 0; r == 0 && i < n; i++)
			if (!is_wanted(job, names[i]))
				r = passes[pass](job->xtables, names[i], job->sync);
	free(names);
	return r;
}

int sync_table(struct xtables *xtables, const struct ruleset *wanted, struct sync *sync)
{
	struct job job = { .xtables = xtables, .sync = sync };
	int r = render_visit(wanted, xtables_table(xtables), on_chain, &job);

	sort_names(&job);
	if (r == 0)
		r = sync_hooks(xtables, wanted, sync);
	if (r == 0)
		r = drop_surplus(&job);
	free(job.names);
	return r;
}

static int compare_addresses(const void *a, const void *b)
{
	return address_compare(a, b);
}

/* The overlay addresses whose path is another now, sorted. The caller frees. */
static int changed_addresses(const struct ruleset_diff *diff, struct address **ret, size_t *ret_n)
{
	const struct path *lists[] = { diff->paths_added, diff->paths_removed, diff->paths_changed };
	size_t lengths[] = { diff->n_paths_added, diff->n_paths_removed, diff->n_paths_changed };
	size_t n = 0;

	*ret = calloc(lengths[0] + lengths[1] + lengths[2] + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (size_t list = 0; list < 3; list++)
		for (size_t i = 0; i < lengths[list]; i++)
			(*ret)[n++] = lists[list][i].overlay;
	if (n)
		qsort(*ret, n, sizeof(**ret), compare_addresses);
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
};

static int render_both(struct tree *tree, const struct prefix *node)
{
	render_node(tree->from, node, &tree->old);
	render_node(tree->to, node, &tree->new);
	return tree->old.result < 0 ? tree->old.result : tree->new.result;
}

static int change_node(struct tree *tree, const struct prefix *node)
{
	bool root = node->length == tree->to->overlay.length;
	int r = render_both(tree, node);

	if (r < 0)
		return r;
	if (root || tree->old.length ? !xtables_chain_same(tree->xtables, &tree->old) :
				       xtables_has(tree->xtables, tree->old.name))
		return -ESTALE;
	return root || tree->new.length ? sync_chain(tree->xtables, &tree->new, tree->sync) : 0;
}

/* Parents refer to their children, so all are emptied before the first is deleted. */
static int empty_node(struct tree *tree, const struct prefix *node)
{
	int r = render_both(tree, node);

	if (r < 0 || tree->new.length || !tree->old.length)
		return r;
	return xtables_empty(tree->xtables, tree->old.name);
}

static int drop_node(struct tree *tree, const struct prefix *node)
{
	int r = render_both(tree, node);

	if (r < 0 || tree->new.length || !tree->old.length)
		return r;
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
	if (r == 0)
		r = check_hooks(xtables, to);
	if (r == 0)
		r = each_node(&tree, change_node);
	if (r == 0)
		r = change_node(&tree, &to->overlay);
	if (r == 0)
		r = each_node(&tree, empty_node);
	if (r == 0)
		r = each_node(&tree, drop_node);
	chain_clear(&tree.old);
	chain_clear(&tree.new);
	free(addresses);
	return r;
}

struct print {
	struct job job; /* first: the names are gathered through it */
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
		buffer_print(text, "-A %s # rule %zu, which Neti did not make", chain, position + 1);
}

static int print_chain_difference(struct print *print, const struct chain *chain)
{
	struct xtables *xtables = print->job.xtables;
	struct step *steps = NULL;
	const void *const *rules = NULL;
	size_t n = 0, n_rules;
	int r = find_steps(xtables, chain, &steps, &n);

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
	int r = remember_name(&print->job, chain->name);

	if (r < 0 || xtables_chain_same(print->job.xtables, chain))
		return r;
	return print_chain_difference(print, chain);
}

/* The place is said too, because it is often all that is wrong. */
static int print_jumps(struct print *print, const struct chain *wanted)
{
	struct xtables *xtables = print->job.xtables;
	const void *const *rules;
	size_t n;
	int r = xtables_rules(xtables, wanted->name, &rules, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (!is_own_jump(xtables, wanted->name, rules[i]) ||
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
	enum table table = xtables_table(print->job.xtables);
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
	int r = xtables_own_chains(print->job.xtables, &names, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (is_wanted(&print->job, names[i]))
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
	struct print print = { .job = { .xtables = xtables }, .text = diff };
	int r = render_visit(wanted, xtables_table(xtables), print_chain, &print);

	sort_names(&print.job);
	if (r == 0)
		r = print_hooks(&print, wanted);
	if (r == 0)
		r = print_surplus(&print);
	free(print.job.names);
	return r < 0 ? r : buffer_result(diff);
}
