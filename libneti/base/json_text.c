/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON as text, by way of a buffer that remembers when it ran out of memory.
 */
#include <errno.h>
#include <sys/random.h>

#include "json_text.h"

static int append(const char *bytes, size_t length, void *data)
{
	struct buffer *buffer = data;

	buffer_append(buffer, bytes, length);
	return buffer_result(buffer);
}

int json_text(struct buffer *buffer, const json_t *json, size_t flags)
{
	if (!json || json_dump_callback(json, append, buffer, flags) < 0)
		return -ENOMEM;
	return buffer_result(buffer);
}

void json_text_seed(void)
{
	size_t seed;

	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		json_object_seed(seed | 1); /* 0 would be: from the file */
}
