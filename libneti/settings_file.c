/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of the settings: neti.yml itself and the one with the credentials. Reads them
 * into memory and checks what can be said of a file; the content is judged elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "settings_table.h"

#define FILE_MAX ((size_t)1 << 20)
#define CREDENTIALS_MAX 1024

/* Up to size bytes, fewer at the end of the file; -errno. */
static ssize_t read_up_to(int fd, char *bytes, size_t size)
{
	size_t length = 0;
	ssize_t n;

	while (length < size) {
		n = read(fd, bytes + length, size - length);
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		length += (size_t)n;
	}
	return (ssize_t)length;
}

/* The sentence takes errno's name by "%m". */
static int fail_errno(const struct settings_at *at, int result)
{
	errno = -result;
	return settings_fail(at, result, "cannot be read: %m");
}

static int open_file(const struct settings_at *at, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? fail_errno(at, -errno) : fd;
}

static int read_file(const struct settings_at *at, int fd, char **ret, size_t *ret_size)
{
	char *text = malloc(FILE_MAX + 1);
	ssize_t size;

	if (!text)
		return error_memory(at->error);
	size = read_up_to(fd, text, FILE_MAX + 1);
	if (size < 0 || (size_t)size > FILE_MAX) {
		free(text);
		return size < 0 ? fail_errno(at, (int)size)
				: settings_fail(at, -EFBIG,
					  "larger than 1 MiB: not a settings file");
	}
	*ret = text;
	*ret_size = (size_t)size;
	return 0;
}

int settings_load(struct settings *settings, const char *path, const struct log *log,
	struct error *error)
{
	struct settings_at at = { .path = path, .error = error };
	char *text = NULL;
	size_t size = 0;
	int fd = open_file(&at, path), result;

	if (fd < 0)
		return fd;
	result = read_file(&at, fd, &text, &size);
	close(fd);
	if (result < 0)
		return result;
	result = settings_parse(settings, path, text, size, log, error);
	free(text);
	return result;
}

int settings_parse(struct settings *settings, const char *path, const char *text,
	size_t size, const struct log *log, struct error *error)
{
	struct settings_at at = { .path = path, .log = log, .error = error };

	return settings_read(settings, NULL, text, size, &at);
}

int settings_set(struct settings *settings, const char *key, const char *value,
	struct error *error)
{
	const struct settings_entry *entry = settings_find(key);
	const struct settings_obsolete *obsolete = settings_find_obsolete(key);
	struct settings_at at = { .key = entry ? entry->key : NULL, .error = error };

	if (entry)
		return settings_read(settings, entry, value, strlen(value), &at);
	if (obsolete)
		return settings_fail(&at, -EINVAL, "%s means nothing any more: %s",
			obsolete->key, obsolete->why);
	return settings_fail_unknown(&at, key);
}

static int check_private(const struct settings_at *at, int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return fail_errno(at, -errno);
	if (!S_ISREG(status.st_mode))
		return settings_fail(at, -EINVAL, "not a regular file");
	if (status.st_mode & (S_IRWXG | S_IRWXO))
		return settings_fail(at, -EACCES,
			"its mode is %04o, so that others may use it; it must be 0600 or "
			"less",
			(unsigned)status.st_mode & 07777);
	return 0;
}

/* Never quotes the text: the sentence goes to logs. */
static int check_credentials(const struct settings_at *at, const char *line)
{
	const char *colon = strchr(line, ':');

	if (!colon || colon == line || !colon[1])
		return settings_fail(at, -EINVAL, "the first line is not user:password");
	return 0;
}

static int read_credentials(
	const struct settings_at *at, int fd, char line[CREDENTIALS_MAX])
{
	ssize_t length = read_up_to(fd, line, CREDENTIALS_MAX - 1);
	size_t end;

	if (length < 0)
		return fail_errno(at, (int)length);
	line[length] = '\0';
	end = strcspn(line, "\r\n");
	if (end == CREDENTIALS_MAX - 1)
		return settings_fail(at, -EINVAL, "the first line is too long");
	if (end < (size_t)length && !line[end])
		return settings_fail(at, -EINVAL, "the first line holds a NUL character");
	line[end] = '\0';
	return check_credentials(at, line);
}

int settings_credentials(const struct settings *settings, char **ret, struct error *error)
{
	struct settings_at at = {.path = "credentials_file",
		.key = settings->credentials_file,
		.error = error};
	char line[CREDENTIALS_MAX], *copy = NULL;
	int fd, result;

	if (!settings->credentials_file) {
		*ret = NULL;
		return 0;
	}
	fd = open_file(&at, settings->credentials_file);
	if (fd < 0)
		return fd;
	result = check_private(&at, fd);
	if (result == 0)
		result = read_credentials(&at, fd, line);
	close(fd);
	if (result == 0 && !(copy = strdup(line)))
		result = error_memory(error);
	explicit_bzero(line, sizeof(line));
	if (result == 0)
		*ret = copy;
	return result;
}
