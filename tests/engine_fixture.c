/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cases for every engine; engine calls that must succeed. An engine is one row of the table, and
 * its witness a file of its own.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_fixture.h"

const struct witness *witness;

static void use_iptables(void)
{
	witness = &witness_iptables;
}

static void use_nftables(void)
{
	witness = &witness_nftables;
}

static void (*const engines[])(void) = { use_iptables, use_nftables };
#define N_ENGINES (sizeof(engines) / sizeof(engines[0]))

/* Of the engine that has just been taken. Check keeps the name, but no copy of it. */
static void make_case(Suite *suite, const struct test_frame *frame, void (*use)(void),
	const char *theme, void (*add)(void))
{
	static char names[32][40];
	static size_t n;
	char *name = names[n++];

	if (n > sizeof(names) / sizeof(names[0]))
		abort();
	snprintf(name, sizeof(names[0]), "%s-%s", witness->engine, theme);
	tcase_add_checked_fixture(test_case(suite, frame, name), use, NULL);
	add();
}

void witness_cases(Suite *suite, const struct test_frame *frame, const char *theme,
	void (*add)(void))
{
	for (size_t i = 0; i < N_ENGINES; i++) {
		engines[i]();
		make_case(suite, frame, engines[i], theme, add);
	}
}

void witness_own_cases(Suite *suite, const struct test_frame *frame, const char *engine,
	const char *theme, void (*add)(void))
{
	char own[40];

	snprintf(own, sizeof(own), "own-%s", theme);
	for (size_t i = 0; i < N_ENGINES; i++) {
		engines[i]();
		if (strcmp(witness->engine, engine) == 0)
			make_case(suite, frame, engines[i], own, add);
	}
}

bool witness_start(struct netns_host *ret_self)
{
	char *missing = netns_output("%s", witness->missing);
	bool found = *missing == '\0';

	missing[strcspn(missing, "\n")] = '\0';
	if (!found)
		test_note_skip("%s: this machine has no %s", witness->engine, missing);
	free(missing);
	return found && netns_start(ret_self);
}

void witness_do(const char *shell, const char *words)
{
	netns_do("set -- %s; %s", words, shell);
}

void witness_not(const char *shell, const char *words)
{
	netns_do("set -- %s; ! { %s; }", words, shell);
}

struct error check_error;
struct engine_report check_report;

struct settings *check_settings(void)
{
	struct settings *settings;

	ck_assert_int_eq(settings_new(&settings), 0);
	free(settings->engine);
	settings->engine = strdup(witness->engine);
	return settings;
}

int check_try_open(struct engine **ret)
{
	struct settings *settings = check_settings();
	int r = engine_open(ret, settings, NULL, &check_error);

	settings_free(settings);
	return r;
}

struct engine *check_open(void)
{
	struct engine *engine = NULL;

	ck_assert_msg(check_try_open(&engine) == 0, "%s", check_error.text);
	return engine;
}

void check_apply(struct engine *engine, const struct ruleset *rules)
{
	ck_assert_msg(engine_apply(engine, rules, &check_report, &check_error) == 0, "%s",
		check_error.text);
}

void check_update(struct engine *engine, const struct ruleset *from, const struct ruleset *to)
{
	ck_assert_msg(engine_update(engine, from, to, &check_report, &check_error) == 0, "%s",
		check_error.text);
}

void check_flush(struct engine *engine)
{
	ck_assert_msg(engine_flush(engine, &check_report, &check_error) == 0, "%s",
		check_error.text);
}

/* The caller frees. */
static char *difference(struct engine *engine, const struct ruleset *rules)
{
	struct buffer diff = { 0 };
	int r = engine_compare(engine, rules, &diff, &check_error);

	ck_assert_msg(r >= 0, "%s", check_error.text);
	ck_assert_int_eq(r, *buffer_text(&diff) != '\0');
	return buffer_steal(&diff);
}

void check_equal(struct engine *engine, const struct ruleset *rules)
{
	char *diff = difference(engine, rules);

	ck_assert_str_eq(diff, "");
	free(diff);
}

void check_difference(struct engine *engine, const struct ruleset *rules, const char *line)
{
	char *diff = difference(engine, rules);

	ck_assert_msg(strstr(diff, line) != NULL, "no \"%s\" in:\n%s", line, diff);
	free(diff);
}

struct ruleset *check_rules(void)
{
	struct ruleset *rules = rules_new("192.168.0.0/18");

	rules_fill(rules, 40);
	rules_member(rules, "192.168.17.3", "10.9.0.1");
	rules_member(rules, "192.168.63.254", "54.1.2.3");
	rules_trust(rules, "10.77.0.0/16");
	rules_trust(rules, "fd00:77::/32");
	rules_ssh(rules, "203.0.113.7/32");
	rules_ssh(rules, "0.0.0.0/0");
	rules_ssh(rules, "2001:db8::/32");
	rules_open(rules, IPPROTO_TCP, 80, 80);
	rules_open(rules, IPPROTO_TCP, 8000, 8100);
	rules_open(rules, IPPROTO_UDP, 53, 53);
	rules_override(rules, "172.31.0.2", "10.0.0.2");
	rules_override(rules, "192.168.5.5", "10.0.0.3");
	rules->policy.reject_all = true;
	rules->policy.forwarded = true;
	return rules;
}

void check_change(struct engine *engine, struct ruleset *rules, unsigned round)
{
	struct ruleset *before = rules_copy(rules);
	char overlay[32], target[32];

	snprintf(overlay, sizeof(overlay), "192.168.%u.%u", round % 60, round % 9 + 1);
	snprintf(target, sizeof(target), "10.8.%u.%u", round % 200, round % 7 + 1);
	if (round % 3 == 2)
		rules_remove(rules, overlay);
	else
		rules_member(rules, overlay, target);
	if (round % 10 == 0)
		rules->policy.icmp = !rules->policy.icmp;
	if (round % 50 == 0)
		check_apply(engine, rules);
	else
		check_update(engine, before, rules);
	rules_free(before);
}
