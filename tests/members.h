/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_MEMBERS_H
#define NETI_TESTS_MEMBERS_H
/*
 * Members by number, for the suites of pure code: the n-th has overlay address 192.168.0.0 + n.
 */
#include "fleet/member.h"

/* "id network overlay private public"; "-" for no public address. The caller owns it. */
struct member *test_member(const char *text);
/* The n-th member, private address 10.0.0.0 + n, public address 198.18.0.0 + n. */
struct member *test_member_nth(unsigned n, const char *network);
void test_list_add(struct member_list *list, struct member *member); /* steals */

#endif
