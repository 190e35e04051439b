/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens files that may be anything, and reads and replaces small ones of our own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "file.h"

#define FILE_MAX_BYTES ((size_t)64 << 20)
#define MODE_PRIVATE 0600 /* and lasting */
#define MODE_PUBLIC 0644

static int path_of(const char *folder, const char *name, char path[PATH_MAX], struct error *error)
{
	int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);

	if (length < 0 || length >= PATH_MAX)
		return error_set(error, -ENAMETOOLONG, NETI_REASON_SYSTEM,
			"%s/%s: the path is too long", folder, name);
	return 0;
}

const char *file_why(int result)
{
	static const struct {
		int result;
		const char *text;
	} table[] = {
		{ -ENXIO, "it is a pipe, a socket or a device, not a file" },
		{ -ELOOP, "it is a symbolic link that leads nowhere or must not be followed" },
		{ -EFBIG, "it is too large" },
		{ -EPERM, "it belongs to another user" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].result == result)
			return table[i].text;
	return strerrordesc_np(-result);
}

static int fail_with(struct error *error, int result, const char *doing, const char *path)
{
	return error_set(error, result, NETI_REASON_SYSTEM, "%s %s: %s", doing, path,
		file_why(result));
}

static int fail(struct error *error, const char *doing, const char *path)
{
	return fail_with(error, -errno, doing, path);
}

static int check_regular(int fd)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (S_ISREG(stat.st_mode))
		return 0;
	return S_ISDIR(stat.st_mode) ? -EISDIR : -ENXIO;
}

/* What is read there is nothing, and nobody waits for it: "-c /dev/null". */
static bool is_null_device(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(1, 3);
}

int file_open(const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode), result;

	if (fd < 0)
		return -errno;
	result = check_regular(fd);
	if (result == 0 || ((flags & O_ACCMODE) == O_RDONLY && is_null_device(fd)))
		return fd;
	close(fd);
	return result;
}

/* A file of this user, and of nobody else's from now on. */
static int own(int fd)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (stat.st_uid != geteuid())
		return -EPERM;
	return (stat.st_mode & 077) && fchmod(fd, stat.st_mode & 0700) < 0 ? -errno : 0;
}

static int make_one(const char *path, struct error *error)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST ?
		       fail(error, "cannot make the folder", path) :
		       0;
}

int file_make_parent(const char *path, struct error *error)
{
	char copy[PATH_MAX];

	if (strlen(path) >= sizeof(copy))
		return error_set(error, -ENAMETOOLONG, NETI_REASON_SYSTEM,
			"%s: the path is too long", path);
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

void file_guard_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat stat;

	if (fd < 0)
		return;
	if (fstat(fd, &stat) == 0 && stat.st_uid == geteuid() && (stat.st_mode & 022) &&
		!(stat.st_mode & S_ISVTX)) /* one as /tmp is meant for all */
		(void)!fchmod(fd, stat.st_mode & 07755);
	close(fd);
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

#define FRESH ".new-"
#define FRESH_DIGITS 16

/* A living writer has it locked: only a sweeper can be in the way, and for a moment. */
static bool is_swept(int fd)
{
	struct stat stat;

	flock(fd, LOCK_EX); /* where there are no locks nothing is swept */
	return fstat(fd, &stat) == 0 && stat.st_nlink == 0;
}

/* A name that nobody can know beforehand, in a folder that others may write in too; and nobody else
 * opens it before it is locked. */
static int create_beside(const char *path, char fresh[PATH_MAX])
{
	uint64_t random;
	int fd;

	if (strlen(path) + strlen(FRESH) + FRESH_DIGITS >= PATH_MAX)
		return -ENAMETOOLONG;
	for (;;) {
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return -EAGAIN;
		sprintf(fresh, "%s" FRESH "%0*" PRIx64, path, FRESH_DIGITS, random);
		fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			MODE_PRIVATE);
		if (fd < 0 && errno != EEXIST)
			return -errno;
		if (fd >= 0 && !is_swept(fd))
			return fd;
		if (fd >= 0)
			close(fd);
	}
}

/* name: of the file that it was to become; NULL: of any. */
static bool is_fresh(const char *entry, const char *name)
{
	size_t extra = strlen(FRESH) + FRESH_DIGITS, length = strlen(entry);
	const char *end = length > extra ? entry + length - extra : "";

	if (strncmp(end, FRESH, strlen(FRESH)) != 0 ||
		strspn(end + strlen(FRESH), "0123456789abcdef") != FRESH_DIGITS)
		return false;
	return !name ||
	       (strlen(name) == length - extra && strncmp(entry, name, length - extra) == 0);
}

static void sweep(int folder, const char *entry)
{
	int fd = openat(folder, entry, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return;
	if (check_regular(fd) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(folder, entry, 0);
	close(fd);
}

void file_sweep(const char *folder, const char *name)
{
	struct dirent *entry;
	DIR *all = opendir(folder);

	if (!all)
		return;
	while ((entry = readdir(all)))
		if (is_fresh(entry->d_name, name))
			sweep(dirfd(all), entry->d_name);
	closedir(all);
}

/* Written by mistake into a setting, the machine's devices stay what they are. */
static int check_replaced(const char *path)
{
	struct stat stat;

	if (lstat(path, &stat) == 0 && (S_ISCHR(stat.st_mode) || S_ISBLK(stat.st_mode)))
		return -ENXIO;
	return 0;
}

static int write_fresh(int fd, mode_t mode, const char *text, size_t length)
{
	/* The umask is the program's around us. */
	if (fchmod(fd, mode) < 0)
		return -1;
	return write_all(fd, text, length, mode == MODE_PRIVATE);
}

static int replace(const char *folder, const char *name, const char *text, size_t length,
	mode_t mode, struct error *error)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int fd, result;

	result = path_of(folder, name, path, error);
	if (result < 0)
		return result;
	result = check_replaced(path);
	fd = result < 0 ? result : create_beside(path, fresh);
	if (fd < 0)
		return fail_with(error, fd, "cannot write", path);
	if (write_fresh(fd, mode, text, length) < 0)
		result = fail(error, "cannot write", path);
	if (result == 0 && rename(fresh, path) < 0)
		result = fail(error, "cannot replace", path);
	if (result < 0)
		unlink(fresh);
	close(fd); /* and its lock with it */
	return result;
}

int file_replace(const char *folder, const char *name, const char *text, size_t length,
	struct error *error)
{
	return replace(folder, name, text, length, MODE_PRIVATE, error);
}

int file_replace_nosync(const char *folder, const char *name, const char *text, size_t length,
	struct error *error)
{
	return replace(folder, name, text, length, MODE_PUBLIC, error);
}

int file_append(const char *folder, const char *name, const char *text, size_t length,
	struct error *error)
{
	char path[PATH_MAX];
	int result = path_of(folder, name, path, error);
	int fd = result < 0 ? result : file_open(path, O_WRONLY | O_APPEND | O_CREAT, MODE_PRIVATE);

	if (result < 0)
		return result;
	if (fd < 0)
		return fail_with(error, fd, "cannot write", path);
	if (write_all(fd, text, length, true) < 0)
		result = fail(error, "cannot write", path);
	close(fd);
	return result;
}

int file_remove(const char *folder, const char *name, struct error *error)
{
	char path[PATH_MAX];
	int result = path_of(folder, name, path, error);

	if (result == 0 && unlink(path) < 0 && errno != ENOENT)
		result = fail(error, "cannot remove", path);
	return result;
}

/* Room for what the file has told, and one byte more: the end is seen without another turn. */
static size_t first_size(int fd, size_t most)
{
	struct stat stat;
	size_t size = 1 << 16;

	if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size >= 0)
		size = (size_t)stat.st_size + 1;
	return size > most ? most + 1 : size;
}

static int read_some(int fd, char *text, size_t size, size_t *length)
{
	ssize_t n;

	do
		n = read(fd, text + *length, size - *length);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*length += (size_t)n;
	return n > 0;
}

int file_read_up_to(int fd, size_t most, char **ret, size_t *ret_length)
{
	size_t size = first_size(fd, most), length = 0;
	char *text = malloc(size + 1), *more;
	int result = text ? 1 : -ENOMEM;

	while (result > 0) {
		result = read_some(fd, text, size, &length);
		if (result > 0 && length > most)
			result = -EFBIG;
		if (result <= 0 || length < size)
			continue;
		size = size > most / 2 ? most + 1 : size * 2;
		more = realloc(text, size + 1);
		if (!more)
			result = -ENOMEM;
		else
			text = more;
	}
	if (result < 0) {
		free(text);
		return result;
	}
	text[length] = '\0';
	*ret = text;
	*ret_length = length;
	return 0;
}

static int cannot_read(struct error *error, int result, const char *path)
{
	if (result == -ENOMEM)
		return error_memory(error);
	if (result == -EISDIR || result == -ENXIO || result == -EFBIG)
		return error_set(error, -EINVAL, NETI_REASON_SYSTEM, "%s is not a file of Neti: %s",
			path, file_why(result));
	return fail_with(error, result, "cannot read", path);
}

int file_read(const char *folder, const char *name, char **ret, size_t *ret_length,
	struct error *error)
{
	char path[PATH_MAX];
	int fd, result;

	result = path_of(folder, name, path, error);
	if (result < 0)
		return result;
	fd = file_open(path, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return cannot_read(error, fd, path);
	result = own(fd);
	if (result == 0)
		result = file_read_up_to(fd, FILE_MAX_BYTES, ret, ret_length);
	close(fd);
	return result < 0 ? cannot_read(error, result, path) : 0;
}

void file_make_private(const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct error ignored;
	int fd = -1;

	if (path_of(folder, name, path, &ignored) == 0)
		fd = file_open(path, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return;
	own(fd);
	close(fd);
}
