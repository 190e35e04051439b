/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each engine against a real kernel, in namespaces of its own, with independent witnesses.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine_fixture.h"

START_TEST(test_golden)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, rules);
	ck_assert(check_report.changed);
	witness->golden(rules);
	check_equal(engine, rules);
	rules->policy.reject_all = false;
	rules->policy.forwarded = false;
	rules->policy.icmp = false;
	check_apply(engine, rules);
	witness->golden(rules);
	check_equal(engine, rules);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

START_TEST(test_again_changes_nothing)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, rules);
	check_apply(engine, rules);
	ck_assert(!check_report.changed);
	ck_assert_uint_eq(check_report.entries, 0);
	check_update(engine, rules, rules);
	ck_assert(!check_report.changed);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* What the tools save they must be able to put back, byte for byte. */
START_TEST(test_save_and_restore)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, rules);
	witness_do(witness->save_and_restore, netns_directory());
	check_equal(engine, rules);
	check_apply(engine, rules);
	ck_assert(!check_report.changed);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

START_TEST(test_update)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = check_rules(), *to = rules_copy(from);

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, from);

	rules_member(to, "192.168.40.9", "10.9.0.2"); /* a branch that is new from the root */
	check_update(engine, from, to);
	ck_assert(check_report.changed);
	ck_assert_uint_eq(check_report.entries, witness->branch_entries);
	check_equal(engine, to);
	witness_do(witness->is_peer, "10.9.0.2");

	rules_member(from, "192.168.40.9", "10.9.0.2");
	rules_member(to, "192.168.0.7", "10.9.0.7"); /* another target, in place */
	check_update(engine, from, to);
	ck_assert(check_report.changed);
	ck_assert_uint_eq(check_report.entries, witness->target_entries);
	check_equal(engine, to);

	rules_member(from, "192.168.0.7", "10.9.0.7");
	rules_remove(to, "192.168.40.9");
	check_update(engine, from, to);
	ck_assert(check_report.changed);
	check_equal(engine, to);
	witness_not(witness->is_peer, "10.9.0.2");
	witness->golden(to);

	rules_remove(from, "192.168.40.9");
	rules_open(to, IPPROTO_TCP, 9000, 9000);
	check_update(engine, from, to);
	ck_assert(check_report.changed); /* the filter, not the paths */
	check_equal(engine, to);
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

/* Random steps, each compared with what applying from nothing would give. */
START_TEST(test_update_random)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = rules_new("192.168.0.0/19"), *to;
	char overlay[32], target[32];

	if (!witness_start(&self))
		return;
	srand(7);
	engine = check_open();
	check_apply(engine, from);
	for (unsigned round = 0; round < 150; round++) {
		to = rules_copy(from);
		for (int i = rand() % 6; i >= 0; i--) {
			snprintf(overlay, sizeof(overlay), "192.168.%d.%d", rand() % 4 * 8,
				rand() % 3 * 16 + rand() % 4 + 1);
			snprintf(target, sizeof(target), "10.%d.0.%d", rand() % 3,
				rand() % 250 + 1);
			if (rand() % 3)
				rules_member(to, overlay, target);
			else
				rules_remove(to, overlay);
		}
		check_update(engine, from, to);
		check_equal(engine, to);
		rules_free(from);
		from = to;
	}
	witness->golden(from);
	engine_close(engine);
	rules_free(from);
}
END_TEST

/* Only what peers are seen from changed: no rule is read, so no lock is needed. */
START_TEST(test_update_peers_only)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = check_rules(), *to = rules_copy(from);
	int lock;

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, from);
	to->peers[to->n_peers - 1].bytes[3] = 99;
	lock = witness->hold_lock ? witness->hold_lock() : -1;
	check_update(engine, from, to);
	ck_assert_uint_eq(check_report.entries, 2); /* the peer, and no rule */
	if (lock >= 0)
		close(lock);
	check_equal(engine, to);
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

START_TEST(test_update_sees_strangeness)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = check_rules(), *to = rules_copy(from);
	char *before, *after;

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, from);
	rules_member(to, "192.168.0.7", "10.9.0.7");
	witness_do(witness->empty_paths, "");
	before = netns_output("%s", witness->paths);
	ck_assert_int_eq(engine_update(engine, from, to, &check_report, &check_error), -ESTALE);
	after = netns_output("%s", witness->paths);
	ck_assert_str_eq(before, after);
	check_apply(engine, to);
	check_equal(engine, to);

	rules_member(from, "192.168.0.7", "10.9.0.7");
	rules_member(to, "192.168.0.7", "10.9.0.8");
	check_flush(engine);
	ck_assert_int_eq(engine_update(engine, from, to, &check_report, &check_error), -ESTALE);
	free(before);
	free(after);
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

START_TEST(test_foreign_survives)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();
	char *before, *after;

	if (!witness_start(&self))
		return;
	witness_do(witness->foreign, "");
	engine = check_open();
	before = netns_output("%s", witness->dump);
	check_apply(engine, rules);
	witness_do(witness->foreign_works, "");
	check_flush(engine);
	after = netns_output("%s", witness->dump);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* Counters of rules and of policies. */
START_TEST(test_counters_survive)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = rules_new("192.168.0.0/18"), *to;

	if (!witness_start(&self))
		return;
	witness_do(witness->track, ""); /* else nat counts nothing yet */
	witness_do(witness->count, "");
	netns_do("for i in 1 2 3; do echo x > /dev/udp/127.0.0.1/99; done 2> /dev/null || "
		 "bash -c 'for i in 1 2 3; do echo x > /dev/udp/127.0.0.1/99; done'");
	rules_fill(from, 20);
	to = rules_copy(from);
	rules_open(to, IPPROTO_TCP, 80, 80);
	engine = check_open();
	check_apply(engine, from);
	check_update(engine, from, to);
	check_apply(engine, from);
	witness_do(witness->counted, "3 90");
	witness_do(witness->policy_counted, "6 264");
	check_flush(engine);
	witness_do(witness->counted, "3 90");
	witness_do(witness->policy_counted, "6 264");
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

START_TEST(test_flush)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();
	char *before, *after;

	if (!witness_start(&self))
		return;
	witness_do(witness->prepare, "");
	engine = check_open();
	before = netns_output("%s", witness->dump);
	check_apply(engine, rules);
	check_flush(engine);
	after = netns_output("%s", witness->dump);
	ck_assert_str_eq(before, after);
	check_flush(engine);
	ck_assert(!check_report.changed);
	free(before);
	free(after);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* What somebody changes at the same moment makes ours fail: it is tried again. */
START_TEST(test_others_at_the_same_time)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = check_rules(), *to = rules_copy(from);
	pid_t other;

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, from);
	other = fork();
	if (other == 0) {
		setpgid(0, 0);
		for (;;)
			netns_do("%s || true", witness->meddle);
	}
	for (unsigned i = 0; i < 100; i++) {
		int r;

		rules_member(to, "192.168.0.7", i % 2 ? "10.9.0.7" : "10.9.0.8");
		to->policy.icmp = i % 2;
		r = engine_update(engine, from, to, &check_report, &check_error);
		if (r == -ESTALE) /* its own stale commit has undone ours */
			r = engine_apply(engine, to, &check_report, &check_error);
		ck_assert_msg(r == 0, "%s", check_error.text);
		rules_member(from, "192.168.0.7", i % 2 ? "10.9.0.7" : "10.9.0.8");
		from->policy.icmp = i % 2;
	}
	kill(-other, SIGKILL); /* with what it runs, which may be about to commit */
	waitpid(other, NULL, 0);
	check_apply(engine, to);
	check_equal(engine, to);
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

/* A set that has room for all members must be able to take in as many new ones as leave. */
START_TEST(test_many_move_at_once)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = rules_new("192.168.0.0/18"), *to;
	char overlay[32], target[32];

	if (!witness_start(&self))
		return;
	rules_fill(from, 400);
	engine = check_open();
	check_apply(engine, from);
	for (unsigned round = 0; round < 2; round++) {
		to = rules_copy(from);
		if (round == 0)
			rules_fill(to, 1000);
		for (unsigned i = 1; round == 1 && i <= 100; i++) {
			snprintf(overlay, sizeof(overlay), "192.168.0.%u", i);
			snprintf(target, sizeof(target), "10.200.0.%u", i);
			rules_member(to, overlay, target);
		}
		if (engine_update(engine, from, to, &check_report, &check_error) == -ESTALE)
			check_apply(engine, to);
		check_equal(engine, to);
		rules_free(from);
		from = to;
	}
	engine_close(engine);
	rules_free(from);
}
END_TEST

static void add_apply(void)
{
	test_add(test_golden, test_again_changes_nothing, test_save_and_restore);
}

static void add_updates(void)
{
	test_add(test_many_move_at_once, test_update, test_update_random, test_update_peers_only,
		test_update_sees_strangeness);
}

static void add_foreign(void)
{
	test_add(test_foreign_survives, test_counters_survive, test_others_at_the_same_time);
}

static void add_flush(void)
{
	test_add(test_flush);
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("engine");
	const struct test_frame frame = { .timeout = 60 };

	witness_cases(suite, &frame, "apply", add_apply);
	witness_cases(suite, &frame, "updates", add_updates);
	witness_cases(suite, &frame, "foreign", add_foreign);
	witness_cases(suite, &frame, "flush", add_flush);
	return suite;
}
