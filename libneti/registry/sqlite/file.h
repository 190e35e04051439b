/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SQLITE_FILE_H
#define NETI_SQLITE_FILE_H
/*
 * What the SQLite store needs of the system around its file.
 */
#include <stdbool.h>

#include "base/error.h"

#define SQLITE_FILE_BOOT 40

/* Folders and an empty file where they are missing, if they may be made, else -ENOENT. SQLite
 * gives -wal and -shm the mode of the file, so it is not left to SQLite to make it. */
int sqlite_file_make(const char *path, bool create);
/* The id of this boot of the machine. */
int sqlite_file_boot(char boot[SQLITE_FILE_BOOT]);
/* One sentence about the file for a -errno; returns it. */
int sqlite_file_explain(const char *path, int result, struct error *error);

#endif
