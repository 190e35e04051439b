/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NFTABLES_DIFFERENCE_H
#define NETI_NFTABLES_DIFFERENCE_H
/*
 * How what was read differs from what a ruleset wants: what writing and printing the difference
 * have in common.
 */
#include "read.h"

enum difference { ELEMENT_MISSING, ELEMENT_OTHER, ELEMENT_SURPLUS };

/* told: what the kernel has, NULL when missing; index: of the wanted one. */
typedef void (*element_fn)(void *data, enum difference difference, const struct nft_element *told,
	size_t index);
/* wanted may be NULL: nothing. */
void difference_of_elements(const struct kernel_set *told, const struct ruleset *wanted,
	enum nft_set set, element_fn visit, void *data);

/* The rules of a chain stand together. */
const struct kernel_rule *difference_rules(const struct kernel *kernel, enum nft_chain chain,
	size_t *ret_n);
bool difference_chain_is_same(const struct kernel *kernel, enum nft_chain chain,
	const struct nft_rules *wanted);

/* Whether set and chain are there, if they should be, and of the right kind and size. */
bool difference_set_fits(const struct kernel *kernel, const struct ruleset *wanted,
	enum nft_set set);
bool difference_chain_fits(const struct kernel *kernel, const struct ruleset *wanted,
	enum nft_chain chain);

#endif
