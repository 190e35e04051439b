/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads and replaces small files of our own.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define FILE_MAX_BYTES (64u << 20)

static int path_of(const char *folder, const char *name, char path[PATH_MAX], struct error *error)
{
	int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);

	if (length < 0 || length >= PATH_MAX)
		return error_set(error, -ENAMETOOLONG, NETI_TROUBLE_SYSTEM, "%s/%s: the path is too long",
			folder, name);
	return 0;
}

static int fail(struct error *error, const char *doing, const char *path)
{
	int result = -errno;

	return error_set(error, result, NETI_TROUBLE_SYSTEM, "%s %s: %s", doing, path,
		strerrordesc_np(-result));
}

static int make_one(const char *path, struct error *error)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST ? fail(error, "cannot make the folder", path) : 0;
}

int file_make_parent(const char *path, struct error *error)
{
	char copy[PATH_MAX];

	if (strlen(path) >= sizeof(copy))
		return error_set(error, -ENAMETOOLONG, NETI_TROUBLE_SYSTEM, "%s: the path is too long",
			path);
	strcpy(copy, path);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (make_one(copy, error) < 0)
			return error->result;
		*slash = '/';
	}
	return 0;
}

int file_make_folder(const char *path, struct error *error)
{
	int result = file_make_parent(path, error);

	return result < 0 ? result : make_one(path, error);
}

static int write_all(int fd, const char *text, size_t length, bool lasting)
{
	while (length > 0) {
		ssize_t written = write(fd, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		text += written;
		length -= (size_t)written;
	}
	return lasting ? fsync(fd) : 0;
}

static int replace(const char *folder, const char *name, const char *text, size_t length,
	bool lasting, struct error *error)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int fd, result;

	result = path_of(folder, name, path, error);
	/* A name of this process's own: agent and tool may write the same file at a time. */
	if (result == 0 &&
		snprintf(fresh, sizeof(fresh), "%s.new-%d", path, getpid()) >= (int)sizeof(fresh))
		result = error_set(error, -ENAMETOOLONG, NETI_TROUBLE_SYSTEM,
			"%s.new: the path is too long", path);
	if (result < 0)
		return result;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return fail(error, "cannot write", fresh);
	if (write_all(fd, text, length, lasting) < 0) {
		result = fail(error, "cannot write", fresh);
		close(fd);
		unlink(fresh);
		return result;
	}
	close(fd);
	if (rename(fresh, path) < 0) {
		result = fail(error, "cannot replace", path);
		unlink(fresh);
	}
	return result;
}

int file_replace(const char *folder, const char *name, const char *text, size_t length,
	struct error *error)
{
	return replace(folder, name, text, length, true, error);
}

int file_show(const char *folder, const char *name, const char *text, size_t length,
	struct error *error)
{
	return replace(folder, name, text, length, false, error);
}

int file_remove(const char *folder, const char *name, struct error *error)
{
	char path[PATH_MAX];
	int result = path_of(folder, name, path, error);

	if (result == 0 && unlink(path) < 0 && errno != ENOENT)
		result = fail(error, "cannot remove", path);
	return result;
}

static int read_all(int fd, char *text, size_t size, size_t *ret_length)
{
	size_t length = 0;

	for (;;) {
		ssize_t n = read(fd, text + length, size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		length += (size_t)n;
		if (n == 0 || length == size)
			break;
	}
	*ret_length = length;
	return 0;
}

int file_read(const char *folder, const char *name, char **ret, size_t *ret_length,
	struct error *error)
{
	char path[PATH_MAX], *text = NULL;
	size_t length = 0;
	struct stat stat;
	int fd, result;

	result = path_of(folder, name, path, error);
	if (result < 0)
		return result;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return fail(error, "cannot read", path);
	if (fstat(fd, &stat) < 0)
		result = fail(error, "cannot read", path);
	else if (!S_ISREG(stat.st_mode) || stat.st_size > FILE_MAX_BYTES)
		result = error_set(error, -EINVAL, NETI_TROUBLE_SYSTEM, "%s is not a file of Neti", path);
	else if (!(text = malloc((size_t)stat.st_size + 1)))
		result = error_memory(error);
	else if (read_all(fd, text, (size_t)stat.st_size, &length) < 0)
		result = fail(error, "cannot read", path);
	close(fd);
	if (result < 0) {
		free(text);
		return result;
	}
	text[length] = '\0';
	*ret = text;
	*ret_length = length;
	return 0;
}
