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

#include "base/file.h"
#include "table.h"

#define FILE_MAX ((size_t)1 << 20)
#define CREDENTIALS_MAX 1024

static int fail(const struct settings_at *at, int result)
{
	if (result == -ENOMEM)
		return error_memory(at->error);
	return settings_fail(at, result, "cannot be read: %s", file_why(result));
}

int settings_load(struct settings *settings, const char *path, const struct log *log,
	struct error *error)
{
	struct settings_at at = { .path = path, .error = error };
	char *text = NULL;
	size_t size = 0;
	int fd = file_open(path, O_RDONLY, 0), result;

	if (fd < 0)
		return fail(&at, fd);
	result = file_read_up_to(fd, FILE_MAX, &text, &size);
	close(fd);
	if (result == -EFBIG)
		return settings_fail(&at, result, "larger than 1 MiB: not a settings file");
	if (result < 0)
		return fail(&at, result);
	result = settings_parse(settings, path, text, size, log, error);
	free(text);
	return result;
}

int settings_parse(struct settings *settings, const char *path, const char *text, size_t size,
	const struct log *log, struct error *error)
{
	struct settings_at at = { .path = path, .log = log, .error = error };

	return settings_read(settings, NULL, text, size, &at);
}

int settings_set(struct settings *settings, const char *key, const char *value, struct error *error)
{
	const struct settings_entry *entry = settings_find(key);
	const struct settings_obsolete *obsolete = settings_find_obsolete(key);
	struct settings_at at = { .key = entry ? entry->key : NULL, .error = error };

	if (entry)
		return settings_read(settings, entry, value, strlen(value), &at);
	if (obsolete)
		return settings_fail(&at, -EINVAL, "%s means nothing any more: %s", obsolete->key,
			obsolete->why);
	return settings_fail_unknown(&at, key);
}

static int check_private(const struct settings_at *at, int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return fail(at, -errno);
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

/* The first line, in place. */
static int take_line(const struct settings_at *at, char *text, size_t length)
{
	size_t end = strcspn(text, "\r\n");

	if (end >= CREDENTIALS_MAX - 1)
		return settings_fail(at, -EINVAL, "the first line is too long");
	if (end < length && !text[end])
		return settings_fail(at, -EINVAL, "the first line holds a NUL character");
	text[end] = '\0';
	return check_credentials(at, text);
}

static int read_credentials(const struct settings_at *at, int fd, char **ret)
{
	char *text = NULL, *line = NULL;
	size_t length = 0;
	int result = file_read_up_to(fd, FILE_MAX, &text, &length);

	if (result < 0)
		return fail(at, result);
	result = take_line(at, text, length);
	if (result == 0 && !(line = strdup(text)))
		result = error_memory(at->error);
	explicit_bzero(text, length);
	free(text);
	if (result == 0)
		*ret = line;
	return result;
}

int settings_credentials(const struct settings *settings, char **ret, struct error *error)
{
	struct settings_at at = {
		.path = "credentials_file", .key = settings->credentials_file, .error = error
	};
	int fd, result;

	if (!settings->credentials_file) {
		*ret = NULL;
		return 0;
	}
	fd = file_open(settings->credentials_file, O_RDONLY, 0);
	if (fd < 0)
		return fail(&at, fd);
	result = check_private(&at, fd);
	if (result == 0)
		result = read_credentials(&at, fd, ret);
	close(fd);
	return result;
}
