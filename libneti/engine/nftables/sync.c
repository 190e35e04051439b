/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes the difference. Within the transaction what lets in comes first and what takes away last: a
 * socket that is too small for it sends it in pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "difference.h"
#include "sync.h"

struct writing {
	const struct ruleset *wanted;
	struct nft_elements elements;
	unsigned which; /* differences that are written now, a bit each */
};

static void write_element(void *data, enum difference difference, const struct nft_element *told,
	size_t index)
{
	struct writing *writing = data;
	enum nft_set set = writing->elements.set;
	struct nft_element element;

	if (!(writing->which & 1u << difference))
		return;
	if (!writing->elements.delete) {
		nft_element_of(set, nft_set_key(writing->wanted, set, index),
			nft_set_data(writing->wanted, set, index), &element);
		told = &element;
	}
	nft_elements_put(&writing->elements, told);
}

/* A set that does not fit is made anew: nothing is in it. */
static void write_elements(const struct kernel *kernel, const struct ruleset *wanted,
	enum nft_set set, bool delete, unsigned which, struct transaction *transaction,
	size_t *entries)
{
	static const struct kernel_set nothing;
	struct writing writing = { wanted, { transaction, set, delete, NULL, NULL, 0 }, which };

	difference_of_elements(difference_set_fits(kernel, wanted, set) ? &kernel->sets[set] :
									  &nothing,
		wanted, set, write_element, &writing);
	nft_elements_end(&writing.elements);
	*entries += writing.elements.n;
}

/* What stands behind it is never asked. */
bool nft_sync_enforces(const struct kernel *kernel)
{
	static const struct nft_rule drop = { .target = TARGET_DROP };
	size_t n;
	const struct kernel_rule *rules = difference_rules(kernel, CHAIN_INPUT, &n);
	bool drops = false;

	for (size_t i = 0; i < n && !drops; i++)
		drops = kernel_rule_is(&rules[i], &drop);
	return drops && !kernel->dormant && kernel->chains[CHAIN_INPUT].right;
}

/* What the chain refuses could be refused before: the paths were there, strangers were dropped. */
static bool may_refuse(const struct kernel *kernel, const struct ruleset *wanted,
	enum nft_chain chain)
{
	enum nft_chain paths = chain == CHAIN_FORWARD ? CHAIN_PATHS_FORWARDED : CHAIN_PATHS;
	size_t n;

	if (chain == CHAIN_INPUT)
		return !wanted->policy.reject_all || nft_sync_enforces(kernel);
	difference_rules(kernel, paths, &n);
	return !kernel->dormant && kernel->chains[paths].right && n > 0;
}

bool nft_sync_refuses(const struct kernel *kernel, const struct ruleset *wanted)
{
	bool refuses = kernel->there;

	for (enum nft_chain chain = 0; refuses && chain < CHAIN_PATHS; chain++)
		refuses = !nft_chain_is_wanted(wanted, chain) || may_refuse(kernel, wanted, chain);
	return refuses;
}

/* --- chains ------------------------------------------------------------------------------------- */

/* anew: it is empty by now. */
static int write_chain(const struct kernel *kernel, const struct ruleset *wanted,
	enum nft_chain chain, bool enforce, bool anew, struct transaction *transaction,
	size_t *entries)
{
	struct nft_rules rules = { 0 };
	int r;
	size_t n;

	nft_chain_rules(wanted, chain, enforce, &rules);
	r = rules.result;
	if (r == 0 && (anew || !difference_chain_is_same(kernel, chain, &rules))) {
		difference_rules(kernel, chain, &n);
		if (n && !anew)
			nft_empty_chain(transaction, nft_chains[chain].name);
		for (size_t i = 0; i < rules.length; i++)
			nft_add_rule(transaction, chain, &rules.items[i]);
		*entries += n + rules.length;
	}
	nft_rules_clear(&rules);
	return r;
}

static int write_chains(const struct kernel *kernel, const struct ruleset *wanted, bool enforce,
	bool anew, struct transaction *transaction, size_t *entries)
{
	int r = 0;

	for (enum nft_chain chain = 0; r == 0 && chain < CHAINS; chain++)
		if (nft_chain_is_wanted(wanted, chain))
			r = write_chain(kernel, wanted, chain,
				enforce || may_refuse(kernel, wanted, chain), anew, transaction,
				entries);
	return r;
}

/* --- all of it ---------------------------------------------------------------------------------- */

static bool shape_is_right(const struct kernel *kernel, const struct ruleset *wanted)
{
	bool right = kernel->there && !kernel->dormant && kernel->n_surplus == 0;

	for (enum nft_set set = 0; right && set < SETS; set++)
		right = difference_set_fits(kernel, wanted, set);
	for (enum nft_chain chain = 0; right && chain < CHAINS; chain++)
		right = difference_chain_fits(kernel, wanted, chain);
	return right;
}

/* What no rule names any more can go: sets before the chains that their elements may lead to. */
static void delete_surplus(const struct kernel *kernel, bool chains,
	struct transaction *transaction)
{
	for (size_t i = 0; i < kernel->n_surplus; i++)
		if (!chains && !kernel->surplus[i].chain)
			nft_delete_set(transaction, kernel->surplus[i].name);
		else if (chains && kernel->surplus[i].chain)
			nft_delete_chain(transaction, kernel->surplus[i].name);
}

static void write_set(const struct kernel *kernel, const struct ruleset *wanted, enum nft_set set,
	struct transaction *transaction)
{
	if (difference_set_fits(kernel, wanted, set))
		return;
	if (kernel->sets[set].there)
		nft_delete_set(transaction, nft_sets[set].name);
	nft_add_set(transaction, set, nft_set_room(wanted, set));
}

/* Whether rules that are in force may ask a set that has to be made anew. */
static bool is_asked(const struct kernel *kernel, const struct ruleset *wanted, enum nft_set set)
{
	return kernel->sets[set].there && !difference_set_fits(kernel, wanted, set);
}

/* Everything that is right stays, above all who was noted; all rules are written once more. */
static void write_shape(const struct kernel *kernel, const struct ruleset *wanted,
	struct transaction *transaction, size_t *entries)
{
	if (kernel->there)
		nft_empty_chain(transaction, NULL);
	delete_surplus(kernel, false, transaction);
	delete_surplus(kernel, true, transaction);
	for (enum nft_set set = 0; set < SETS; set++)
		if (is_asked(kernel, wanted, set))
			write_set(kernel, wanted, set, transaction);
	for (enum nft_chain chain = 0; chain < CHAINS; chain++) {
		if (difference_chain_fits(kernel, wanted, chain))
			continue;
		if (kernel->chains[chain].there)
			nft_delete_chain(transaction, nft_chains[chain].name);
		if (nft_chain_is_wanted(wanted, chain))
			nft_add_chain(transaction, chain);
	}
	*entries += 1;
}

/* Of the sets that rules may ask and have to be made anew, or of all others. */
static void fill_sets(const struct kernel *kernel, const struct ruleset *wanted, bool asked,
	struct transaction *transaction, size_t *entries)
{
	const unsigned missing = 1u << ELEMENT_MISSING, other = 1u << ELEMENT_OTHER;

	if (is_asked(kernel, wanted, SET_PEERS) == asked)
		write_elements(kernel, wanted, SET_PEERS, false, missing, transaction, entries);
	if (is_asked(kernel, wanted, SET_OVERLAY) != asked)
		return;
	write_elements(kernel, wanted, SET_OVERLAY, true, other, transaction, entries);
	write_elements(kernel, wanted, SET_OVERLAY, false, missing | other, transaction, entries);
}

/* The rules of a table whose shape is wrong go and come back close to each other: where all of it is
 * too much for one piece, the many elements are there before. */
static int write_wanted(const struct kernel *kernel, const struct ruleset *wanted, bool enforce,
	struct transaction *transaction, size_t *entries)
{
	const unsigned surplus = 1u << ELEMENT_SURPLUS;
	bool anew = !shape_is_right(kernel, wanted);
	int r;

	if (anew)
		nft_add_table(transaction);
	for (enum nft_set set = 0; anew && set < SETS; set++)
		if (!is_asked(kernel, wanted, set))
			write_set(kernel, wanted, set, transaction);
	fill_sets(kernel, wanted, false, transaction, entries);
	if (anew)
		write_shape(kernel, wanted, transaction, entries);
	fill_sets(kernel, wanted, true, transaction, entries);
	r = write_chains(kernel, wanted, enforce, anew, transaction, entries);
	write_elements(kernel, wanted, SET_OVERLAY, true, surplus, transaction, entries);
	write_elements(kernel, wanted, SET_PEERS, true, surplus, transaction, entries);
	return r;
}

int nft_sync_write(const struct kernel *kernel, const struct ruleset *wanted, bool enforce,
	struct transaction *transaction, size_t *ret_entries)
{
	size_t entries = 0;
	int r = 0;

	if (!wanted) {
		if (kernel->there) {
			nft_delete_table(transaction);
			entries = 1;
		}
	} else {
		r = write_wanted(kernel, wanted, enforce, transaction, &entries);
	}
	*ret_entries = entries;
	return r < 0 ? r : transaction->result;
}

int nft_sync_write_rules(const struct ruleset *wanted, struct transaction *transaction,
	size_t *ret_entries)
{
	static const struct kernel nothing;
	int r;

	*ret_entries = 0;
	nft_empty_chain(transaction, NULL);
	r = write_chains(&nothing, wanted, true, true, transaction, ret_entries);
	return r < 0 ? r : transaction->result;
}

static void put_paths(struct nft_elements elements, const struct path *paths, size_t n,
	size_t *entries)
{
	struct nft_element element;

	for (size_t i = 0; i < n; i++) {
		nft_element_of(SET_OVERLAY, &paths[i].overlay, &paths[i].target, &element);
		nft_elements_put(&elements, &element);
	}
	nft_elements_end(&elements);
	*entries += n;
}

static void put_peers(struct nft_elements elements, const struct address *peers, size_t n,
	size_t *entries)
{
	struct nft_element element;

	for (size_t i = 0; i < n; i++) {
		nft_element_of(SET_PEERS, &peers[i], NULL, &element);
		nft_elements_put(&elements, &element);
	}
	nft_elements_end(&elements);
	*entries += n;
}

void nft_sync_members(const struct ruleset_diff *diff, struct transaction *transaction,
	size_t *ret_entries)
{
	const struct nft_elements more = { .transaction = transaction, .set = SET_OVERLAY },
				  less = { .transaction = transaction,
					  .set = SET_OVERLAY,
					  .delete = true },
				  more_peers = { .transaction = transaction, .set = SET_PEERS },
				  less_peers = { .transaction = transaction,
					  .set = SET_PEERS,
					  .delete = true };

	*ret_entries = 0;
	put_peers(more_peers, diff->peers_added, diff->n_peers_added, ret_entries);
	put_paths(less, diff->paths_changed, diff->n_paths_changed, ret_entries);
	put_paths(more, diff->paths_changed, diff->n_paths_changed, ret_entries);
	put_paths(more, diff->paths_added, diff->n_paths_added, ret_entries);
	put_paths(less, diff->paths_removed, diff->n_paths_removed, ret_entries);
	put_peers(less_peers, diff->peers_removed, diff->n_peers_removed, ret_entries);
}
