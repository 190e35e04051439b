/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SEALED_FILE_H
#define NETI_SEALED_FILE_H
/*
 * Files of our own that are replaced whole and notice when they are torn, foreign or newer.
 */
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "error.h"

/*
 * Few changes of a large file, a line each, go into a file beside it, NAME.changes, which counts only
 * with the very file that was written before. All zero: the file has to be written whole.
 */
struct changes {
	struct buffer lines; /* that are not written yet */
	size_t n;	     /* lines, written or not */
	uint64_t seal;	     /* of the file written whole; 0: none is */
	size_t written;	     /* bytes */
};

/* One line more, or so many. */
void changes_count(struct changes *changes, size_t n);
/* Whether they are enough; else the file is to be written whole. */
bool changes_suffice(const struct changes *changes);
/* The file has to be written whole. */
void changes_void(struct changes *changes);

/* changes, which may be NULL, are of this file from now on. */
int sealed_file_write(const char *folder, const char *name, const struct buffer *body,
	struct changes *changes, struct error *error);
/* Writes the lines. -ESTALE when the file is not the one they are changes of; after that and after
 * any other failure it has to be written whole. */
int sealed_file_append(const char *folder, const char *name, struct changes *changes,
	struct error *error);
/* The caller frees *ret_text, also after a failure; the body points into it. -ENOENT when there is
 * none; -EBADMSG when it is torn, foreign or newer: the sentence names it. */
int sealed_file_read(const char *folder, const char *name, char **ret_text, char **ret_body,
	size_t *ret_length, struct error *error);
/* The lines that count with that file, as far as they can be read; none when there are none. */
int sealed_file_read_changes(const char *folder, const char *name, const char *text,
	struct buffer *ret, struct error *error);
/* -EBADMSG, in the same words, for a body that makes no sense. */
int sealed_file_ignored(const char *folder, const char *name, const char *why, struct error *error);

#endif
