/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_TABLE_H
#define NETI_CLI_TABLE_H
/*
 * A table of text: columns as wide as they need be, two blanks between.
 */
#include <stddef.h>

struct table;

/* NULL without memory, which the other calls pass on. heads are borrowed. */
struct table *table_new(size_t columns, const char *const *heads);
void table_cell(struct table *table, const char *text); /* row by row */
int table_print(struct table *table);			/* to stdout; frees; the exit status */

#endif
