/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes that are carried out in the table's own bytes: every byte, jump and counter that they
 * do not concern stays, and what they cannot do is done by libiptc.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/iptables_sync.h"
#include "engine/xtables.h"
#include "engine_checks.h"
#include "netns.h"
#include "test.h"

#define MEMBERS 300
#define CHANGES 24

/* Chains of others before, between and behind ours, which jump to one another. */
static const char make_foreign[] =
	"printf '%s\\n' '*nat' ':AAA - [0:0]' ':NETWORK - [0:0]' ':zzz - [0:0]' ':zzzz - [0:0]'"
	" '-A PREROUTING -p tcp --dport 81 -j zzz' '-A AAA -j zzz' '-A zzz -p udp -j zzzz'"
	" '-A zzz -p tcp -m comment --comment kept -j NETWORK' '-A zzzz -j RETURN'"
	" '-A NETWORK -p tcp --dport 82 -j REDIRECT --to-ports 83'"
	" '-A OUTPUT -d 9.9.9.9/32 -g AAA' '-A POSTROUTING -o eth9 -j MASQUERADE' COMMIT |"
	" iptables-legacy-restore -n";

/* Every rule and policy of nat gets a counter that no other has. */
static const char number_counters[] =
	"iptables-legacy-save -c -t nat | awk '/\\[[0-9:]*\\]/ { n++;"
	" sub(/\\[[0-9:]*\\]/, \"[\" n \":\" n * 60 \"]\") } { print }' | iptables-legacy-restore -c";

static struct netns_host self;
static struct engine *engine;
static struct ruleset *from, *to;
static struct xtables_memory memory;

static bool start(void)
{
	if (!netns_start(&self))
		return false;
	netns_do("%s", make_foreign);
	engine = check_open();
	from = check_rules();
	rules_fill(from, MEMBERS);
	rules_member(from, "192.168.17.3", "10.9.0.1");
	rules_member(from, "192.168.63.254", "54.1.2.3");
	check_apply(engine, from);
	netns_do("%s", number_counters);
	to = rules_copy(from);
	return true;
}

static void stop(void)
{
	engine_close(engine);
	xtables_memory_clear(&memory);
	rules_free(from);
	rules_free(to);
}

/* One row of the overlay, so that most of its chains stay. */
static void change_somebody(void)
{
	char overlay[ADDRESS_TEXT_MAX], target[ADDRESS_TEXT_MAX];
	unsigned n = 1 + (unsigned)rand() % (MEMBERS + 40);

	snprintf(overlay, sizeof(overlay), "192.168.%u.%u", n / 256, n % 256);
	snprintf(target, sizeof(target), "10.8.%u.%u", (unsigned)rand() % 256, n % 256);
	if (rand() % 2)
		rules_member(to, overlay, target);
	else
		rules_remove(to, overlay);
}

static void save(const char *name)
{
	netns_do("iptables-legacy-save -c -t nat | grep -v '^#' > %s/%s", netns_directory(), name);
}

/* All rules that are new have counted nothing; all others, and the policies, are what they were. */
static void check_counters(void)
{
	netns_do("cd %s && ! grep -vxFf before after | grep -v '^\\[0:0\\] -A NETI-\\|^:NETI-' &&"
		 "for f in before after; do grep -v '[ :]NETI-[0-9]' $f > $f.others; done &&"
		 "diff before.others after.others", netns_directory());
}

START_TEST(test_random_bursts)
{
	srand(1);
	if (!start())
		return;
	for (unsigned round = 0; round < 40; round++) {
		netns_do("%s", number_counters);
		save("before");
		for (int i = rand() % CHANGES; i >= 0; i--)
			change_somebody();
		check_update(engine, from, to);
		save("after");
		check_counters();
		check_equal(engine, to);
		rules_free(from);
		from = rules_copy(to);
	}
	stop();
}
END_TEST

/* Open, change in memory; the caller commits. The result of the change. */
static int patch(struct xtables **ret)
{
	static const uint16_t no_sets[SETS];
	struct ruleset_diff diff = { 0 };
	struct sync sync = { 0 };
	int r;

	ck_assert_int_eq(ruleset_diff(&diff, from, to), 0);
	r = xtables_open_patch(ret, TABLE_NAT, no_sets, &memory, &check_error);
	if (r == 0)
		r = sync_tree(*ret, from, to, &diff, &sync);
	ruleset_diff_clear(&diff);
	return r;
}

/* One who moves, two who leave, one who joins. */
START_TEST(test_leaves_are_patched)
{
	struct xtables *xtables = NULL;

	if (!start())
		return;
	rules_member(to, "192.168.0.7", "10.8.0.7");
	rules_remove(to, "192.168.0.9");
	rules_remove(to, "192.168.1.3");
	rules_member(to, "192.168.17.4", "10.8.17.4");
	ck_assert_int_eq(patch(&xtables), 0);
	ck_assert_int_eq(xtables_commit(xtables, &check_error), 0);
	xtables_close(xtables);
	check_apply(engine, to);
	ck_assert_uint_eq(check_report.commits, 0);
	stop();
}
END_TEST

START_TEST(test_branches_are_not)
{
	struct xtables *xtables = NULL;

	if (!start())
		return;
	save("before");
	rules_member(to, "192.168.44.1", "10.8.0.7");
	ck_assert_int_eq(patch(&xtables), -EOPNOTSUPP);
	xtables_close(xtables);
	rules_free(to);
	to = rules_copy(from);
	rules_remove(to, "192.168.63.254");
	ck_assert_int_eq(patch(&xtables), -EOPNOTSUPP);
	xtables_close(xtables);
	save("after");
	netns_do("cd %s && cmp before after", netns_directory());
	check_update(engine, from, to);
	check_equal(engine, to);
	stop();
}
END_TEST

/* Who adds a rule between our reading and our writing, without the lock, keeps it. */
START_TEST(test_overtaken)
{
	struct xtables *xtables = NULL;

	if (!start())
		return;
	rules_member(to, "192.168.0.7", "10.8.0.7");
	ck_assert_int_eq(patch(&xtables), 0);
	netns_do("iptables-legacy -t nat -A zzzz -s 1.2.3.4 -j ACCEPT");
	save("before");
	ck_assert_int_eq(xtables_commit(xtables, &check_error), -EAGAIN);
	xtables_close(xtables);
	save("after");
	netns_do("cd %s && cmp before after", netns_directory());
	check_update(engine, from, to);
	check_equal(engine, to);
	netns_do("iptables-legacy -t nat -C zzzz -s 1.2.3.4 -j ACCEPT");
	stop();
}
END_TEST

/* What the kernel holds is not what we put there: seen before anything is changed. */
START_TEST(test_drift_is_seen)
{
	static const char *const damages[] = {
		"iptables-legacy -t nat -R NETI-192.168.0.0/28 3 -d 192.168.0.3 -j ACCEPT",
		"iptables-legacy -t nat -D OUTPUT 1",
		"iptables-legacy -t nat -F NETI-192.168.0.0/24",
		"iptables-legacy -t nat -R NETI-192.168.0.0/24 1 -d 192.168.0.0/28 -g zzzz",
	};

	if (!start())
		return;
	netns_do("%s", damages[_i]);
	rules_member(to, "192.168.0.7", "10.8.0.7");
	ck_assert_int_eq(engine_update(engine, from, to, &check_report, &check_error), -ESTALE);
	stop();
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("patch");
	TCase *tcase = tcase_create("kernel");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_random_bursts);
	tcase_add_test(tcase, test_leaves_are_patched);
	tcase_add_test(tcase, test_branches_are_not);
	tcase_add_test(tcase, test_overtaken);
	tcase_add_loop_test(tcase, test_drift_is_seen, 0, 4);
	suite_add_tcase(suite, tcase);
	return suite;
}
