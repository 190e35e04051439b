/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints figures for people and for scripts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "figures.h"

void figure_must(int good, const char *what, const char *why)
{
	if (good)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

void figure_machine(void)
{
	struct utsname name;
	char line[256], model[200] = "unknown processor";
	FILE *file = fopen("/proc/cpuinfo", "re");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "model name : %199[^\n]", model) == 1)
			break;
	if (file)
		fclose(file);
	uname(&name);
	printf("# %ld processors, %s, %s %s\n", sysconf(_SC_NPROCESSORS_ONLN), model, name.sysname,
		name.release);
	fflush(stdout);
}

static int is_met(const struct figure *figure, double value)
{
	if (figure->reference > 0)
		value /= figure->reference;
	return figure->kind == GOAL_AT_LEAST ? value >= figure->goal : value <= figure->goal;
}

void figure_print(const struct figure *figure, double value)
{
	printf("%s\t%zu\t%.4g\t%s\t", figure->name, figure->members, value, figure->unit);
	if (figure->reference > 0)
		printf("%.4g\t%.4f\t", figure->reference, value / figure->reference);
	else
		printf("-\t-\t");
	if (figure->kind == GOAL_NONE)
		printf("-\tok\n");
	else
		printf("%.4g\t%s\n", figure->goal, is_met(figure, value) ? "ok" : "short");
	fflush(stdout);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double figure_hundredth(double *values, size_t n, unsigned p)
{
	size_t i = n * p / 100;

	qsort(values, n, sizeof(*values), compare);
	return values[i < n ? i : n - 1];
}
