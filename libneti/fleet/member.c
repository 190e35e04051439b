/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The member value and lists of it. No registry and no policy here.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "member.h"

struct counted {
	struct member member; /* first, so that both have one address */
	atomic_uint references;
	char strings[];
};

static const char *copy_string(char **next, const char *text)
{
	char *copy = *next;

	if (!text)
		return NULL;
	*next = stpcpy(copy, text) + 1;
	return copy;
}

static size_t string_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

int member_new(struct member **ret, const struct member *fields)
{
	struct counted *counted;
	char *next;

	counted = malloc(sizeof(*counted) + string_size(fields->id) + string_size(fields->network) +
			 string_size(fields->version));
	if (!counted)
		return -ENOMEM;
	counted->member = *fields;
	atomic_init(&counted->references, 1);
	next = counted->strings;
	counted->member.id = copy_string(&next, fields->id);
	counted->member.network = copy_string(&next, fields->network);
	counted->member.version = copy_string(&next, fields->version);
	*ret = &counted->member;
	return 0;
}

struct member *member_ref(struct member *member)
{
	atomic_fetch_add(&((struct counted *)member)->references, 1);
	return member;
}

struct member *member_unref(struct member *member)
{
	struct counted *counted = (struct counted *)member;

	if (member && atomic_fetch_sub(&counted->references, 1) == 1)
		free(counted);
	return NULL;
}

bool member_same(const struct member *a, const struct member *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(a->network, b->network) == 0 &&
	       address_equal(&a->overlay, &b->overlay) &&
	       address_equal(&a->private_address, &b->private_address) &&
	       address_equal(&a->public_address, &b->public_address);
}

int member_compare_overlay(const struct member *a, const struct member *b)
{
	return address_compare(&a->overlay, &b->overlay);
}

int member_list_add(struct member_list *list, struct member *member)
{
	if (ARRAY_RESERVE(list->items, list->size, list->length + 1) < 0)
		return -ENOMEM;
	list->items[list->length++] = member_ref(member);
	return 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct member *p = *(struct member *const *)a, *q = *(struct member *const *)b;
	int order = member_compare_overlay(p, q);

	return order ? order : strcmp(p->id, q->id);
}

void member_list_sort(struct member_list *list)
{
	if (list->length > 1)
		qsort(list->items, list->length, sizeof(*list->items), compare_items);
}

struct member *member_list_find(const struct member_list *list, const char *key)
{
	struct address address;

	for (size_t i = 0; i < list->length; i++)
		if (strcmp(list->items[i]->id, key) == 0)
			return list->items[i];
	if (address_parse(key, &address) < 0)
		return NULL;
	for (size_t i = 0; i < list->length; i++)
		if (address_equal(&list->items[i]->overlay, &address))
			return list->items[i];
	for (size_t i = 0; i < list->length; i++)
		if (address_equal(&list->items[i]->private_address, &address) ||
			address_equal(&list->items[i]->public_address, &address))
			return list->items[i];
	return NULL;
}

void member_list_clear(struct member_list *list)
{
	for (size_t i = 0; i < list->length; i++)
		member_unref(list->items[i]);
	free(list->items);
	*list = (struct member_list){ 0 };
}
