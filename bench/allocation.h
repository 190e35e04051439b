/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_BENCH_ALLOCATION_H
#define NETI_BENCH_ALLOCATION_H
/*
 * Leases taken by fifty processes at once.
 */
#include <stdbool.h>

/* Who holds which address. */
struct table;
struct table *allocation_table(void);
/* Each process takes so many, one after the other, from id number "first" on, and gives each
 * back at once or keeps it. Prints the rate and the duplicates. */
void allocation_bench(const char *name, const char *uri, const char *subnet, unsigned first,
	unsigned each, bool give_back, struct table *table);

#endif
