/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What others do to the rules by hand: each is seen, printed and repaired, as far as they let us.
 */
#include <errno.h>

#include "engine_fixture.h"

START_TEST(test_is_seen_said_and_repaired)
{
	const struct drift *drift = &witness->drifts[_i];
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!witness_start(&self))
		return;
	witness_do(witness->prepare, "");
	engine = check_open();
	check_apply(engine, rules);
	witness_do(drift->damage, "");
	for (size_t i = 0; i < 4 && drift->lines[i]; i++)
		check_difference(engine, rules, drift->lines[i]);
	check_apply(engine, rules);
	check_equal(engine, rules);
	witness->golden(rules);
	check_apply(engine, rules);
	ck_assert(!check_report.changed);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* Whatever was damaged, the next change of one member either carries it out right or says
 * that the table is not what it should be; it never builds on the damage. */
START_TEST(test_change_after_drift)
{
	const struct drift *drift = &witness->drifts[_i];
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = check_rules(), *to = rules_copy(from);
	int r;

	if (!witness_start(&self))
		return;
	witness_do(witness->prepare, "");
	engine = check_open();
	check_apply(engine, from);
	witness_do(drift->damage, "");
	rules_member(to, "192.168.17.4", "10.9.0.77");
	r = engine_update(engine, from, to, &check_report, &check_error);
	ck_assert_msg(r == 0 || r == -ESTALE, "%s", check_error.text);
	check_apply(engine, to);
	check_equal(engine, to);
	witness->golden(to);
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

static void add_repair(void)
{
	test_add_loop(test_is_seen_said_and_repaired, 0, witness->n_drifts);
	test_add_loop(test_change_after_drift, 0, witness->n_drifts);
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("drift");
	const struct test_frame frame = { .timeout = 60 };

	witness_cases(suite, &frame, "repair", add_repair);
	return suite;
}
