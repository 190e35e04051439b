/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rulesets: the road to each member, who is a peer, and the difference of two.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "members.h"
#include "ruleset/ruleset.h"
#include "test.h"

static struct fleet_settings fleet;
static struct member_list list;
static struct policy policy;
static struct member *self;
static struct ruleset *ruleset, *other;
static struct ruleset_diff diff;

static void setup(void)
{
	struct prefix overlay;

	ck_assert_int_eq(prefix_parse("192.168.0.0/18", &overlay), 0);
	fleet_settings_default(&fleet, &overlay);
	policy = (struct policy){ 0 };
	self = test_member("hudson ec2 192.168.0.1 10.0.0.11 198.51.100.11");
	test_list_add(&list, member_ref(self));
	test_list_add(&list, test_member("sierra ec2 192.168.0.2 10.0.0.12 198.51.100.12"));
	test_list_add(&list, test_member("walden vpc 192.168.0.3 10.0.0.11 203.0.113.11"));
	test_list_add(&list, test_member("inward vpc 192.168.0.4 10.0.0.14 -"));
}

static void teardown(void)
{
	ruleset = ruleset_free(ruleset);
	other = ruleset_free(other);
	ruleset_diff_clear(&diff);
	member_list_clear(&list);
	self = member_unref(self);
}

static struct ruleset *build(void)
{
	struct ruleset *built;

	ck_assert_int_eq(ruleset_build(&built, &policy, &fleet, self, &list, NULL), 0);
	return built;
}

static const char *target(const struct ruleset *rules, const char *overlay)
{
	static char text[ADDRESS_TEXT_MAX];
	struct address address;
	size_t i;

	ck_assert_int_eq(address_parse(overlay, &address), 0);
	i = ruleset_path_index(rules, &address);
	if (i == rules->n_paths || !address_equal(&rules->paths[i].overlay, &address))
		return "none";
	return address_format(&rules->paths[i].target, text);
}

START_TEST(best_road)
{
	ruleset = build();
	ck_assert_str_eq(target(ruleset, "192.168.0.1"), "10.0.0.11");
	ck_assert_str_eq(target(ruleset, "192.168.0.2"), "10.0.0.12");
	ck_assert_str_eq(target(ruleset, "192.168.0.3"), "203.0.113.11");
	ck_assert_str_eq(target(ruleset, "192.168.0.4"), "none");
}
END_TEST

START_TEST(peers_as_they_are_seen)
{
	char text[ADDRESS_TEXT_MAX];

	ruleset = build();
	ck_assert_uint_eq(ruleset->n_peers, 3); /* neither self nor who has no road */
	ck_assert_str_eq(address_format(&ruleset->peers[0], text), "10.0.0.12");
	ck_assert_str_eq(address_format(&ruleset->peers[1], text), "198.51.100.12"); /* hairpin */
	ck_assert_str_eq(address_format(&ruleset->peers[2], text), "203.0.113.11");
}
END_TEST

START_TEST(peered_networks)
{
	struct error error;

	ck_assert_int_eq(fleet_settings_set(&fleet, "peered", "[[\"vpc\", \"ec2\"]]", &error), 0);
	ruleset = build();
	ck_assert_str_eq(target(ruleset, "192.168.0.4"), "10.0.0.14");
}
END_TEST

START_TEST(outside_the_subnet)
{
	test_list_add(&list, test_member("stray ec2 192.168.64.1 10.0.0.99 -"));
	ruleset = build();
	ck_assert_uint_eq(ruleset->n_paths, 3);
	ck_assert_uint_eq(ruleset->n_peers, 3);
}
END_TEST

START_TEST(road_of_another_family)
{
	test_list_add(&list, test_member("sixer ec2 192.168.0.6 fd00::6 -"));
	ruleset = build();
	ck_assert_str_eq(target(ruleset, "192.168.0.6"), "none");
	ck_assert_uint_eq(ruleset->n_peers, 3);
}
END_TEST

START_TEST(policy_is_a_sorted_copy)
{
	struct port_range ports[] = { { IPPROTO_UDP, 53, 53 }, { IPPROTO_TCP, 80, 80 },
		{ IPPROTO_UDP, 53, 53 } };

	policy = (struct policy){ .open_ports = ports, .n_open_ports = 3 };
	ruleset = build();
	ck_assert_uint_eq(ruleset->policy.n_open_ports, 2);
	ck_assert_int_eq(ruleset->policy.open_ports[0].protocol, IPPROTO_TCP);
	ck_assert_ptr_ne(ruleset->policy.open_ports, ports);
}
END_TEST

START_TEST(difference)
{
	ruleset = build();
	member_unref(list.items[1]);
	list.items[1] = test_member("sierra vpc 192.168.0.2 10.0.0.12 203.0.113.12");
	member_unref(list.items[3]);
	list.items[3] = test_member("newton ec2 192.168.0.5 10.0.0.15 -");
	other = build();
	ck_assert_int_eq(ruleset_diff(&diff, ruleset, other), 0);
	ck_assert_uint_eq(diff.n_peers_added, 2);
	ck_assert_uint_eq(diff.n_peers_removed, 2);
	ck_assert_uint_eq(diff.n_paths_added, 1);
	ck_assert_uint_eq(diff.n_paths_changed, 1);
	ck_assert_uint_eq(diff.n_paths_removed, 0);
	ck_assert(!diff.policy_changed);
	ck_assert(!ruleset_diff_empty(&diff));
}
END_TEST

START_TEST(no_difference)
{
	ruleset = build();
	other = build();
	ck_assert_int_eq(ruleset_diff(&diff, ruleset, other), 0);
	ck_assert(ruleset_diff_empty(&diff));
	ruleset_diff_clear(&diff);
	other->policy.reject_all = !other->policy.reject_all;
	ck_assert_int_eq(ruleset_diff(&diff, ruleset, other), 0);
	ck_assert(diff.policy_changed);
}
END_TEST

START_TEST(against_nothing)
{
	ruleset = build();
	ck_assert_int_eq(ruleset_diff(&diff, NULL, ruleset), 0);
	ck_assert_uint_eq(diff.n_paths_added, ruleset->n_paths);
	ck_assert_uint_eq(diff.n_peers_added, ruleset->n_peers);
	ruleset_diff_clear(&diff);
	ck_assert_int_eq(ruleset_diff(&diff, ruleset, NULL), 0);
	ck_assert_uint_eq(diff.n_paths_removed, ruleset->n_paths);
}
END_TEST

/* --- changed in place --- */

#define PLACES 40 /* overlay addresses, below 192.168.0.99 */

static struct member *member_at(unsigned place, unsigned version)
{
	static const char *const networks[] = { "ec2", "vpc" };
	char text[120], public[20] = "-";

	/* Many behind one address, and some without any that leads across. */
	if (version % 7)
		snprintf(public, sizeof(public), "203.0.113.%u", 1 + version % 5);
	snprintf(text, sizeof(text), "m%u-%u %s 192.168.0.%u 10.0.1.%u %s", place, version,
		networks[version % 2], 10 + place, 1 + (place + version) % 20, public);
	return test_member(text);
}

static int revise(const struct address *overlays, size_t n)
{
	ruleset_diff_clear(&diff);
	return ruleset_revise(ruleset, &fleet, self, &list, overlays, n, &diff);
}

static void must_be_one(const struct ruleset *a, const struct ruleset *b)
{
	ck_assert_uint_eq(a->n_paths, b->n_paths);
	ck_assert_uint_eq(a->n_peers, b->n_peers);
	ck_assert_mem_eq(a->paths, b->paths, a->n_paths * sizeof(*a->paths));
	ck_assert_mem_eq(a->peers, b->peers, a->n_peers * sizeof(*a->peers));
	ck_assert_mem_eq(a->uses, b->uses, a->n_peers * sizeof(*a->uses));
}

#define must_be_one_list(name)                                                                     \
	do {                                                                                       \
		ck_assert_uint_eq(diff.n_##name, expected.n_##name);                               \
		ck_assert_mem_eq(diff.name, expected.name, diff.n_##name * sizeof(*diff.name));    \
	} while (0)

static void must_be_what_differs(const struct ruleset *from, const struct ruleset *to)
{
	struct ruleset_diff expected;

	ck_assert_int_eq(ruleset_diff(&expected, from, to), 0);
	must_be_one_list(peers_added);
	must_be_one_list(peers_removed);
	must_be_one_list(paths_added);
	must_be_one_list(paths_removed);
	must_be_one_list(paths_changed);
	ck_assert(!diff.policy_changed);
	ck_assert_uint_eq(diff.before, from->serial);
	ruleset_diff_clear(&expected);
}

/* The list with another member at the place, or none. */
static void replace(unsigned place, struct member *member)
{
	struct member_list fresh = { 0 };

	for (size_t i = 0; i < list.length; i++)
		if (list.items[i]->overlay.bytes[3] != 10 + place)
			member_list_add(&fresh, list.items[i]);
	if (member)
		test_list_add(&fresh, member);
	member_list_sort(&fresh);
	member_list_clear(&list);
	list = fresh;
}

START_TEST(in_place_as_if_built)
{
	unsigned version = 0;

	srand((unsigned)_i);
	ruleset = build();
	for (unsigned round = 0; round < 60; round++) {
		struct address overlays[PLACES];
		struct ruleset *before = build();
		uint64_t serial = ruleset->serial;
		size_t n = 0;

		before->serial = serial;
		for (unsigned place = 0; place < PLACES; place++) {
			if (rand() % 6)
				continue;
			version++;
			overlays[n++] =
				(struct address){ AF_INET, { 192, 168, 0, (uint8_t)(10 + place) } };
			replace(place, rand() % 3 ? member_at(place, version) : NULL);
		}
		ck_assert_int_eq(revise(overlays, n), 0);
		other = build();
		must_be_one(ruleset, other);
		must_be_what_differs(before, other);
		ck_assert_uint_ne(ruleset->serial, serial);
		ruleset_free(before);
		other = ruleset_free(other);
	}
}
END_TEST

/* Where the paths alone do not tell what was before. */
START_TEST(not_in_place)
{
	struct address overlays[] = { self->overlay };
	struct address stranger = { AF_INET, { 198, 51, 100, 77 } };
	struct prefix_list own = { 0 };
	struct prefix prefix;

	ruleset = build();
	ck_assert_int_eq(revise(overlays, 1), -ESTALE);
	ck_assert_int_eq(prefix_parse("192.168.0.2/32", &prefix), 0);
	ck_assert_int_eq(prefix_list_add(&own, &prefix), 0);
	overlays[0].bytes[3] = 2;
	ck_assert_int_eq(revise(overlays, 1), 0);
	ck_assert(ruleset_diff_empty(&diff));
	ck_assert_int_eq(ruleset_add_peers(ruleset, &stranger, 1), 0);
	ck_assert_int_eq(revise(overlays, 1), -ESTALE);
	ruleset_free(ruleset);
	ck_assert_int_eq(ruleset_build(&ruleset, &policy, &fleet, self, &list, &own), 0);
	ck_assert_int_eq(revise(overlays, 1), -ESTALE);
	prefix_list_clear(&own);
}
END_TEST

/* A path of this host's own from before, which has no peer. */
START_TEST(own_path_from_before)
{
	struct address before = { AF_INET, { 192, 168, 0, 77 } };

	test_list_add(&list, test_member("hudson ec2 192.168.0.77 10.0.0.11 -"));
	member_list_sort(&list);
	ruleset = build();
	replace(67, NULL);
	ck_assert_int_eq(revise(&before, 1), -ESTALE);
	ruleset_free(ruleset);
	ruleset = build();
	ck_assert_int_eq(revise(&before, 1), 0);
	ck_assert(ruleset_diff_empty(&diff));
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("ruleset");
	const struct test_frame frame = { 0, setup, teardown };

	test_case(suite, &frame, "roads");
	test_add(best_road, road_of_another_family);
	test_case(suite, &frame, "peers");
	test_add(peers_as_they_are_seen, peered_networks, outside_the_subnet);
	test_case(suite, &frame, "policy");
	test_add(policy_is_a_sorted_copy);
	test_case(suite, &frame, "difference");
	test_add(difference, no_difference, against_nothing);
	test_case(suite, &frame, "in place");
	test_add(not_in_place, own_path_from_before);
	test_add_loop(in_place_as_if_built, 0, 8);
	return suite;
}
