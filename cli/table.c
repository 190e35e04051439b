/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collects cells, then prints them with the widths that they turned out to need.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "output.h"
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

/* Of the terminal; 0: stdout is none, nothing is cut there. */
static int terminal_width(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col :
										       0;
}

static int sum_of(const int *widths, size_t columns)
{
	int sum = 2 * ((int)columns - 1);

	for (size_t i = 0; i < columns; i++)
		sum += widths[i];
	return sum;
}

/* Takes from the widest column until the rows fit, but never below what its head needs. */
static void fit(const struct table *table, int *widths, int room)
{
	while (room > 0 && sum_of(widths, table->columns) > room) {
		size_t widest = 0;

		for (size_t i = 1; i < table->columns; i++)
			if (widths[i] > widths[widest])
				widest = i;
		if (widths[widest] <= (int)strlen(table->text[widest]))
			return;
		widths[widest]--;
	}
}

static void print_cell(const char *text, int width, bool last)
{
	int length = (int)strlen(text);

	if (length > width)
		printf("%.*s~", width - 1, text);
	else
		fputs(text, stdout);
	printf("%*s", last ? 0 : (length < width ? width - length : 0) + 2, "");
}

static bool is_coloured(void)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) &&
	       !(terminal && strcmp(terminal, "dumb") == 0);
}

static void print_rows(const struct table *table)
{
	bool bold = is_coloured();
	int widths[COLUMNS_MAX];

	for (size_t column = 0; column < table->columns; column++)
		widths[column] = width_of(table, column);
	fit(table, widths, terminal_width());
	for (size_t i = 0; i < table->cells; i++) {
		size_t column = i % table->columns;
		bool last = column == table->columns - 1;

		if (i == 0 && bold)
			fputs("\033[1m", stdout);
		print_cell(table->text[i], widths[column], last);
		if (last)
			puts(i == column && bold ? "\033[0m" : "");
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
