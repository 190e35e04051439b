/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine against a real kernel, in namespaces of its own, with iptables and ipset as
 * independent witnesses.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine_checks.h"
#include "netns.h"
#include "test.h"

/* What stands in the kernel without counters, comments and what the tools make up. */
#define SNAPSHOT                                                                                   \
	"{ iptables-legacy-save; ip6tables-legacy-save; } | "                                      \
	"grep -v '^#' | sed 's/ \\[[0-9]*:[0-9]*\\]$//'; ipset save | "                            \
	"sed 's/ initval.*//;s/ bucketsize [0-9]*//' | LC_ALL=C sort"

static bool has_line(const char *command, const char *line)
{
	char *text = netns_output("%s", command);
	bool found = strstr(text, line) != NULL;

	free(text);
	return found;
}

START_TEST(test_golden)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!netns_start(&self))
		return;
	engine = check_open();
	check_apply(engine, rules);
	ck_assert(check_report.changed); /* filters twice: see iptables_opening.h */
	check_golden(rules);
	check_equal(engine, rules);
	rules->policy.reject_all = false;
	rules->policy.forwarded = false;
	rules->policy.icmp = false;
	check_apply(engine, rules);
	check_golden(rules);
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

	if (!netns_start(&self))
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

	if (!netns_start(&self))
		return;
	engine = check_open();
	check_apply(engine, rules);
	netns_do("cd %s; for p in iptables ip6tables; do $p-legacy-save > $p.saved;"
		 "$p-legacy-restore < $p.saved; $p-legacy-save > $p.again;"
		 "grep -v '^#' $p.saved > 1; grep -v '^#' $p.again > 2; diff 1 2; done",
		netns_directory());
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

	if (!netns_start(&self))
		return;
	engine = check_open();
	check_apply(engine, from);

	rules_member(to, "192.168.40.9", "10.9.0.2"); /* a branch that is new from the root */
	check_update(engine, from, to);
	ck_assert(check_report.changed);
	ck_assert_uint_eq(check_report.entries, 8); /* a peer, three chains of a rule, the root's rule */
	check_equal(engine, to);

	rules_member(from, "192.168.40.9", "10.9.0.2");
	rules_member(to, "192.168.0.7", "10.9.0.7"); /* another target, in place */
	check_update(engine, from, to);
	ck_assert(check_report.changed);
	ck_assert_uint_eq(check_report.entries, 4); /* a peer and a rule, each exchanged */
	check_equal(engine, to);

	rules_member(from, "192.168.0.7", "10.9.0.7");
	rules_remove(to, "192.168.40.9");
	check_update(engine, from, to);
	ck_assert(check_report.changed);
	check_equal(engine, to);
	check_golden(to);

	rules_remove(from, "192.168.40.9");
	rules_open(to, IPPROTO_TCP, 9000, 9000);
	check_update(engine, from, to);
	ck_assert(check_report.changed); /* both families' filter, not nat */
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

	if (!netns_start(&self))
		return;
	srand(7);
	engine = check_open();
	check_apply(engine, from);
	for (unsigned round = 0; round < 150; round++) {
		to = rules_copy(from);
		for (int i = rand() % 6; i >= 0; i--) {
			snprintf(overlay, sizeof(overlay), "192.168.%d.%d", rand() % 4 * 8,
				rand() % 3 * 16 + rand() % 4 + 1);
			snprintf(target, sizeof(target), "10.%d.0.%d", rand() % 3, rand() % 250 + 1);
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
	check_golden(from);
	engine_close(engine);
	rules_free(from);
}
END_TEST

/* Only what peers are seen from changed: no table is read, so no lock is needed. */
START_TEST(test_update_peers_only)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = check_rules(), *to = rules_copy(from);
	int lock;

	if (!netns_start(&self))
		return;
	engine = check_open();
	check_apply(engine, from);
	to->peers[to->n_peers - 1].bytes[3] = 99;
	lock = open(getenv("XTABLES_LOCKFILE"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(lock, LOCK_EX), 0);
	check_update(engine, from, to);
	ck_assert_uint_eq(check_report.entries, 2); /* the peer, and no table */
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

	if (!netns_start(&self))
		return;
	engine = check_open();
	check_apply(engine, from);
	rules_member(to, "192.168.0.7", "10.9.0.7");
	netns_do("iptables-legacy -t nat -F NETI-192.168.0.0/28");
	before = netns_output("iptables-legacy-save -t nat | grep -v ^#");
	ck_assert_int_eq(engine_update(engine, from, to, &check_report, &check_error), -ESTALE);
	after = netns_output("iptables-legacy-save -t nat | grep -v ^#");
	ck_assert_str_eq(before, after);
	check_apply(engine, to);
	check_equal(engine, to);

	netns_do("iptables-legacy -t nat -I OUTPUT -j ACCEPT");
	rules_member(from, "192.168.0.7", "10.9.0.7");
	rules_member(to, "192.168.0.7", "10.9.0.8");
	ck_assert_int_eq(engine_update(engine, from, to, &check_report, &check_error), -ESTALE);
	check_flush(engine);
	ck_assert_int_eq(engine_update(engine, from, to, &check_report, &check_error), -ESTALE);
	free(before);
	free(after);
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

static void make_foreign(void)
{
	netns_do("iptables-legacy -A INPUT -s 1.2.3.4 -j DROP; iptables-legacy -N foreign;"
		 "iptables-legacy -A foreign -m comment --comment x -j ACCEPT;"
		 "iptables-legacy -A FORWARD -i lo -j foreign; iptables-legacy -P FORWARD DROP;"
		 "iptables-legacy -t nat -A POSTROUTING -o eth9 -j MASQUERADE;"
		 "iptables-legacy -t nat -A OUTPUT -d 9.9.9.9 -j DNAT --to-destination 8.8.8.8;"
		 "iptables-legacy -t nat -N zzz; ip6tables-legacy -A INPUT -s fd01::1 -j DROP;"
		 "iptables-legacy -A INPUT -i lo -p udp --dport 99;"
		 "ipset create foreign hash:net; ipset add foreign 10.0.0.0/8");
}

START_TEST(test_foreign_survives)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();
	char *before, *after;

	if (!netns_start(&self))
		return;
	make_foreign();
	engine = check_open();
	before = netns_output(SNAPSHOT);
	check_apply(engine, rules);
	netns_do("iptables-legacy -S INPUT | sed -n 2p | grep -x -- '-A INPUT -j NETI-INPUT'");
	netns_do("ipset test foreign 10.1.1.1");
	check_flush(engine);
	after = netns_output(SNAPSHOT);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* Rule counters and policy counters: those of nat and of IPv6 too. */
START_TEST(test_counters_survive)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = rules_new("192.168.0.0/18"), *to;

	if (!netns_start(&self))
		return;
	netns_do("iptables-legacy -A OUTPUT -p udp --dport 99;"
		 "iptables-legacy -P FORWARD DROP;"
		 "for i in 1 2 3; do echo x > /dev/udp/127.0.0.1/99; done 2> /dev/null || "
		 "bash -c 'for i in 1 2 3; do echo x > /dev/udp/127.0.0.1/99; done'");
	rules_fill(from, 20);
	to = rules_copy(from);
	rules_open(to, IPPROTO_TCP, 80, 80);
	engine = check_open();
	check_apply(engine, from);
	check_update(engine, from, to);
	check_apply(engine, from);
	netns_do("iptables-legacy-save -c -t filter | grep -x -- '\\[3:90\\] -A OUTPUT -p udp -m udp --dport 99'");
	netns_do("iptables-legacy-save -c -t filter | grep '^:OUTPUT ACCEPT \\[6:264\\]'");
	netns_do("iptables-legacy-save -c -t filter | grep '^:FORWARD DROP'");
	check_flush(engine);
	netns_do("iptables-legacy-save -c -t filter | grep -x -- '\\[3:90\\] -A OUTPUT -p udp -m udp --dport 99'");
	netns_do("iptables-legacy-save -c -t filter | grep '^:OUTPUT ACCEPT \\[6:264\\]'");
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

START_TEST(test_jump_goes_first)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!netns_start(&self))
		return;
	engine = check_open();
	check_apply(engine, rules);
	netns_do("iptables-legacy -I INPUT -s 1.2.3.4 -j DROP; iptables-legacy -A INPUT -j NETI-INPUT");
	check_difference(engine, rules, "- -A INPUT -j NETI-INPUT # rule 2\n");
	check_difference(engine, rules, "- -A INPUT -j NETI-INPUT # rule 3\n");
	check_difference(engine, rules, "+ -A INPUT -j NETI-INPUT # rule 1\n");
	check_apply(engine, rules);
	ck_assert(check_report.changed);
	check_equal(engine, rules);
	netns_do("[ \"$(iptables-legacy -S INPUT | grep -v ^-P)\" = \"-A INPUT -j NETI-INPUT\n"
		 "-A INPUT -s 1.2.3.4/32 -j DROP\" ]");
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* A set with another type, while our rules and nobody else's refer to it. */
START_TEST(test_wrong_set_type)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!netns_start(&self))
		return;
	engine = check_open();
	netns_do("ipset create neti-peers hash:net; ipset create neti-denied hash:ip");
	check_difference(engine, rules, "- create neti-peers hash:net family inet");
	check_difference(engine, rules, "+ create neti-peers hash:ip family inet");
	check_apply(engine, rules);
	check_equal(engine, rules);

	netns_do("iptables-legacy -F NETI-INPUT; ipset destroy neti-peers;"
		 "ipset create neti-peers hash:ip timeout 60 maxelem 2000000; ipset add neti-peers 1.2.3.4;"
		 "iptables-legacy -A NETI-INPUT -m set --match-set neti-peers src -j ACCEPT");
	check_difference(engine, rules, "- create neti-peers hash:ip family inet hashsize 1024 maxelem 2000000 timeout 60\n");
	check_apply(engine, rules);
	check_equal(engine, rules);
	check_golden(rules);

	netns_do("iptables-legacy -F NETI-INPUT; ipset destroy neti-peers;"
		 "ipset create neti-peers hash:net;"
		 "iptables-legacy -A INPUT -m set --match-set neti-peers src -j ACCEPT");
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -EBUSY);
	ck_assert_ptr_nonnull(strstr(check_error.text, "neti-peers"));
	netns_do("iptables-legacy -S NETI-INPUT | grep neti-peers-new"); /* members go on being let in */
	rules_member(rules, "192.168.17.9", "10.9.0.99");
	rules_remove(rules, "192.168.17.3");
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -EBUSY);
	netns_do("iptables-legacy -S NETI-INPUT | tail -1 | grep DROP && "
		 "iptables-legacy -t nat -S | grep -e '--to-destination 10.9.0.99' && "
		 "ipset test neti-peers-new 10.9.0.99 && ! ipset test neti-peers-new 10.9.0.1");
	netns_do("iptables-legacy -D INPUT -m set --match-set neti-peers src -j ACCEPT");
	check_apply(engine, rules);
	check_equal(engine, rules);
	check_golden(rules);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

START_TEST(test_flush)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();
	char *before, *after;

	if (!netns_start(&self))
		return;
	netns_do("ip6tables-legacy -S"); /* looking at a table brings it into being */
	engine = check_open();
	before = netns_output(SNAPSHOT);
	check_apply(engine, rules);
	check_flush(engine);
	after = netns_output(SNAPSHOT);
	ck_assert_str_eq(before, after);
	check_flush(engine);
	ck_assert(!check_report.changed);

	check_apply(engine, rules);
	netns_do("iptables-legacy -A FORWARD -i lo -j NETI-INPUT");
	ck_assert_int_eq(engine_flush(engine, &check_report, &check_error), -EBUSY);
	ck_assert_str_eq(check_error.text,
		"chain NETI-INPUT stays: a rule that Neti did not make refers to it");
	ck_assert(!has_line("iptables-legacy-save", "NETI-OUTPUT"));
	ck_assert(!has_line("ipset list -n", "neti-"));
	netns_do("iptables-legacy -D FORWARD -i lo -j NETI-INPUT");
	check_flush(engine);
	free(after);
	after = netns_output(SNAPSHOT);
	ck_assert_str_eq(before, after);

	check_apply(engine, rules);
	netns_do("iptables-legacy -A FORWARD -m set --match-set neti-peers src");
	ck_assert_int_eq(engine_flush(engine, &check_report, &check_error), -EBUSY);
	ck_assert_ptr_nonnull(strstr(check_error.text, "neti-peers"));
	ck_assert(!has_line("ipset list -n", "neti-denied"));
	free(before);
	free(after);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

START_TEST(test_lock)
{
	struct netns_host self;
	struct engine *engine = NULL;
	struct ruleset *rules = check_rules();
	char wanted[64];
	int lock;

	if (!netns_start(&self))
		return;
	ck_assert_int_eq(engine_open(&engine, NULL, NULL, &check_error), 0);
	lock = open(getenv("XTABLES_LOCKFILE"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(lock, LOCK_EX), 0);
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -EBUSY);
	ck_assert_int_eq(check_error.reason, NETI_REASON_BUSY);
	snprintf(wanted, sizeof(wanted), "(process %d)", getpid());
	ck_assert_msg(strstr(check_error.text, wanted) != NULL, "%s", check_error.text);
	ck_assert(check_report.seconds >= 5 && check_report.seconds < 6);
	check_difference(engine, rules, "+ :NETI-INPUT"); /* reading needs no lock */
	close(lock);
	check_apply(engine, rules);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* Somebody who takes no lock makes commits fail with EAGAIN: they are tried again. */
START_TEST(test_others_without_lock)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = check_rules(), *to = rules_copy(from);
	pid_t other;

	if (!netns_start(&self))
		return;
	engine = check_open();
	check_apply(engine, from);
	other = fork();
	if (other == 0) {
		setenv("XTABLES_LOCKFILE", "/dev/null", 1);
		for (;;)
			netns_do("for t in nat filter; do iptables-legacy -t $t -A OUTPUT -s 1.2.3.4;"
				 "iptables-legacy -t $t -D OUTPUT -s 1.2.3.4; done || true");
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
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	check_apply(engine, to);
	check_equal(engine, to);
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("engine");
	const struct test_frame frame = { .timeout = 60 };

	test_case(suite, &frame, "apply");
	test_add(test_golden, test_again_changes_nothing, test_save_and_restore);
	test_case(suite, &frame, "update");
	test_add(test_update, test_update_random, test_update_peers_only,
		test_update_sees_strangeness);
	test_case(suite, &frame, "foreign");
	test_add(test_foreign_survives, test_counters_survive, test_jump_goes_first,
		test_wrong_set_type);
	test_case(suite, &frame, "flush");
	test_add(test_flush);
	test_case(suite, &frame, "lock");
	test_add(test_lock, test_others_without_lock);
	return suite;
}
