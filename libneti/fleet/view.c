/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list sorted by overlay address. Few changes of a large one: it is not read and sorted again.
 */
#include <string.h>

#include "view.h"

static size_t view_index(const struct member_list *view, const struct member *member)
{
	size_t low = 0, high = view->length;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (member_compare_overlay(view->items[middle], member) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool fleet_view_has(const struct member_list *view, const struct member *member)
{
	size_t i = view_index(view, member);

	return i < view->length && member_compare_overlay(view->items[i], member) == 0;
}

static void take_out(struct member_list *view, size_t i)
{
	member_unref(view->items[i]);
	view->length--;
	memmove(&view->items[i], &view->items[i + 1], (view->length - i) * sizeof(*view->items));
}

static int put_in(struct member_list *view, struct member *member)
{
	size_t i = view_index(view, member);
	int result = member_list_add(view, member);

	if (result < 0)
		return result;
	memmove(&view->items[i + 1], &view->items[i],
		(view->length - 1 - i) * sizeof(*view->items));
	view->items[i] = member;
	return 0;
}

int fleet_view_patch(struct member_list *view, const struct fleet_delta *delta)
{
	int result = 0;

	for (size_t i = 0; i < delta->removed.length; i++)
		take_out(view, view_index(view, delta->removed.items[i]));
	for (size_t i = 0; i < delta->moved.length; i++) {
		struct member **item = &view->items[view_index(view, delta->moved.items[i])];

		member_unref(*item);
		*item = member_ref(delta->moved.items[i]);
	}
	for (size_t i = 0; i < delta->added.length && result == 0; i++)
		result = put_in(view, delta->added.items[i]);
	return result;
}
