/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compares set by set and chain by chain.
 */
#include <string.h>

#include "difference.h"

void difference_of_elements(const struct kernel_set *told, const struct ruleset *wanted,
	enum nft_set set, element_fn visit, void *data)
{
	size_t n = wanted ? nft_set_length(wanted, set) : 0, length = nft_sets[set].key_length;

	for (size_t i = 0, j = 0; i < told->n || j < n;) {
		const struct nft_element *element = &told->elements[i];
		int order =
			i == told->n ? 1 :
			j == n	     ? -1 :
				 memcmp(element->key, nft_set_key(wanted, set, j)->bytes, length);

		if (order < 0)
			visit(data, ELEMENT_SURPLUS, element, j);
		else if (order > 0)
			visit(data, ELEMENT_MISSING, NULL, j);
		else if (nft_sets[set].data_length &&
			 memcmp(element->data, nft_set_data(wanted, set, j)->bytes,
				 nft_sets[set].data_length) != 0)
			visit(data, ELEMENT_OTHER, element, j);
		i += order <= 0;
		j += order >= 0;
	}
}

const struct kernel_rule *difference_rules(const struct kernel *kernel, enum nft_chain chain,
	size_t *ret_n)
{
	size_t first = 0, n = 0;

	while (first < kernel->n_rules && kernel->rules[first].chain != chain)
		first++;
	while (first + n < kernel->n_rules && kernel->rules[first + n].chain == chain)
		n++;
	*ret_n = n;
	return kernel->rules + first;
}

bool difference_chain_is_same(const struct kernel *kernel, enum nft_chain chain,
	const struct nft_rules *wanted)
{
	size_t n;
	const struct kernel_rule *told = difference_rules(kernel, chain, &n);

	if (n != wanted->length)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!kernel_rule_is(&told[i], &wanted->items[i]))
			return false;
	return true;
}

bool difference_set_fits(const struct kernel *kernel, const struct ruleset *wanted,
	enum nft_set set)
{
	return kernel->sets[set].there && kernel->sets[set].right &&
	       nft_set_length(wanted, set) <= kernel->sets[set].room;
}

bool difference_chain_fits(const struct kernel *kernel, const struct ruleset *wanted,
	enum nft_chain chain)
{
	return nft_chain_is_wanted(wanted, chain) ?
		       kernel->chains[chain].there && kernel->chains[chain].right :
		       !kernel->chains[chain].there;
}
