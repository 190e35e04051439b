/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one place that formats: for the thread alone, and for as long as that takes, the locale is
 * the C locale, which the C library has ready.
 */
#include <locale.h>
#include <stdio.h>

#include "text.h"

int text_format(char *text, size_t size, const char *format, va_list arguments)
{
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	locale_t before = plain ? uselocale(plain) : (locale_t)0;
	int length = vsnprintf(text, size, format, arguments);

	if (before)
		uselocale(before);
	if (plain)
		freelocale(plain);
	return length;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_same_word(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}
