/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SEALED_FILE_H
#define NETI_SEALED_FILE_H
/*
 * Files of our own that are replaced whole and notice when they are torn, foreign or newer.
 */
#include "buffer.h"
#include "error.h"

int sealed_file_write(const char *folder, const char *name, const struct buffer *body,
	struct error *error);
/* The caller frees *ret_text, also after a failure; the body points into it. -ENOENT when there is
 * none; -EBADMSG when it is torn, foreign or newer: the sentence names it. */
int sealed_file_read(const char *folder, const char *name, char **ret_text, char **ret_body,
	size_t *ret_length, struct error *error);
/* -EBADMSG, in the same words, for a body that makes no sense. */
int sealed_file_ignored(const char *folder, const char *name, const char *why, struct error *error);

#endif
