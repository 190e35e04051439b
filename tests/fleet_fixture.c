/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fleets made for tests.
 */
#include <check.h>

#include "fleet_fixture.h"

const struct fleet_settings fleet_fixture_settings = {
	.layout = FLEET_LAYOUT,
	.shards = SHARDS,
	.max_removals = 20,
	.max_removals_percent = 10,
	.removal_delay_ms = 5000,
};
struct fleet *fleet;
struct fleet_delta delta;
int64_t next;

void setup(void)
{
	ck_assert_int_eq(fleet_new(&fleet, &fleet_fixture_settings), 0);
}

void teardown(void)
{
	fleet_delta_clear(&delta);
	fleet = fleet_free(fleet);
}

int step(int64_t now)
{
	fleet_delta_clear(&delta);
	return fleet_step(fleet, now, &delta, &next);
}

int read_shard(unsigned shard, const struct member_list *list, int64_t now)
{
	struct fleet_reading reading = {
		.shard = shard, .members = list, .revision = (uint64_t)now
	};

	return fleet_shard(fleet, &reading, now);
}

void read_those(unsigned shard, const bool *has, unsigned n, int64_t now)
{
	struct member_list list = { 0 };

	for (unsigned i = shard; i < n; i += SHARDS)
		if (has[i])
			test_list_add(&list, test_member_nth(i, "ec2"));
	ck_assert_int_eq(read_shard(shard, &list, now), 0);
	member_list_clear(&list);
}

void registry_has(unsigned from, unsigned to, int64_t now)
{
	for (unsigned shard = 0; shard < SHARDS; shard++) {
		struct member_list list = { 0 };

		for (unsigned n = from; n < to; n++)
			if (n % SHARDS == shard)
				test_list_add(&list, test_member_nth(n, "ec2"));
		ck_assert_int_eq(read_shard(shard, &list, now), 0);
		member_list_clear(&list);
	}
}

size_t members(void)
{
	const struct member_list *list = fleet_members(fleet);

	for (size_t i = 1; i < list->length; i++)
		ck_assert_int_lt(member_compare_overlay(list->items[i - 1], list->items[i]), 0);
	return list->length;
}

bool lists(const struct member_list *list, unsigned n)
{
	struct member *member = test_member_nth(n, "ec2");
	bool found = false;

	for (size_t i = 0; i < list->length; i++)
		found |= member_compare_overlay(list->items[i], member) == 0;
	member_unref(member);
	return found;
}
