/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members made for tests.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "members.h"

struct member *test_member(const char *text)
{
	char id[64], network[64], overlay[64], private_address[64], public_address[64];
	struct member fields = { .id = id, .network = network, .live = true }, *member;

	ck_assert_int_eq(sscanf(text, "%63s %63s %63s %63s %63s", id, network, overlay,
				 private_address, public_address),
		5);
	ck_assert_int_eq(address_parse(overlay, &fields.overlay), 0);
	ck_assert_int_eq(address_parse(private_address, &fields.private_address), 0);
	if (strcmp(public_address, "-") != 0)
		ck_assert_int_eq(address_parse(public_address, &fields.public_address), 0);
	ck_assert_int_eq(member_new(&member, &fields), 0);
	return member;
}

struct member *test_member_nth(unsigned n, const char *network)
{
	static const struct prefix overlay = { { AF_INET, { 192, 168 } }, 16 };
	static const struct prefix private_range = { { AF_INET, { 10 } }, 8 };
	static const struct prefix public_range = { { AF_INET, { 198, 18 } }, 15 };
	char id[16];
	struct member *member, fields = {
		.id = id,
		.network = network,
		.live = true,
		.overlay = prefix_nth(&overlay, n),
		.private_address = prefix_nth(&private_range, n),
		.public_address = prefix_nth(&public_range, n),
	};

	snprintf(id, sizeof(id), "i-%06u", n);
	ck_assert_int_eq(member_new(&member, &fields), 0);
	return member;
}

void test_list_add(struct member_list *list, struct member *member)
{
	ck_assert_int_eq(member_list_add(list, member), 0);
	member_unref(member);
}
