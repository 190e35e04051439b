/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line that says what the file is and what its bytes add up to, then the body.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "sealed_file.h"

#define VERSION 1

/* FNV-1a, 64 bits: it has to notice a torn file, not an enemy. */
static uint64_t checksum(const char *bytes, size_t length)
{
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (uint8_t)bytes[i]) * 1099511628211u;
	return sum;
}

int sealed_file_write(const char *folder, const char *name, const struct buffer *body,
	struct error *error)
{
	struct buffer text = { 0 };
	int result;

	buffer_print(&text, "neti-state %d %016" PRIx64 "\n", VERSION,
		checksum(buffer_text(body), body->length));
	buffer_append(&text, buffer_text(body), body->length);
	result = buffer_result(&text) < 0 ?
			 error_memory(error) :
			 file_replace(folder, name, text.text, text.length, error);
	buffer_clear(&text);
	return result;
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

	if (!newline || sscanf(text, "neti-state %d %" SCNx64 "\n", &version, &sum) != 2)
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
