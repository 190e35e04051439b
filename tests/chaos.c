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
	struct neti_registry *registry;
	int result = chaos_registry(&registry, context);

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
	if (result >= 0)
		result = neti_ruleset_save(ruleset, chaos_folder());
	neti_ruleset_unref(ruleset);
	if (result == 0)
		result = neti_ruleset_load(&ruleset, context, chaos_folder());
	if (result < 0)
		return result;
	neti_ruleset_unref(ruleset);
	return neti_ruleset_forget(context, chaos_folder());
}

static int life_of_member(struct neti_context *context)
{
	return chaos_agent(context, &(struct chaos_agent){ .member = true });
}

static int start_of_member(struct neti_context *context)
{
	return chaos_agent(context, &(struct chaos_agent){ .member = true, .part = CHAOS_START });
}

static int stop_of_member(struct neti_context *context)
{
	return chaos_agent(context, &(struct chaos_agent){ .member = true, .part = CHAOS_STOP });
}

static void make_fleet(void)
{
	struct neti_context *context;

	ck_assert_int_eq(neti_context_new(&context), 0);
	ck_assert_int_eq(life_of_registry(context), 0);
	neti_context_unref(context);
}

/* Of a fleet that is there. */
static int life_of_watcher(struct neti_context *context)
{
	return chaos_agent(context, &(struct chaos_agent){ 0 });
}

/* What is done, what fails, and one of how many failures is tried without NETI_CHAOS; a stop asks
 * the registry for nothing. Applying is tried in chaos_kernel. */
static const struct {
	const char *name;
	chaos_life life;
	enum fault fault;
	long step, at_least;
} trials[] = {
	{ "ruleset", life_of_ruleset, FAULT_MEMORY, 1, 40 },
	{ "ruleset", life_of_ruleset, FAULT_SYSTEM, 1, 3 },
	{ "registry", life_of_registry, FAULT_MEMORY, 7, 100 },
	{ "registry", life_of_registry, FAULT_SYSTEM, 13, 50 },
	{ "registry", life_of_registry, FAULT_ANSWER, 41, 10 },
	{ "registry", life_of_registry, FAULT_REQUEST, 41, 10 },
	{ "watcher", life_of_watcher, FAULT_MEMORY, 61, 100 },
	{ "watcher", life_of_watcher, FAULT_SYSTEM, 23, 20 },
	{ "watcher", life_of_watcher, FAULT_ANSWER, 19, 10 },
	{ "watcher", life_of_watcher, FAULT_REQUEST, 19, 10 },
	{ "member-start", start_of_member, FAULT_MEMORY, 5, 20 },
	{ "member-start", start_of_member, FAULT_SYSTEM, 2, 10 },
	{ "member", life_of_member, FAULT_MEMORY, 211, 100 },
	{ "member", life_of_member, FAULT_SYSTEM, 53, 50 },
	{ "member", life_of_member, FAULT_ANSWER, 19, 10 },
	{ "member", life_of_member, FAULT_REQUEST, 19, 10 },
	{ "member-stop", stop_of_member, FAULT_MEMORY, 3, 10 },
	{ "member-stop", stop_of_member, FAULT_SYSTEM, 2, 10 },
};

START_TEST(trial)
{
	if (trials[_i].life == life_of_watcher)
		make_fleet();
	chaos_each(trials[_i].life, trials[_i].fault, trials[_i].step, trials[_i].at_least);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("chaos");
	const struct test_frame frame = { 1200, chaos_setup, chaos_teardown };

	for (size_t i = 0; i < sizeof(trials) / sizeof(*trials); i++) {
		if (i == 0 || strcmp(trials[i].name, trials[i - 1].name) != 0)
			test_case(suite, &frame, trials[i].name);
		test_add_loop(trial, i, i + 1);
	}
	return suite;
}
