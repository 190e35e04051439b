/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an agent tells and does when something fails, turn by turn: over a kernel that is made up, on
 * a clock that the suite turns.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/reconcile.h"
#include "base/clock.h"
#include "engine/engine_ops.h"
#include "ruleset/ruleset_file.h"
#include "test.h"

#define SECOND 1000

/* The kernel: one peer of an earlier agent, and whether strangers are refused. */
static struct kernel {
	struct engine engine;
	int failure; /* of the next looks at it */
	int enforces;
	int drifted;
	unsigned applies;
} kernel;

static char folder[] = "/tmp/neti-reconcile-XXXXXX";
static struct agent agent;
static struct settings *settings;
static struct events events;
static const struct log silent;
static struct error error;
static int64_t now;

static int nothing(__attribute__((unused)) struct engine_work *work,
	__attribute__((unused)) struct error *why)
{
	return 0;
}

static int enforce(__attribute__((unused)) struct engine_work *work,
	__attribute__((unused)) struct error *why)
{
	kernel.applies++;
	kernel.enforces = 1;
	kernel.drifted = 0;
	kernel.engine.alone = true; /* the machine's own tables are none of its business */
	return 0;
}

static int compare(__attribute__((unused)) struct engine *engine,
	__attribute__((unused)) const struct ruleset *wanted, struct buffer *diff,
	__attribute__((unused)) struct error *why)
{
	if (kernel.drifted)
		buffer_print(diff, "- all of it\n");
	return 0;
}

static int compare_paths(__attribute__((unused)) struct engine *engine,
	__attribute__((unused)) const struct ruleset *wanted,
	__attribute__((unused)) struct buffer *diff, __attribute__((unused)) struct error *why)
{
	return 0;
}

static int peers(__attribute__((unused)) struct engine *engine, struct address **ret, size_t *ret_n,
	struct error *why)
{
	if (kernel.failure)
		return error_set(why, kernel.failure, NETI_REASON_KERNEL,
			"the kernel says nothing");
	*ret = calloc(1, sizeof(**ret));
	ck_assert_int_eq(address_parse("10.0.0.9", *ret), 0);
	*ret_n = 1;
	return 0;
}

static int denied(__attribute__((unused)) struct engine *engine,
	__attribute__((unused)) struct denied **ret, size_t *ret_n,
	__attribute__((unused)) struct error *why)
{
	*ret_n = 0;
	return 0;
}

static int enforces(__attribute__((unused)) struct engine *engine,
	__attribute__((unused)) struct error *why)
{
	return kernel.enforces;
}

static void levels(__attribute__((unused)) struct engine *engine,
	__attribute__((unused)) struct engine_level ret[ENGINE_TABLES])
{
}

static const struct engine_filter filter = { .peers_in = nothing,
	.observe = nothing,
	.enforce = enforce,
	.peers_out = nothing,
	.compare = compare,
	.peers = peers,
	.denied = denied,
	.enforces = enforces,
	.levels = levels };
static const struct engine_paths paths = { .write = nothing, .compare = compare_paths };
static const struct engine_kind made_up = { .name = "made-up", .filter = &filter, .paths = &paths };

static void set(const char *key, const char *value)
{
	ck_assert_msg(settings_set(settings, key, value, &error) == 0, "%s", error.text);
}

static void set_below(const char *key, const char *format)
{
	char value[100];

	snprintf(value, sizeof(value), "%s%s", format, folder);
	if (*format)
		strcat(value, "/registry.db");
	set(key, value);
}

static void ignore(__attribute__((unused)) void *data,
	__attribute__((unused)) const struct fleet_delta *delta)
{
}

static void setup(void)
{
	const struct agent_options options = { .member = true };

	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	kernel = (struct kernel){ .engine = { .kind = &made_up, .log = &silent, .alone = true },
		.enforces = 1 };
	ck_assert_int_eq(events_init(&events), 0);
	ck_assert_int_eq(settings_new(&settings), 0);
	set("conntrack_max", "1"); /* the machine's table stays as it is */
	kernel.engine.settings = settings;
	kernel.engine.proved = true; /* that it does nothing is the point of it */
	set_below("registry", "sqlite:");
	set_below("state_dir", "");
	set("id", "hudson");
	set("network", "ec2");
	set("private_ip", "10.0.0.1");
	set("reject_all", "true");
	ck_assert_msg(reconcile_open(&agent, settings, &options, &events, &silent, &error) == 0,
		"%s", error.text);
	agent.view_changed = ignore;
	agent.options.rules = true;
	agent.policy_due = now = clock_now();
	agent.applier.engine = &kernel.engine;
}

static void teardown(void)
{
	char command[100];

	agent.applier.applied = ruleset_free(agent.applier.applied);
	agent.applier.engine = NULL;
	reconcile_close(&agent);
	for (struct neti_event *event = events_take(&events), *next; event; event = next) {
		next = event->next;
		event_free(event);
	}
	events_clear(&events);
	settings_free(settings);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* So many milliseconds later. */
static void turn(int64_t ms)
{
	int64_t ignored;

	now += ms;
	registry_process(agent.registry);
	agent.fleet_settings.max_removals = agent.fleet_settings.max_removals_percent = 0;
	reconcile_turn(&agent, now, &ignored);
}

static void turn_until_ready(void)
{
	for (int64_t end = clock_now() + 20 * SECOND; !agent.status.ready && clock_now() < end;) {
		poll(NULL, 0, 10);
		turn(10);
	}
	ck_assert(agent.status.ready);
	turn(SECOND);
}

static bool tells(enum trouble_cause cause, const char *what)
{
	const char *text = agent.status.troubles.text[cause];

	return *what ? strstr(text, what) != NULL : !*text;
}

static void reload(const char *network)
{
	struct settings *fresh;

	ck_assert_int_eq(settings_copy(&fresh, settings), 0);
	free(fresh->network);
	fresh->network = strdup(network);
	reconcile_reload(&agent, fresh);
}

START_TEST(join_that_failed_is_told_until_it_is_made)
{
	turn_until_ready();
	reload("no|name");
	ck_assert(tells(TROUBLE_SETTINGS, "network's name"));
	reload("no|name");
	ck_assert(tells(TROUBLE_SETTINGS, "network's name"));
	reload("vpc");
	ck_assert(tells(TROUBLE_SETTINGS, ""));
}
END_TEST

START_TEST(what_is_told_is_true_now)
{
	kernel.failure = -EIO;
	turn_until_ready();
	ck_assert(tells(TROUBLE_KERNEL, "says nothing"));
	kernel.failure = 0;
	turn(60 * SECOND);
	ck_assert_uint_eq(agent.applier.held, 1);
	ck_assert(tells(TROUBLE_KERNEL, "held: 1 of the 1 peers"));
	kernel.failure = -EIO;
	turn(60 * SECOND);
	ck_assert(tells(TROUBLE_KERNEL, "says nothing"));
	kernel.failure = 0;
	agent.applier.accepted = true;
	turn(60 * SECOND);
	ck_assert(tells(TROUBLE_KERNEL, ""));
	ck_assert_uint_eq(agent.applier.held, 0);
}
END_TEST

/* The first apply is held: what is in force already is put back all the same, from what was kept
 * when the agent knows nothing else. */
START_TEST(what_is_in_force_stays_while_the_first_apply_is_held)
{
	struct ruleset *kept;

	ck_assert_int_eq(ruleset_build_policy(&kept, &settings->policy, &settings->overlay_subnet),
		0);
	ck_assert_int_eq(ruleset_file_save(folder, kept, NULL, &error), 0);
	ruleset_free(kept);
	agent.policy_due = now + 3600 * SECOND; /* the registry is read before */
	turn_until_ready();
	ck_assert_uint_eq(agent.applier.held, 1);
	ck_assert_uint_eq(kernel.applies, 0);
	agent.policy_due = now;
	kernel.enforces = 0;
	turn(6 * SECOND);
	ck_assert_uint_eq(kernel.applies, 1);
	ck_assert(agent.status.refusing && tells(TROUBLE_OPEN, ""));
	ck_assert_uint_eq(agent.applier.applied->n_peers, 1);
	for (unsigned i = 2; i < 9; i++) { /* at no longer distance than ever */
		kernel.drifted = 1;
		turn(6 * SECOND);
		ck_assert_uint_eq(kernel.applies, i);
		ck_assert_uint_eq(agent.status.repairs, i - 1);
	}
	ck_assert_uint_eq(agent.applier.held, 1);
	ck_assert(tells(TROUBLE_KERNEL, "held: 1 of the 1 peers"));
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("reconcile");
	const struct test_frame frame = { 30, setup, teardown };

	test_case(suite, &frame, "told");
	test_add(join_that_failed_is_told_until_it_is_made, what_is_told_is_true_now);
	test_case(suite, &frame, "held");
	test_add(what_is_in_force_stays_while_the_first_apply_is_held);
	return suite;
}
