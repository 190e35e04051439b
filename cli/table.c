/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collects cells, then prints them with the widths that they turned out to need.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "netictl.h"
#include "table.h"

#define COLUMNS_MAX 16

struct table {
	size_t columns, cells, size;
	char **text;
	bool failed;
};

struct table *table_new(size_t columns, const char *const *heads)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	for (size_t i = 0; i < columns; i++)
		table_cell(table, heads[i]);
	return table;
}

void table_cell(struct table *table, const char *text)
{
	char **more;

	if (!table)
		return;
	if (table->cells == table->size) {
		table->size = table->size ? table->size * 2 : 64;
		more = reallocarray(table->text, table->size, sizeof(*more));
		if (!more) {
			table->failed = true;
			table->size = table->cells;
			return;
		}
		table->text = more;
	}
	table->text[table->cells] = strdup(*text ? text : "-");
	table->failed |= !table->text[table->cells++];
}

static int width_of(const struct table *table, size_t column)
{
	size_t width = 0;

	for (size_t n = column; n < table->cells; n += table->columns)
		if (strlen(table->text[n]) > width)
			width = strlen(table->text[n]);
	return (int)width;
}

static void print_rows(const struct table *table)
{
	size_t last = table->columns - 1;
	int widths[COLUMNS_MAX];

	for (size_t column = 0; column < last; column++)
		widths[column] = width_of(table, column);
	for (size_t i = 0; i < table->cells; i++) {
		size_t column = i % table->columns;

		if (column < last)
			printf("%-*s  ", widths[column], table->text[i]);
		else
			puts(table->text[i]);
	}
}

int table_print(struct table *table)
{
	int status = EXIT_DONE;

	if (!table || table->failed)
		status = say_memory();
	else
		print_rows(table);
	for (size_t i = 0; table && i < table->cells; i++)
		free(table->text[i]);
	if (table)
		free(table->text);
	free(table);
	return status;
}
