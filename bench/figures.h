/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_BENCH_FIGURES_H
#define NETI_BENCH_FIGURES_H
/*
 * A figure a line: name, members, median, unit, reference, ratio, goal, "ok" or "short".
 */
#include <stddef.h>

enum figure_goal { GOAL_AT_MOST, GOAL_AT_LEAST, GOAL_NONE };

struct figure {
	const char *name;
	size_t members;
	const char *unit;
	enum figure_goal kind;
	double goal;	  /* of the ratio when there is a reference, else of the value */
	double reference; /* 0: none */
};

void figure_machine(void); /* the line before all others */
void figure_print(const struct figure *figure, double value);
/* The p-th hundredth of the values, which are sorted. */
double figure_hundredth(double *values, size_t n, unsigned p);
/* What must work; else the program ends. */
void figure_must(int good, const char *what, const char *why);

#endif
