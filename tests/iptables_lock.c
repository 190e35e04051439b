/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock of iptables, which the other engines have not: others who want it too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine_fixture.h"

static struct engine *engine;
static struct ruleset *rules;

static bool start(void)
{
	struct netns_host self;

	if (!witness_start(&self))
		return false;
	engine = check_open();
	rules = check_rules();
	return true;
}

static void stop(void)
{
	engine_close(engine);
	rules_free(rules);
}

/* Holds the lock for so long, lets go for so long, again and again. */
static pid_t start_hog(unsigned hold_us, unsigned leave_us)
{
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		int lock = open(getenv("XTABLES_LOCKFILE"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		prctl(PR_SET_NAME, "greedy");
		for (bool first = true;; first = false) {
			if (flock(lock, LOCK_EX) < 0 || (first && write(ready[1], "x", 1) != 1))
				_exit(1);
			usleep(hold_us);
			flock(lock, LOCK_UN);
			usleep(leave_us);
		}
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void stop_hog(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

START_TEST(test_lock)
{
	char wanted[64];
	int lock;

	if (!start())
		return;
	lock = witness->hold_lock();
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -EBUSY);
	ck_assert_int_eq(check_error.reason, NETI_REASON_BUSY);
	snprintf(wanted, sizeof(wanted), "(process %d)", getpid());
	ck_assert_msg(strstr(check_error.text, wanted) != NULL, "%s", check_error.text);
	ck_assert(check_report.seconds >= 5 && check_report.seconds < 6);
	check_difference(engine, rules, "+ :NETI-INPUT"); /* reading needs no lock */
	close(lock);
	check_apply(engine, rules);
	stop();
}
END_TEST

/* One moment in fifty is enough. */
START_TEST(test_moments_without_a_hog_are_used)
{
	double waited = 0;
	pid_t hog;

	if (!start())
		return;
	hog = start_hog(100000, 2000);
	check_apply(engine, rules);
	for (unsigned round = 1; round < 20; round++) {
		usleep(3000); /* it is the hog's turn */
		check_change(engine, rules, round);
		waited += check_report.seconds;
	}
	stop_hog(hog);
	ck_assert_msg(waited > 0.1 && waited < 6, "waited for %g s", waited);
	check_equal(engine, rules);
	stop();
}
END_TEST

START_TEST(test_hog_is_named)
{
	char wanted[64];
	pid_t hog;

	if (!start())
		return;
	hog = start_hog(3600000000u, 0);
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -EBUSY);
	snprintf(wanted, sizeof(wanted), "is held by greedy (process %d)", hog);
	ck_assert_msg(strstr(check_error.text, wanted) != NULL, "%s", check_error.text);
	ck_assert_int_eq(check_error.reason, NETI_REASON_BUSY);
	stop_hog(hog);
	check_apply(engine, rules);
	check_equal(engine, rules);
	stop();
}
END_TEST

/* Who waits for a lock that is held for long sleeps: each look is an end of a sleep. */
START_TEST(test_long_wait_costs_little)
{
	struct rusage before, after;
	pid_t hog;

	if (!start())
		return;
	hog = start_hog(3600000000u, 0);
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -EBUSY);
	getrusage(RUSAGE_THREAD, &before);
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -EBUSY);
	getrusage(RUSAGE_THREAD, &after);
	ck_assert_int_lt(after.ru_nvcsw - before.ru_nvcsw, 200);
	stop_hog(hog);
	check_apply(engine, rules);
	stop();
}
END_TEST

/* Sets before rules when adding, rules before sets when removing: where the rules cannot be
 * changed, members have come and none has gone. */
START_TEST(test_order_of_a_change)
{
	struct ruleset *before;
	pid_t hog;

	if (!start())
		return;
	check_apply(engine, rules);
	before = rules_copy(rules);
	rules_member(rules, "192.168.40.9", "10.9.0.40");
	rules_remove(rules, "192.168.17.3");
	hog = start_hog(3600000000u, 0);
	for (int known = 0; known < 2; known++) {
		int r = known ? engine_update(engine, before, rules, &check_report, &check_error) :
				engine_apply(engine, rules, &check_report, &check_error);

		ck_assert_int_eq(r, -EBUSY);
		netns_do("ipset test neti-peers 10.9.0.40 && ipset test neti-peers 10.9.0.1 &&"
			 "ipset del neti-peers 10.9.0.40");
	}
	stop_hog(hog);
	check_apply(engine, rules);
	check_equal(engine, rules);
	rules_free(before);
	stop();
}
END_TEST

static void add_lock(void)
{
	test_add(test_lock, test_order_of_a_change);
}

static void add_hogs(void)
{
	test_add(test_moments_without_a_hog_are_used, test_hog_is_named,
		test_long_wait_costs_little);
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("iptables_lock");
	const struct test_frame frame = { .timeout = 120 };

	witness_own_cases(suite, &frame, "iptables", "lock", add_lock);
	witness_own_cases(suite, &frame, "iptables", "hogs", add_hogs);
	return suite;
}
