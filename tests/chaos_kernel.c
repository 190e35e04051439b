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

/* Each table, set and chain is one part of what the kernel holds. */
#define PARTS 5
static const struct {
	const char *name;
	const char *parts[PARTS];
} engines[] = {
	{ "nftables", { "nft list set inet neti peers", "nft list map inet neti overlay",
			      "nft list chain inet neti input | grep ' comment \"'",
			      "nft list chain inet neti output | grep ' comment \"'",
			      "nft list chain inet neti paths | grep ' comment \"'" } },
	{ "iptables", { "iptables-legacy-save -t filter", "iptables-legacy-save -t nat",
			      "ip6tables-legacy-save -t filter", "true",
			      "ipset save neti-peers | sort" } },
};
#define ENGINES (sizeof(engines) / sizeof(*engines))

static const char *const *parts;

struct kernel {
	char *part[PARTS];
};

static struct kernel before, after;
static struct netns_host self;

static void look(struct kernel *kernel)
{
	for (size_t i = 0; i < PARTS; i++) {
		free(kernel->part[i]);
		kernel->part[i] = netns_output("%s 2>/dev/null | grep -v '^#\\|^$' | "
					       "sed 's/\\[[0-9:]*\\]//; s/ initval [0-9a-fx]*//'",
			parts[i]);
	}
}

/* Each part is as it is in the one or in the other. */
static void assert_is(const struct kernel *one, const struct kernel *other)
{
	struct kernel now = { 0 };

	look(&now);
	/* A set that no rule names yet may be in the making. */
	for (size_t i = 0; i < PARTS - !strstr(now.part[0], "neti-peers"); i++) {
		ck_assert_msg(strcmp(now.part[i], one->part[i]) == 0 ||
				      strcmp(now.part[i], other->part[i]) == 0,
			"%s is torn:\n%s\neither:\n%s\nor:\n%s", parts[i], now.part[i],
			one->part[i], other->part[i]);
	}
	for (size_t i = 0; i < PARTS; i++)
		free(now.part[i]);
}

static int open_engine(struct neti_engine **ret, struct neti_context *context)
{
	struct neti_settings *settings;
	int result = chaos_settings(&settings, context);

	if (result < 0)
		return result;
	result = neti_engine_open(ret, settings);
	neti_settings_unref(settings);
	return result;
}

static int apply(struct neti_context *context, int members)
{
	struct neti_ruleset *ruleset;
	struct neti_engine *engine;
	int result;

	faults_pause(true);
	ck_assert_int_eq(chaos_ruleset(&ruleset, context, members), 0);
	faults_pause(false);
	result = open_engine(&engine, context);
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
	int result = open_engine(&engine, context);

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
		assert_is(&before, &after);
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

static int rules_after(struct neti_context *context, int (*first)(struct neti_context *))
{
	int result;

	begin_with(context, first);
	result = apply_many(context);
	settle(context, result, apply_many);
	return result;
}

static int first_rules(struct neti_context *context)
{
	return rules_after(context, flush);
}

static int changed_rules(struct neti_context *context)
{
	return rules_after(context, apply_few);
}

static int life_of_flush(struct neti_context *context)
{
	int result;

	begin_with(context, apply_many);
	result = flush(context);
	settle(context, result, flush);
	return result;
}

/* From the registry to the kernel in two calls, as the tool applies. */
static int apply_fetched(struct neti_context *context)
{
	struct neti_registry *registry;
	struct neti_ruleset *ruleset;
	struct neti_engine *engine;
	int result = chaos_registry(&registry, context);

	if (result < 0)
		return result;
	result = neti_ruleset_fetch(&ruleset, registry);
	neti_registry_unref(registry);
	if (result < 0)
		return result;
	result = open_engine(&engine, context);
	if (result == 0) {
		result = neti_engine_apply(engine, ruleset, false);
		neti_engine_unref(engine);
	}
	neti_ruleset_unref(ruleset);
	return result < 0 ? result : 0;
}

static int life_of_fetched(struct neti_context *context)
{
	int result;

	begin_with(context, flush);
	result = apply_fetched(context);
	settle(context, result, apply_fetched);
	return result;
}

static int apply_by_agent(struct neti_context *context)
{
	return chaos_agent(context, &(struct chaos_agent){ .member = true, .rules = true });
}

/* A start that fails has not touched the kernel; a stop leaves it as it is. */
static int agent_in_kernel(struct neti_context *context, enum chaos_part part)
{
	const struct chaos_agent plan = { .member = true, .rules = true, .part = part };
	int result;

	begin_with(context, flush);
	result = chaos_agent(context, &plan);
	faults_pause(true);
	assert_is(&before, result < 0 ? &before : &after);
	faults_pause(false);
	return result;
}

static int life_of_agent(struct neti_context *context)
{
	return agent_in_kernel(context, CHAOS_LIFE);
}

static int start_of_agent(struct neti_context *context)
{
	return agent_in_kernel(context, CHAOS_START);
}

static int stop_of_agent(struct neti_context *context)
{
	return agent_in_kernel(context, CHAOS_STOP);
}

/* So that there is a fleet, and always the same address. */
static void register_once(struct neti_context *context)
{
	char overlay[NETI_ADDRESS_MAX];
	struct neti_registry *registry;

	ck_assert_int_eq(chaos_registry(&registry, context), 0);
	ck_assert_int_eq(neti_registry_register(registry, NULL, 0, overlay), 1);
	neti_registry_unref(registry);
}

static bool prepare(int (*first)(struct neti_context *), int (*then)(struct neti_context *))
{
	struct neti_context *context;

	if (!netns_start(&self))
		return false;
	/* So that the agent has an address and a way out. */
	netns_do(
		"ip link add eth0 type veth peer name eth1 && ip link set eth0 up && ip link set eth1 up && "
		"ip addr add 10.0.0.11/24 dev eth0");
	ck_assert_int_eq(neti_context_new(&context), 0);
	register_once(context);
	ck_assert_msg(first(context) == 0, "%s", neti_context_message(context));
	look(&before);
	ck_assert_msg(then(context) == 0, "%s", neti_context_message(context));
	look(&after);
	neti_context_unref(context);
	return true;
}

/* What is done, what it begins with, what fails, and one of how many failures is tried without
 * NETI_CHAOS. */
static const struct {
	const char *name;
	chaos_life life, first, then;
	enum fault fault;
	long step, at_least;
} trials[] = {
	{ "first-rules", first_rules, flush, apply_many, FAULT_MEMORY, 9, 10 },
	{ "first-rules", first_rules, flush, apply_many, FAULT_SYSTEM, 2, 10 },
	{ "changed-rules", changed_rules, apply_few, apply_many, FAULT_MEMORY, 9, 10 },
	{ "changed-rules", changed_rules, apply_few, apply_many, FAULT_SYSTEM, 2, 10 },
	{ "flush", life_of_flush, apply_many, flush, FAULT_MEMORY, 5, 10 },
	{ "flush", life_of_flush, apply_many, flush, FAULT_SYSTEM, 2, 10 },
	{ "fetched", life_of_fetched, flush, apply_fetched, FAULT_ANSWER, 17, 10 },
	{ "fetched", life_of_fetched, flush, apply_fetched, FAULT_REQUEST, 17, 10 },
	{ "agent-start", start_of_agent, flush, apply_by_agent, FAULT_MEMORY, 7, 20 },
	{ "agent-start", start_of_agent, flush, apply_by_agent, FAULT_SYSTEM, 5, 10 },
	{ "agent", life_of_agent, flush, apply_by_agent, FAULT_MEMORY, 211, 100 },
	{ "agent", life_of_agent, flush, apply_by_agent, FAULT_SYSTEM, 41, 50 },
	{ "agent", life_of_agent, flush, apply_by_agent, FAULT_ANSWER, 29, 10 },
	{ "agent", life_of_agent, flush, apply_by_agent, FAULT_REQUEST, 29, 10 },
	{ "agent-stop", stop_of_agent, flush, apply_by_agent, FAULT_MEMORY, 11, 10 },
	{ "agent-stop", stop_of_agent, flush, apply_by_agent, FAULT_SYSTEM, 5, 10 },
};

#define TRIALS (sizeof(trials) / sizeof(*trials))

START_TEST(trial)
{
	size_t i = (size_t)_i % TRIALS, engine = (size_t)_i / TRIALS;

	parts = engines[engine].parts;
	chaos_engine = engines[engine].name;
	if (prepare(trials[i].first, trials[i].then))
		chaos_each(trials[i].life, trials[i].fault, trials[i].step, trials[i].at_least);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("chaos_kernel");
	const struct test_frame frame = { 3600, chaos_setup, chaos_teardown };

	for (size_t i = 0; i < TRIALS; i++) {
		if (i == 0 || strcmp(trials[i].name, trials[i - 1].name) != 0)
			test_case(suite, &frame, trials[i].name);
		for (size_t engine = 0; engine < ENGINES; engine++)
			test_add_loop(trial, engine * TRIALS + i, engine * TRIALS + i + 1);
	}
	return suite;
}
