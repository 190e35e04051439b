/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TEXT_H
#define NETI_TEXT_H
/*
 * Text as in the C locale, whatever the program around the library has chosen for itself: what is
 * written for machines has a decimal point, and what is a letter does not depend on a language.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* As the C library does it. */
int text_format(char *text, size_t size, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));
/* Whatever the case of their letters. */
bool text_same_word(const char *a, const char *b);

static inline bool text_is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

/* Printable, and no space. */
static inline bool text_is_graph(char c)
{
	return c > ' ' && c < 0x7f;
}

static inline bool text_is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

#endif
