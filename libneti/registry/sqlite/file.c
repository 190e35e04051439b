/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of the SQLite store before SQLite opens it, and the words for its troubles.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "file.h"

int sqlite_file_explain(const char *path, int result, struct error *error)
{
	static const struct {
		int result;
		const char *text;
	} table[] = {
		{ -ENOENT, "is not there: register a host, or netictl fleet init makes it" },
		{ -EBUSY, "is locked by another process" },
		{ -ENOSPC, "cannot be written: the disk is full" },
		{ -EACCES, "cannot be opened: no permission" },
		{ -EROFS, "cannot be written: the file system is read-only" },
		{ -EINVAL, "is not an SQLite database" },
		{ -EUCLEAN, "is damaged" },
		{ -EISDIR, "is a folder, not a file" },
		{ -ENXIO, "is a pipe, a socket or a device, not a file" },
		{ -EMEDIUMTYPE, "is an SQLite database of another program" },
		{ -EPROTO, "was made by a newer release" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].result == result)
			return error_set(error, result, NETI_REASON_REGISTRY, "registry file %s %s",
				path, table[i].text);
	return error_set(error, result, NETI_REASON_REGISTRY, "registry file %s: %s", path,
		strerror(-result));
}

int sqlite_file_make(const char *path, bool create)
{
	struct error error;
	struct stat status;
	int fd, result;

	if (stat(path, &status) == 0)
		return S_ISREG(status.st_mode) ? 0 : S_ISDIR(status.st_mode) ? -EISDIR : -ENXIO;
	if (errno == ENOENT && !create)
		return -ENOENT;
	result = file_make_parent(path, &error);
	if (result < 0)
		return result;
	fd = file_open(path, O_RDWR | O_CREAT, 0640);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int sqlite_file_boot(char boot[SQLITE_FILE_BOOT])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read(fd, boot, SQLITE_FILE_BOOT - 1);
	close(fd);
	if (length <= 0)
		return -EIO;
	boot[length] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
	return 0;
}
