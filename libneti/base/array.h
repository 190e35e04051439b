/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ARRAY_H
#define NETI_ARRAY_H
/*
 * Arrays that grow: the items, and for how many there is room. All zero: empty.
 */
#include <stddef.h>

/* Room for so many items. 0, or -ENOMEM: then all is as it was. */
#define ARRAY_RESERVE(items, size, needed)                                                         \
	array_reserve(&(items), &(size), needed, sizeof(*(items)))

int array_reserve(void *items, size_t *size, size_t needed, size_t item_size);
/* One item of n more, for which there is room, or one less. */
void array_insert(void *items, size_t item_size, size_t n, size_t i, const void *item);
void array_remove(void *items, size_t item_size, size_t n, size_t i);

#endif
