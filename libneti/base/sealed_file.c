/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line that says what the file is and what its bytes add up to, then the body. Beside it records of
 * changes, each with the checksum of the file that it counts with; what is torn ends them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "sealed_file.h"

#define VERSION 1
#define HEAD "neti-state %d %016" PRIx64 "\n"
#define HEAD_SCAN "neti-state %d %" SCNx64 "\n"
#define CHANGES_HEAD "neti-changes %016" PRIx64 " %016" PRIx64 " %zu\n"
#define CHANGES_HEAD_SCAN "neti-changes %" SCNx64 " %" SCNx64 " %zu%n"
#define HEAD_MAX 64
#define CHANGES_MAX                                                                                \
	1024 /* more than that, and the file is written whole: what has to be read is bounded */

/* FNV-1a, 64 bits: it has to notice a torn file, not an enemy. */
static uint64_t checksum(const char *bytes, size_t length)
{
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (uint8_t)bytes[i]) * 1099511628211u;
	return sum;
}

static const char *beside_of(const char *name, char beside[NAME_MAX])
{
	snprintf(beside, NAME_MAX, "%s.changes", name);
	return beside;
}

void changes_count(struct changes *changes, size_t n)
{
	changes->n += n;
	if (changes->n > CHANGES_MAX)
		changes_void(changes);
}

bool changes_suffice(const struct changes *changes)
{
	return changes->seal && buffer_result(&changes->lines) == 0;
}

void changes_void(struct changes *changes)
{
	buffer_clear(&changes->lines);
	*changes = (struct changes){ 0 };
}

/* How long the file is, and how it begins: the rest of it is none of this function's business. */
static size_t read_head(const char *folder, const char *name, char head[HEAD_MAX])
{
	char path[PATH_MAX];
	struct stat stat = { 0 };
	ssize_t n;
	int fd;

	head[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = file_open(path, O_RDONLY, 0);
	if (fd < 0)
		return 0;
	n = read(fd, head, HEAD_MAX - 1);
	head[n > 0 ? n : 0] = '\0';
	if (fstat(fd, &stat) < 0)
		stat.st_size = 0;
	close(fd);
	return (size_t)stat.st_size;
}

/* Of the file as it is now, 0 when that cannot be told. */
static uint64_t read_seal(const char *folder, const char *name)
{
	char head[HEAD_MAX];
	uint64_t seal = 0;
	int version;

	read_head(folder, name, head);
	return sscanf(head, HEAD_SCAN, &version, &seal) == 2 ? seal : 0;
}

/* Whether changes lie there that would count with a file of that seal. */
static bool has_changes(const char *folder, const char *beside, uint64_t seal)
{
	char head[HEAD_MAX];
	uint64_t of;

	read_head(folder, beside, head);
	return sscanf(head, "neti-changes %" SCNx64, &of) == 1 && of == seal;
}

/* Changes of an earlier file do not count with this one, unless both are the same: then they go first. A
 * disk that is full takes nothing from what is kept. */
int sealed_file_write(const char *folder, const char *name, const struct buffer *body,
	struct changes *changes, struct error *error)
{
	uint64_t seal = checksum(buffer_text(body), body->length);
	char beside[NAME_MAX];
	bool same = has_changes(folder, beside_of(name, beside), seal);
	struct buffer text = { 0 };
	int result = 0;

	buffer_print(&text, HEAD, VERSION, seal);
	buffer_append(&text, buffer_text(body), body->length);
	if (buffer_result(&text) < 0)
		result = error_memory(error);
	if (result == 0 && same)
		result = file_remove(folder, beside, error);
	if (result == 0)
		result = file_replace(folder, name, text.text, text.length, error);
	if (result == 0 && !same)
		result = file_remove(folder, beside, error);
	buffer_clear(&text);
	if (changes) {
		changes_void(changes);
		changes->seal = result == 0 ? seal : 0;
	}
	return result;
}

int sealed_file_append(const char *folder, const char *name, struct changes *changes,
	struct error *error)
{
	struct buffer text = { 0 }, *lines = &changes->lines;
	char beside[NAME_MAX], head[HEAD_MAX];
	int result = 0;

	if (lines->length == 0)
		return 0;
	beside_of(name, beside);
	buffer_print(&text, CHANGES_HEAD, changes->seal,
		checksum(buffer_text(lines), lines->length), lines->length);
	buffer_append(&text, buffer_text(lines), lines->length);
	if (read_seal(folder, name) != changes->seal ||
		read_head(folder, beside, head) != changes->written)
		result = error_set(error, -ESTALE, NETI_REASON_SYSTEM,
			"%s/%s is not as it was written", folder, name);
	else if (buffer_result(&text) < 0)
		result = error_memory(error);
	if (result == 0)
		result = file_append(folder, beside, text.text, text.length, error);
	changes->written += text.length;
	buffer_clear(&text);
	if (result < 0)
		changes_void(changes);
	else
		buffer_clear(lines);
	return result;
}

int sealed_file_read_changes(const char *folder, const char *name, const char *text,
	struct buffer *ret, struct error *error)
{
	uint64_t seal = 0, of, sum;
	char beside[NAME_MAX], *all = NULL, *at;
	size_t left, length;
	int version, head = 0, result;

	result = file_read(folder, beside_of(name, beside), &all, &left, error);
	if (result == -ENOENT || sscanf(text, HEAD_SCAN, &version, &seal) != 2) {
		free(all);
		return 0;
	}
	for (at = all; result == 0 && left > 0; at += length, left -= length) {
		if (sscanf(at, CHANGES_HEAD_SCAN, &of, &sum, &length, &head) != 3 || of != seal ||
			at[head] != '\n')
			break;
		at += head + 1;
		left -= (size_t)head + 1;
		if (length > left || checksum(at, length) != sum)
			break;
		buffer_append(ret, at, length);
	}
	free(all);
	return result < 0 ? result : buffer_result(ret) < 0 ? error_memory(error) : 0;
}

int sealed_file_ignored(const char *folder, const char *name, const char *why, struct error *error)
{
	return error_set(error, -EBADMSG, NETI_REASON_SYSTEM, "%s/%s is ignored: %s", folder, name,
		why);
}

static int check_head(const char *folder, const char *name, char *text, size_t length,
	char **ret_body, struct error *error)
{
	char *newline = memchr(text, '\n', length);
	uint64_t sum;
	int version;

	if (!newline || sscanf(text, HEAD_SCAN, &version, &sum) != 2)
		return sealed_file_ignored(folder, name, "it is not a state file of Neti", error);
	if (version != VERSION)
		return sealed_file_ignored(folder, name, "another version of Neti wrote it", error);
	*ret_body = newline + 1;
	if (checksum(*ret_body, length - (size_t)(*ret_body - text)) != sum)
		return sealed_file_ignored(folder, name, "it is torn (its checksum is wrong)",
			error);
	return 0;
}

int sealed_file_read(const char *folder, const char *name, char **ret_text, char **ret_body,
	size_t *ret_length, struct error *error)
{
	size_t length;
	int result = file_read(folder, name, ret_text, &length, error);

	if (result == 0)
		result = check_head(folder, name, *ret_text, length, ret_body, error);
	if (result == 0)
		*ret_length = length - (size_t)(*ret_body - *ret_text);
	return result;
}
