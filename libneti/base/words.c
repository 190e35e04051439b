/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Splits as sh does where it expands nothing: '...' takes all as it stands, in "..." and outside
 * a backslash takes the next character as it stands.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

#define BLANKS " \t\r\n"

/* Copies one word to *to with its NUL and returns what follows; NULL: a quote is not closed. */
static const char *take_word(const char *from, char **to)
{
	char quote = '\0';

	for (; *from && (quote || !strchr(BLANKS, *from)); from++) {
		if (*from == quote) {
			quote = '\0';
		} else if (!quote && (*from == '"' || *from == '\'')) {
			quote = *from;
		} else {
			if (*from == '\\' && quote != '\'' && from[1])
				from++;
			*(*to)++ = *from;
		}
	}
	*(*to)++ = '\0';
	return quote ? NULL : from;
}

int words_split(const char *text, char ***ret)
{
	/* Every other character may be a word; the characters stand behind the pointers. */
	size_t most = strlen(text) / 2 + 2, n = 0;
	char **words = malloc(most * sizeof(*words) + strlen(text) + 2), *to;

	if (!words)
		return -ENOMEM;
	to = (char *)(words + most);
	for (text += strspn(text, BLANKS); text && *text;) {
		words[n++] = to;
		text = take_word(text, &to);
		if (text)
			text += strspn(text, BLANKS);
	}
	words[n] = NULL;
	if (!text || n == 0 || !*words[0]) {
		free(words);
		return text ? -ENODATA : -EINVAL;
	}
	*ret = words;
	return 0;
}
