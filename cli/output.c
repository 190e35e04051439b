/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sentences on stderr, JSON on stdout.
 */
#include <stdarg.h>
#include <string.h>

#include "output.h"

__attribute__((format(printf, 1, 0))) static void print_sentence(const char *format,
	va_list arguments)
{
	fputs("netictl: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void say(const struct netictl *netictl, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (!netictl->line.quiet)
		print_sentence(format, arguments);
	va_end(arguments);
}

int say_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_sentence(format, arguments);
	va_end(arguments);
	return EXIT_FAILED;
}

int say_usage(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_sentence(format, arguments);
	va_end(arguments);
	return EXIT_USAGE;
}

int say_memory(void)
{
	return say_error("out of memory");
}

int say_failure(const struct netictl *netictl)
{
	const char *message = neti_context_message(netictl->context);

	say_error("%s", *message ? message : "failed");
	return neti_context_reason(netictl->context) == NETI_REASON_SETTINGS ? EXIT_USAGE :
									       EXIT_FAILED;
}

int print_json(json_t *json)
{
	int result = json ? json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : -1;

	json_decref(json);
	if (result < 0)
		return say_memory();
	putchar('\n');
	return EXIT_DONE;
}

int print_lines(const char *name, const char *text)
{
	json_t *lines = json_array();

	for (size_t length; *text; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		json_array_append_new(lines, json_stringn(text, length));
	}
	return print_json(json_pack("{s:o}", name, lines));
}
