/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every failure path of what needs no kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos.h"
#include "test.h"

static int use_registry(struct neti_registry *registry)
{
	struct neti_members *list = NULL;
	char overlay[NETI_ADDRESS_MAX], *json = NULL;
	int result = neti_registry_register(registry, NULL, 0, overlay);

	if (result >= 0)
		result = neti_registry_list(registry, NETI_LIST_DETAILS | NETI_LIST_LEASES, &list);
	if (result >= 0) {
		chaos_assert(neti_members_count(list) == 1);
		neti_members_unref(list);
		result = neti_registry_lookup(registry, overlay, &list);
	}
	if (result >= 0) {
		chaos_assert(strcmp(neti_member_id(neti_members_get(list, 0)), "hudson") == 0);
		neti_members_unref(list);
		result = neti_registry_fleet_set(registry, "max_removals", "21");
	}
	if (result >= 0)
		result = neti_registry_fleet_show(registry, &json);
	free(json);
	return result < 0 ? result : neti_registry_release(registry, "hudson");
}

static int life_of_registry(struct neti_context *context)
{
	struct neti_settings *settings;
	struct neti_registry *registry;
	int result = chaos_settings(&settings, context);

	if (result < 0)
		return result;
	result = neti_registry_open(&registry, settings);
	neti_settings_unref(settings);
	if (result < 0)
		return result;
	result = use_registry(registry);
	neti_registry_unref(registry);
	return result;
}

static int life_of_ruleset(struct neti_context *context)
{
	struct neti_ruleset *ruleset;
	char *text = NULL, *diff = NULL;
	int result = chaos_ruleset(&ruleset, context, 4);

	if (result < 0)
		return result;
	result = neti_ruleset_print(ruleset, &text);
	if (result == 0)
		result = neti_ruleset_diff(NULL, ruleset, &diff);
	free(text);
	free(diff);
	neti_ruleset_unref(ruleset);
	return result < 0 ? result : 0;
}

static int life_of_member(struct neti_context *context)
{
	return chaos_agent(context, false);
}

START_TEST(ruleset_without_memory) { chaos_each(life_of_ruleset, FAULT_MEMORY, 1, 40); } END_TEST
START_TEST(registry_without_memory) { chaos_each(life_of_registry, FAULT_MEMORY, 7, 100); } END_TEST
START_TEST(registry_without_system) { chaos_each(life_of_registry, FAULT_SYSTEM, 13, 50); } END_TEST
START_TEST(registry_without_answers) { chaos_each(life_of_registry, FAULT_ANSWER, 41, 10); } END_TEST
START_TEST(registry_without_requests) { chaos_each(life_of_registry, FAULT_REQUEST, 41, 10); } END_TEST
START_TEST(member_without_memory) { chaos_each(life_of_member, FAULT_MEMORY, 211, 100); } END_TEST
START_TEST(member_without_system) { chaos_each(life_of_member, FAULT_SYSTEM, 53, 50); } END_TEST
START_TEST(member_without_answers) { chaos_each(life_of_member, FAULT_ANSWER, 19, 10); } END_TEST
START_TEST(member_without_requests) { chaos_each(life_of_member, FAULT_REQUEST, 19, 10); } END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("chaos");
	TCase *tests = tcase_create("all");

	tcase_set_timeout(tests, 1200);
	tcase_add_checked_fixture(tests, chaos_setup, chaos_teardown);
	tcase_add_test(tests, ruleset_without_memory);
	tcase_add_test(tests, registry_without_memory);
	tcase_add_test(tests, registry_without_system);
	tcase_add_test(tests, registry_without_answers);
	tcase_add_test(tests, registry_without_requests);
	tcase_add_test(tests, member_without_memory);
	tcase_add_test(tests, member_without_system);
	tcase_add_test(tests, member_without_answers);
	tcase_add_test(tests, member_without_requests);
	suite_add_tcase(suite, tests);
	return suite;
}
