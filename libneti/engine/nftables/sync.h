/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NFTABLES_SYNC_H
#define NETI_NFTABLES_SYNC_H
/*
 * The difference between what was read and what a ruleset wants: printed, or written into a
 * transaction.
 */
#include "read.h"

/* wanted may be NULL: nothing. What is wrong in the shape of the table is put right in the same
 * transaction; what had been noted stays. 0 or -ENOMEM. */
int nft_sync_write(const struct kernel *kernel, const struct ruleset *wanted, bool enforce,
	struct transaction *transaction, size_t *ret_entries);
/* The rules alone, of a table that has all else. */
int nft_sync_write_rules(const struct ruleset *wanted, struct transaction *transaction,
	size_t *ret_entries);
int nft_sync_print(const struct kernel *kernel, const struct ruleset *wanted, struct buffer *diff);
/* Members alone, from one known state to the next. */
void nft_sync_members(const struct ruleset_diff *diff, struct transaction *transaction,
	size_t *ret_entries);
/* Whether strangers are refused: the input chain ends in our drop. */
bool nft_sync_enforces(const struct kernel *kernel);
/* Whether the kernel refuses already who is to be refused: strangers, overlay addresses without a
 * path. */
bool nft_sync_refuses(const struct kernel *kernel, const struct ruleset *wanted);

#endif
