/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_FILE_H
#define NETI_FILE_H
/*
 * Files of our own, written whole or not at all.
 */
#include <stddef.h>

#include "error.h"

/* Makes the folder and what is missing above it, mode 0755. */
int file_make_folder(const char *path, struct error *error);
/* The same for the folder that a file is to stand in. */
int file_make_parent(const char *path, struct error *error);
/* Writes a new file beside the old one, syncs it and renames it: a reader sees old or new. */
int file_replace(const char *folder, const char *name, const char *text, size_t length,
	struct error *error);
/* The same for what means nothing after a crash of the machine: not synced, so that it waits for no
 * disk. */
int file_show(const char *folder, const char *name, const char *text, size_t length,
	struct error *error);
int file_remove(const char *folder, const char *name, struct error *error); /* 0 also without it */
/* The caller frees. -ENOENT without a sentence's weight: the caller decides what it means. */
int file_read(const char *folder, const char *name, char **ret, size_t *ret_length,
	struct error *error);

#endif
