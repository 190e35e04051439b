/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_FILE_H
#define NETI_FILE_H
/*
 * Files: opened without waiting, read up to a limit, and our own written whole or not at all.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

/* Opens what must be a regular file: nobody waits for the other end of a pipe. -errno; file_why()
 * has the words for it. */
int file_open(const char *path, int flags, mode_t mode);
const char *file_why(int result);
/* All of it, with a NUL behind; the caller frees. -EFBIG when there is more than so many bytes. */
int file_read_up_to(int fd, size_t most, char **ret, size_t *ret_length);

/* Makes the folder and what is missing above it, mode 0755. */
int file_make_folder(const char *path, struct error *error);
/* The same for the folder that a file is to stand in. */
int file_make_parent(const char *path, struct error *error);

/*
 * Files of our own. What is private can be read by the owner alone, also where an earlier release
 * made it: file_read() and file_lock() take the rights of others away.
 */
/* Writes a new file beside the old one, syncs it and renames it: a reader sees old or new. */
int file_replace(const char *folder, const char *name, const char *text, size_t length,
	struct error *error);
/* The same for what everybody may read, and what means nothing after a crash of the machine: not
 * synced, so that it waits for no disk. */
int file_replace_nosync(const char *folder, const char *name, const char *text, size_t length,
	struct error *error);
/* Behind what is there, and synced; after a failure perhaps a part of it. */
int file_append(const char *folder, const char *name, const char *text, size_t length,
	struct error *error);
/* Removes what writers left behind that were killed before they could rename it: of the file of that
 * name, or of all in the folder (NULL). What a living one writes stays. */
void file_sweep(const char *folder, const char *name);
int file_remove(const char *folder, const char *name, struct error *error); /* 0 also without it */
/* The caller frees. -ENOENT without a sentence's weight: the caller decides what it means. */
int file_read(const char *folder, const char *name, char **ret, size_t *ret_length,
	struct error *error);
/* Takes away what others may do with a file, if it is there and ours: who reads it tells the rest. */
void file_make_private(const char *folder, const char *name);
/* Nobody else makes files in a folder of ours. */
void file_guard_folder(const char *path);

/*
 * A lock that is held as long as the descriptor is open, in this process or a child. *ret_pid of
 * -EBUSY: the process that has it, or 0 when that is not certain. In a folder that only its owner
 * can write there are never two that hold it, and who cannot write the file cannot keep anybody
 * from holding it.
 */
int file_lock(const char *folder, const char *name, pid_t *ret_pid, struct error *error);
/* Whether somebody has it: 1, 0, or -EACCES without the right to ask. */
int file_is_locked(const char *folder, const char *name);

#endif
