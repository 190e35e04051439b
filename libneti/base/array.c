/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Twice the room each time, so that adding one item after the other takes linear time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"

int array_reserve(void *items, size_t *size, size_t needed, size_t item_size)
{
	size_t fresh_size = *size ? *size : 256 / item_size + 1;
	void *old, *fresh;

	if (needed <= *size)
		return 0;
	while (fresh_size < needed)
		fresh_size *= 2;
	memcpy(&old, items, sizeof(old)); /* a pointer to whatever type */
	fresh = reallocarray(old, fresh_size, item_size);
	if (!fresh)
		return -ENOMEM;
	memcpy(items, &fresh, sizeof(fresh));
	*size = fresh_size;
	return 0;
}

void array_insert(void *items, size_t item_size, size_t n, size_t i, const void *item)
{
	char *at = (char *)items + i * item_size;

	memmove(at + item_size, at, (n - i) * item_size);
	memcpy(at, item, item_size);
}

void array_remove(void *items, size_t item_size, size_t n, size_t i)
{
	char *at = (char *)items + i * item_size;

	memmove(at, at + item_size, (n - i - 1) * item_size);
}
