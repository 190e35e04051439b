/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What there is in iptables and ipset alone: the place of a jump, rules of others that refer to
 * our chains and sets, sets that cannot be made another while they are in use.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/iptables/ipset_read.h"
#include "engine/iptables/table.h"
#include "engine_fixture.h"

START_TEST(test_jump_goes_first)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, rules);
	netns_do(
		"iptables-legacy -I INPUT -s 1.2.3.4 -j DROP; iptables-legacy -A INPUT -j NETI-INPUT");
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

	if (!witness_start(&self))
		return;
	engine = check_open();
	netns_do("ipset create neti-peers hash:net; ipset create neti-denied hash:ip");
	check_difference(engine, rules, "- create neti-peers hash:net family inet");
	check_difference(engine, rules, "+ create neti-peers hash:ip family inet");
	check_apply(engine, rules);
	check_equal(engine, rules);

	netns_do(
		"iptables-legacy -F NETI-INPUT; ipset destroy neti-peers;"
		"ipset create neti-peers hash:ip timeout 60 maxelem 2000000; ipset add neti-peers 1.2.3.4;"
		"iptables-legacy -A NETI-INPUT -m set --match-set neti-peers src -j ACCEPT");
	check_difference(engine, rules,
		"- create neti-peers hash:ip family inet hashsize 1024 maxelem 2000000 timeout 60\n");
	check_apply(engine, rules);
	check_equal(engine, rules);
	witness->golden(rules);

	netns_do("iptables-legacy -F NETI-INPUT; ipset destroy neti-peers;"
		 "ipset create neti-peers hash:net;"
		 "iptables-legacy -A INPUT -m set --match-set neti-peers src -j ACCEPT");
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -EBUSY);
	ck_assert_ptr_nonnull(strstr(check_error.text, "neti-peers"));
	netns_do(
		"iptables-legacy -S NETI-INPUT | grep neti-peers-new"); /* members go on being let in */
	rules_member(rules, "192.168.17.9", "10.9.0.99");
	rules_remove(rules, "192.168.17.3");
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -EBUSY);
	netns_do("iptables-legacy -S NETI-INPUT | tail -1 | grep DROP && "
		 "iptables-legacy -t nat -S | grep -e '--to-destination 10.9.0.99' && "
		 "ipset test neti-peers-new 10.9.0.99 && ! ipset test neti-peers-new 10.9.0.1");
	netns_do("iptables-legacy -D INPUT -m set --match-set neti-peers src -j ACCEPT");
	check_apply(engine, rules);
	check_equal(engine, rules);
	witness->golden(rules);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* What somebody's rule refers to stays, and is named; the rest goes. */
START_TEST(test_flush_leaves_what_others_hold)
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
	netns_do("iptables-legacy -A FORWARD -i lo -j NETI-INPUT");
	ck_assert_int_eq(engine_flush(engine, &check_report, &check_error), -EBUSY);
	ck_assert_str_eq(check_error.text,
		"chain NETI-INPUT stays: a rule that Neti did not make refers to it");
	netns_do("! iptables-legacy-save | grep NETI-OUTPUT && ! ipset list -n | grep neti-");
	netns_do("iptables-legacy -D FORWARD -i lo -j NETI-INPUT");
	check_flush(engine);
	after = netns_output("%s", witness->dump);
	ck_assert_str_eq(before, after);

	check_apply(engine, rules);
	netns_do("iptables-legacy -A FORWARD -m set --match-set neti-peers src");
	ck_assert_int_eq(engine_flush(engine, &check_report, &check_error), -EBUSY);
	ck_assert_ptr_nonnull(strstr(check_error.text, "neti-peers"));
	netns_do("! ipset list -n | grep neti-denied");
	free(before);
	free(after);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* The paths as such are right, and yet not used. */
START_TEST(test_update_sees_a_rule_before_ours)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = check_rules(), *to = rules_copy(from);

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, from);
	rules_member(to, "192.168.0.7", "10.9.0.7");
	netns_do("iptables-legacy -t nat -I OUTPUT -j ACCEPT");
	ck_assert_int_eq(engine_update(engine, from, to, &check_report, &check_error), -ESTALE);
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

START_TEST(test_what_the_kernel_has)
{
	struct netns_host self;

	if (!witness_start(&self))
		return;
	ck_assert_int_eq(netlink_set_type(NULL), 0);
	ck_assert_int_eq(netlink_set_type("hash:ip"), 0);
	ck_assert_int_lt(netlink_set_type("hash:nothing"), 0);
	ck_assert_int_eq(xtables_check(&check_error), 0);
	ck_assert(!xtables_exists(TABLE_NAT));
	netns_do("iptables-legacy -t nat -S");
	ck_assert(xtables_exists(TABLE_NAT));
	ck_assert(!xtables_exists(TABLE_FILTER));
	ck_assert(!xtables_exists(TABLE_FILTER6));
}
END_TEST

/* What somebody else's rule refers to cannot go: emptied once, and then no drift for ever. */
START_TEST(test_held_by_others_is_no_drift)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, rules);
	netns_do("iptables-legacy -N NETI-OLD; iptables-legacy -A NETI-OLD -s 6.6.6.6 -j ACCEPT;"
		 "iptables-legacy -A FORWARD -s 9.9.9.9 -j NETI-OLD; ipset create neti-old hash:ip;"
		 "iptables-legacy -A FORWARD -m set --match-set neti-old src");
	check_difference(engine, rules, "- -A NETI-OLD -s 6.6.6.6/32 -j ACCEPT\n");
	check_apply(engine, rules);
	check_equal(engine, rules);
	check_apply(engine, rules);
	ck_assert(!check_report.changed);
	netns_do("iptables-legacy -F FORWARD");
	check_difference(engine, rules, "- :NETI-OLD - [0:0]\n");
	check_difference(engine, rules, "- create neti-old hash:ip");
	check_apply(engine, rules);
	check_equal(engine, rules);
	netns_do("! iptables-legacy -S NETI-OLD && ! ipset list -n | grep neti-old");
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* As an older version made it: exchanged in one step, whoever refers to it. */
START_TEST(test_wrong_set_shape)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!witness_start(&self))
		return;
	engine = check_open();
	check_apply(engine, rules);
	netns_do(
		"ipset create old hash:ip maxelem 65536; ipset add old 6.6.6.6; ipset swap old neti-peers;"
		"ipset destroy old; ipset create neti-peers-new hash:ip family inet6;"
		"iptables-legacy -A FORWARD -m set --match-set neti-peers src;"
		"ipset create others list:set; ipset add others neti-peers");
	check_apply(engine, rules);
	check_equal(engine, rules);
	netns_do(
		"iptables-legacy -S FORWARD | grep neti-peers && ipset list others | grep neti-peers;"
		"iptables-legacy -D FORWARD -m set --match-set neti-peers src; ipset destroy others");
	witness->golden(rules);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* A kernel with IPv6 that lacks ip6tables, for so many calls: stands before the library's. */
static int lacks_ip6tables;

struct xtc_handle *ip6tc_init(const char *name) __attribute__((visibility("default")));
struct xtc_handle *ip6tc_init(const char *name)
{
	static struct xtc_handle *(*next)(const char *);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "ip6tc_init");
	if (lacks_ip6tables-- <= 0)
		return next(name);
	errno = ENOENT;
	return NULL;
}

/* The host is closed as far as it can be, and what is missing is said. */
START_TEST(test_without_ip6tables)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!witness_start(&self))
		return;
	engine = check_open();
	lacks_ip6tables = 100;
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -ENOENT);
	ck_assert_str_eq(check_error.text,
		"the kernel has no ip6tables table filter: modprobe ip6table_filter");
	netns_do(
		"iptables-legacy -S NETI-INPUT | tail -1 | grep DROP && ipset test neti-peers 10.9.0.1");
	rules_remove(rules, "192.168.17.3");
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -ENOENT);
	netns_do("! ipset test neti-peers 10.9.0.1");
	lacks_ip6tables = 1; /* not closed by the next try of the same call: nothing was learned */
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -ENOENT);
	netns_do("! ip6tables-legacy -S NETI-INPUT");
	check_apply(engine, rules);
	check_equal(engine, rules);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

static void add_chains(void)
{
	test_add(test_jump_goes_first, test_update_sees_a_rule_before_ours,
		test_flush_leaves_what_others_hold, test_held_by_others_is_no_drift);
}

static void add_sets(void)
{
	test_add(test_wrong_set_type, test_wrong_set_shape);
}

static void add_kernel(void)
{
	test_add(test_what_the_kernel_has, test_without_ip6tables);
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("iptables");
	const struct test_frame frame = { .timeout = 60 };

	witness_own_cases(suite, &frame, "iptables", "chains", add_chains);
	witness_own_cases(suite, &frame, "iptables", "sets", add_sets);
	witness_own_cases(suite, &frame, "iptables", "kernel", add_kernel);
	return suite;
}
