/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_OUTPUT_H
#define NETI_CLI_OUTPUT_H
/*
 * How results and failures are told.
 */
#include <jansson.h>
#include <stdio.h>

#include "netictl.h"

/* One sentence on stderr: the first is for what went well, and silent with --quiet. The others
 * give the exit status back. */
void say(const struct netictl *netictl, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
int say_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
int say_memory(void);
int say_failure(const struct netictl *netictl); /* the sentence that the context has */

/* Print and free; the exit status. */
int print_json(json_t *json);
int print_lines(const char *name, const char *text); /* {NAME: [a string for each line]} */

#endif
