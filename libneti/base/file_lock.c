/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks on files, for one holder at a time: an open-file lock for writing on the file that stands
 * under the name. It goes with the last descriptor, and can be asked for without being taken.
 *
 * Who once could read the file, as it was made by earlier releases, may hold a lock for reading on
 * it for ever. Such a file, and another user's, is exchanged for a fresh one, NAME.new, by whoever has that one locked
 * under that name; and nobody goes on with the old one while that is so.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

#define TRIES 100
#define PAUSE_NS 10000000

static int set_lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* Asks for a lock for reading: only one for writing is in its way. */
static int is_held(int fd)
{
	struct flock whole = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_GETLK, &whole) < 0)
		return -errno;
	return whole.l_type != F_UNLCK;
}

static bool stands_at(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

/* 0: taken; -EBUSY: somebody has it who may write the file; -ESTALE: only who once could open it
 * is in the way, or could be at any time. */
static int take(int fd)
{
	struct stat stat;
	int result;

	if (fstat(fd, &stat) < 0)
		return -errno;
	result = stat.st_uid != geteuid() || (stat.st_mode & 077) ? -EBUSY : set_lock(fd);
	if (result != -EBUSY)
		return result;
	result = is_held(fd);
	return result < 0 ? result : result ? -EBUSY : -ESTALE;
}

/* 0 when what stands at the path is still to be exchanged, or is gone. */
static int check_stale(const char *path)
{
	int fd = file_open(path, O_RDWR | O_NOFOLLOW, 0), result;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	result = take(fd);
	close(fd);
	return result == 0 ? -EAGAIN : result == -ESTALE ? 0 : result;
}

/* The descriptor of a fresh file at the path, locked. */
static int exchange(const char *path, const char *fresh)
{
	int fd = file_open(fresh, O_RDWR | O_CREAT | O_NOFOLLOW, 0600), result;

	if (fd < 0)
		return fd;
	result = take(fd);
	if (result == 0 && !stands_at(fd, fresh))
		result = -EAGAIN;
	else if (result == 0) {
		result = check_stale(path);
		if (result == 0 && rename(fresh, path) < 0)
			result = -errno;
		if (result < 0)
			unlink(fresh);
	}
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

static bool is_exchanged(const char *fresh)
{
	int fd = file_open(fresh, O_RDONLY | O_NOFOLLOW, 0);
	bool held = fd >= 0 && is_held(fd) != 0;

	if (fd >= 0)
		close(fd);
	return held;
}

/* -EAGAIN: something moved, look again. */
static int try_lock(const char *path, const char *fresh)
{
	int fd = file_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600), result;

	if (fd < 0)
		return fd;
	result = take(fd);
	if (result == 0 && (is_exchanged(fresh) || !stands_at(fd, path)))
		result = -EAGAIN;
	if (result == 0)
		return fd;
	close(fd);
	return result == -ESTALE ? exchange(path, fresh) : result;
}

/* Whether that process has this very file open. */
static bool has_open(pid_t pid, int fd)
{
	struct stat ours, its;
	struct dirent *entry;
	bool found = false;
	char path[32];
	DIR *all;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	all = opendir(path);
	if (!all)
		return false;
	if (fstat(fd, &ours) == 0)
		while (!found && (entry = readdir(all)))
			found = fstatat(dirfd(all), entry->d_name, &its, 0) == 0 &&
				its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
	closedir(all);
	return found;
}

/* What the file says may be the pid of one that is gone, and another's by now. */
static pid_t find_holder(const char *path)
{
	int fd = file_open(path, O_RDONLY | O_NOFOLLOW, 0);
	char text[16] = "";
	long pid = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, text, sizeof(text) - 1, 0) > 0)
		pid = strtol(text, NULL, 10);
	if (pid <= 0 || pid > INT_MAX || !has_open((pid_t)pid, fd))
		pid = 0;
	close(fd);
	return (pid_t)pid;
}

int file_lock(const char *folder, const char *name, pid_t *ret_pid, struct error *error)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int fd = -EAGAIN;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path) ||
		snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
		return error_set(error, -ENAMETOOLONG, NETI_REASON_SYSTEM,
			"%s/%s: the path is too long", folder, name);
	for (int i = 0; fd == -EAGAIN && i < TRIES; i++) {
		if (i)
			nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
		fd = try_lock(path, fresh);
	}
	if (fd >= 0)
		return fd;
	if (fd == -EAGAIN)
		fd = -EBUSY;
	if (fd == -EBUSY)
		*ret_pid = find_holder(path);
	if (fd == -ESTALE)
		return error_set(error, fd, NETI_REASON_SYSTEM,
			"cannot lock %s: remove %s, which is not this user's alone", path, fresh);
	return error_set(error, fd, fd == -EBUSY ? NETI_REASON_BUSY : NETI_REASON_SYSTEM,
		"cannot lock %s: %s", path, fd == -EBUSY ? "another process has it" : file_why(fd));
}

int file_is_locked(const char *folder, const char *name)
{
	char path[PATH_MAX];
	int fd, result;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = file_open(path, O_RDONLY, 0);
	if (fd < 0)
		return fd == -EACCES ? fd : 0;
	result = is_held(fd);
	close(fd);
	return result;
}
