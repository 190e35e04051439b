/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_WORDS_H
#define NETI_WORDS_H
/*
 * A command as words, without a shell: blanks separate, quotation marks and backslashes keep
 * them, nothing is expanded.
 */

/*
 * NULL-terminated, one allocation: the caller frees *ret alone. -EINVAL: a quotation mark
 * without its other one; -ENODATA: no first word, or an empty one; -ENOMEM.
 */
int words_split(const char *text, char ***ret);

#endif
