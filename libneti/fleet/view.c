/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list sorted by overlay address. Few changes of a large one: it is not read and sorted again.
 */
#include "base/array.h"
#include "view.h"

static size_t view_index(const struct member_list *view, const struct address *overlay)
{
	size_t low = 0, high = view->length;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address_compare(&view->items[middle]->overlay, overlay) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct member *fleet_view_find(const struct member_list *view, const struct address *overlay)
{
	size_t i = view_index(view, overlay);

	return i < view->length && address_equal(&view->items[i]->overlay, overlay) ?
		       view->items[i] :
		       NULL;
}

static void take_out(struct member_list *view, size_t i)
{
	member_unref(view->items[i]);
	array_remove(view->items, sizeof(*view->items), view->length--, i);
}

static int put_in(struct member_list *view, struct member *member)
{
	size_t i = view_index(view, &member->overlay);
	int result = member_list_add(view, member);

	if (result < 0)
		return result;
	array_insert(view->items, sizeof(*view->items), view->length - 1, i, &member);
	return 0;
}

int fleet_view_patch(struct member_list *view, const struct fleet_delta *delta)
{
	int result = 0;

	for (size_t i = 0; i < delta->removed.length; i++)
		take_out(view, view_index(view, &delta->removed.items[i]->overlay));
	for (size_t i = 0; i < delta->moved.length; i++) {
		struct member **item =
			&view->items[view_index(view, &delta->moved.items[i]->overlay)];

		member_unref(*item);
		*item = member_ref(delta->moved.items[i]);
	}
	for (size_t i = 0; i < delta->added.length && result == 0; i++)
		result = put_in(view, delta->added.items[i]);
	return result;
}
