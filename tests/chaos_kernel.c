/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every failure path down to the kernel, in a namespace. After a failure each table and each
 * set is whole, as it was or as it should be, and the next call brings the rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos.h"
#include "netns.h"
#include "test.h"

/* Each table and set is one part of what the kernel holds. */
static const char *const parts[] = {
	"iptables-legacy-save -t filter", "iptables-legacy-save -t nat",
	"ip6tables-legacy-save -t filter", "ipset save neti-peers | sort",
};
#define PARTS (sizeof(parts) / sizeof(*parts))

struct kernel {
	char *part[PARTS];
};

static struct kernel before, after;
static struct netns_host self;
static bool rules_fall_back; /* the life begins with rules for fewer members in force */

static void look(struct kernel *kernel)
{
	for (size_t i = 0; i < PARTS; i++) {
		free(kernel->part[i]);
		kernel->part[i] = netns_output("%s 2>/dev/null | grep -v '^#\\|^$' | "
					       "sed 's/\\[[0-9:]*\\]//; s/ initval [0-9a-fx]*//'",
			parts[i]);
	}
}

static void assert_whole(void)
{
	struct kernel now = { 0 };

	look(&now);
	/* A set that no rule names yet may be in the making. */
	for (size_t i = 0; i < PARTS - !strstr(now.part[0], "neti-peers"); i++) {
		ck_assert_msg(strcmp(now.part[i], before.part[i]) == 0 ||
				      strcmp(now.part[i], after.part[i]) == 0,
			"%s is torn:\n%s\nbefore:\n%s\nafter:\n%s", parts[i], now.part[i],
			before.part[i], after.part[i]);
	}
	for (size_t i = 0; i < PARTS; i++)
		free(now.part[i]);
}

static int apply(struct neti_context *context, int members)
{
	struct neti_ruleset *ruleset;
	struct neti_engine *engine;
	int result;

	faults_pause(true);
	ck_assert_int_eq(chaos_ruleset(&ruleset, context, members), 0);
	faults_pause(false);
	result = neti_engine_open(&engine, context);
	if (result == 0) {
		result = neti_engine_apply(engine, ruleset, true);
		neti_engine_unref(engine);
	}
	neti_ruleset_unref(ruleset);
	return result < 0 ? result : 0;
}

static int flush(struct neti_context *context)
{
	struct neti_engine *engine;
	int result = neti_engine_open(&engine, context);

	if (result < 0)
		return result;
	result = neti_engine_flush(engine);
	neti_engine_unref(engine);
	return result < 0 ? result : 0;
}

/* Whatever went wrong: looked at, and brought to an end without faults. */
static void settle(struct neti_context *context, int result, int (*again)(struct neti_context *))
{
	faults_pause(true);
	if (result < 0) {
		assert_whole();
		ck_assert_msg(again(context) == 0, "%s", neti_context_message(context));
	}
	faults_pause(false);
}

static int apply_few(struct neti_context *context)
{
	return apply(context, 2);
}

static int apply_many(struct neti_context *context)
{
	return apply(context, 9);
}

/* What the life starts from, made without faults. */
static void begin_with(struct neti_context *context, int (*make)(struct neti_context *))
{
	faults_pause(true);
	ck_assert_msg(make(context) == 0, "%s", neti_context_message(context));
	faults_pause(false);
}

static int life_of_rules(struct neti_context *context)
{
	int result;

	begin_with(context, rules_fall_back ? apply_few : flush);
	result = apply_many(context);
	settle(context, result, apply_many);
	return result;
}

static int life_of_flush(struct neti_context *context)
{
	int result;

	begin_with(context, apply_many);
	result = flush(context);
	settle(context, result, flush);
	return result;
}

static int life_of_agent(struct neti_context *context)
{
	begin_with(context, flush);
	return chaos_agent(context, true);
}

static bool prepare(int (*first)(struct neti_context *), int (*then)(struct neti_context *))
{
	struct neti_context *context;

	if (!netns_start(&self))
		return false;
	/* So that the agent has an address and a way out. */
	netns_do("ip link add eth0 type veth peer name eth1 && ip link set eth0 up && ip link set eth1 up && "
		 "ip addr add 10.0.0.11/24 dev eth0");
	ck_assert_int_eq(neti_context_new(&context), 0);
	ck_assert_msg(first(context) == 0, "%s", neti_context_message(context));
	look(&before);
	ck_assert_msg(then(context) == 0, "%s", neti_context_message(context));
	look(&after);
	neti_context_unref(context);
	return true;
}

static void rules_without(enum fault fault, bool fall_back, long step)
{
	rules_fall_back = fall_back;
	if (prepare(fall_back ? apply_few : flush, apply_many))
		chaos_each(life_of_rules, fault, step, 10);
}

START_TEST(first_rules_without_memory) { rules_without(FAULT_MEMORY, false, 9); } END_TEST
START_TEST(first_rules_without_system) { rules_without(FAULT_SYSTEM, false, 2); } END_TEST
START_TEST(change_without_memory) { rules_without(FAULT_MEMORY, true, 9); } END_TEST
START_TEST(change_without_system) { rules_without(FAULT_SYSTEM, true, 2); } END_TEST

START_TEST(flush_without_memory)
{
	if (prepare(apply_many, flush))
		chaos_each(life_of_flush, FAULT_MEMORY, 5, 10);
}
END_TEST

START_TEST(flush_without_system)
{
	if (prepare(apply_many, flush))
		chaos_each(life_of_flush, FAULT_SYSTEM, 2, 10);
}
END_TEST

START_TEST(agent_without_memory)
{
	if (prepare(flush, apply_many))
		chaos_each(life_of_agent, FAULT_MEMORY, 211, 100);
}
END_TEST

START_TEST(agent_without_system)
{
	if (prepare(flush, apply_many))
		chaos_each(life_of_agent, FAULT_SYSTEM, 41, 50);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("chaos_kernel");
	TCase *tests = tcase_create("all");

	tcase_set_timeout(tests, 3600);
	tcase_add_checked_fixture(tests, chaos_setup, chaos_teardown);
	tcase_add_test(tests, first_rules_without_memory);
	tcase_add_test(tests, first_rules_without_system);
	tcase_add_test(tests, change_without_memory);
	tcase_add_test(tests, change_without_system);
	tcase_add_test(tests, flush_without_memory);
	tcase_add_test(tests, flush_without_system);
	tcase_add_test(tests, agent_without_memory);
	tcase_add_test(tests, agent_without_system);
	suite_add_tcase(suite, tests);
	return suite;
}
