/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What others do to the rules by hand: each is seen, printed and repaired, as far as they let us.
 */
#include <dlfcn.h>
#include <errno.h>

#include "engine_checks.h"
#include "netns.h"
#include "test.h"

#define SAVED "cd \"$XTABLES_LOCKFILE.d\"; "

static const struct drift {
	const char *damage;
	const char *lines[4]; /* of the difference */
} drifts[] = {
	/* Rules of everybody flushed, with and without the chains. */
	{ "iptables-legacy -F",
		{ "+ -A INPUT -j NETI-INPUT # rule 1\n", "+ -A NETI-INPUT -i lo -j ACCEPT\n",
			"+ -A FORWARD -d 192.168.0.0/18 -j NETI-OUTPUT # rule 1\n" } },
	{ "iptables-legacy -F; iptables-legacy -X", { "+ :NETI-INPUT - [0:0]\n", "+ :NETI-OUTPUT" } },
	{ "iptables-legacy -t nat -F",
		{ "+ -A NETI-192.168.17.0/28 -d 192.168.17.3/32 -j DNAT --to-destination 10.9.0.1\n",
			"+ -A PREROUTING -d 192.168.0.0/18 -j NETI-OVERLAY" } },
	{ "iptables-legacy -t nat -F; iptables-legacy -t nat -X",
		{ "+ :NETI-OVERLAY - [0:0]\n", "+ :NETI-192.168.17.0/28 - [0:0]\n" } },
	{ "ip6tables-legacy -F; ip6tables-legacy -X", { "+ :NETI-INPUT - [0:0]\n", "# ip6tables\n" } },
	/* Somebody's saved file, made before Neti was there, put back. */
	{ SAVED "iptables-legacy-restore < iptables", { "+ :NETI-INPUT - [0:0]\n" } },
	{ SAVED "iptables-legacy-restore < nat", { "+ :NETI-OVERLAY - [0:0]\n" } },
	{ SAVED "ip6tables-legacy-restore < iptables", { "# ip6tables\n", "+ :NETI-INPUT" } },
	{ SAVED "for i in 1 2; do iptables-legacy-restore < iptables; iptables-legacy-restore < nat; done;"
		"ip6tables-legacy-restore < iptables; ipset destroy",
		{ "+ create neti-peers hash:ip", "+ :NETI-OVERLAY", "+ :NETI-INPUT" } },
	/* One own chain or rule. */
	{ "iptables-legacy -F NETI-INPUT", { "+ -A NETI-INPUT -i lo -j ACCEPT\n" } },
	{ "iptables-legacy -F NETI-OUTPUT", { "+ -A NETI-OUTPUT -j REJECT" } },
	{ "iptables-legacy -D NETI-INPUT -m set --match-set neti-peers src -j ACCEPT",
		{ "+ -A NETI-INPUT -m set --match-set neti-peers src -j ACCEPT\n" } },
	{ "iptables-legacy -I NETI-INPUT 3 -s 6.6.6.6 -j ACCEPT",
		{ "- -A NETI-INPUT -s 6.6.6.6/32 -j ACCEPT\n" } },
	{ "iptables-legacy -I NETI-INPUT 3 -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT",
		{ "- -A NETI-INPUT # rule 3, which Neti did not make\n" } },
	{ "iptables-legacy -I NETI-INPUT -j DROP; ip6tables-legacy -I NETI-INPUT -j DROP",
		{ "- -A NETI-INPUT -j DROP\n", "# ip6tables\n" } },
	{ "iptables-legacy -t nat -F NETI-OVERLAY",
		{ "+ -A NETI-OVERLAY -d 192.168.16.0/20 -g NETI-192.168.16.0/20\n" } },
	{ "iptables-legacy -t nat -R NETI-192.168.17.0/28 1 -d 192.168.17.3 -j DNAT "
	  "--to-destination 6.6.6.6",
		{ "- -A NETI-192.168.17.0/28 -d 192.168.17.3/32 -j DNAT --to-destination 6.6.6.6\n" } },
	{ "iptables-legacy -t nat -N NETI-192.168.32.0/28", { "- :NETI-192.168.32.0/28 - [0:0]\n" } },
	{ "iptables-legacy -t nat -E NETI-192.168.17.0/28 NETI-stolen",
		{ "- :NETI-stolen - [0:0]\n", "+ :NETI-192.168.17.0/28 - [0:0]\n" } },
	/* Jump rules: gone, moved, doubled, of another subnet. */
	{ "iptables-legacy -D INPUT -j NETI-INPUT", { "+ -A INPUT -j NETI-INPUT # rule 1\n" } },
	{ "ip6tables-legacy -D INPUT -j NETI-INPUT", { "+ -A INPUT -j NETI-INPUT # rule 1\n" } },
	{ "iptables-legacy -D OUTPUT -d 192.168.0.0/18 -j NETI-OUTPUT",
		{ "+ -A OUTPUT -d 192.168.0.0/18 -j NETI-OUTPUT # rule 1\n" } },
	{ "iptables-legacy -D FORWARD -d 192.168.0.0/18 -j NETI-OUTPUT",
		{ "+ -A FORWARD -d 192.168.0.0/18 -j NETI-OUTPUT # rule 1\n" } },
	{ "iptables-legacy -t nat -D OUTPUT -d 192.168.0.0/18 -j NETI-OVERLAY",
		{ "+ -A OUTPUT -d 192.168.0.0/18 -j NETI-OVERLAY # rule 2\n" } },
	{ "iptables-legacy -t nat -D PREROUTING -j NETI-OVERRIDES",
		{ "+ -A PREROUTING -j NETI-OVERRIDES # rule 1\n" } },
	{ "iptables-legacy -A OUTPUT -d 172.16.0.0/12 -j NETI-OUTPUT",
		{ "- -A OUTPUT -d 172.16.0.0/12 -j NETI-OUTPUT # rule 2\n" } },
	/* Sets. */
	{ "ipset flush", { "+ add neti-peers 10.0.0.1\n", "+ add neti-peers 54.1.2.3\n" } },
	{ "ipset flush neti-peers", { "+ add neti-peers 10.0.0.5\n" } },
	{ "ipset del neti-peers 10.0.0.5", { "+ add neti-peers 10.0.0.5\n" } },
	{ "ipset add neti-peers 66.6.6.6", { "- add neti-peers 66.6.6.6\n" } },
	{ "ipset create neti-old bitmap:port range 1-9", { "- create neti-old bitmap:port" } },
	{ "iptables-legacy -F; iptables-legacy -X; ipset destroy",
		{ "+ create neti-peers hash:ip family inet hashsize 1024 maxelem 1048576\n",
			"+ create neti-denied hash:ip,port", "+ add neti-peers 10.0.0.5\n" } },
	{ "iptables-legacy -F NETI-INPUT; ipset destroy neti-peers; ipset create neti-peers hash:net;"
	  "iptables-legacy -A NETI-INPUT -m set --match-set neti-peers src -j ACCEPT",
		{ "- create neti-peers hash:net family inet", "+ create neti-peers hash:ip family inet",
			"+ add neti-peers 10.0.0.5\n" } },
	{ "iptables-legacy -F NETI-INPUT; ipset destroy neti-denied; ipset create neti-denied hash:ip,port",
		{ "- create neti-denied hash:ip,port family inet", "+ create neti-denied hash:ip,port" } },
	{ "ipset create other hash:ip maxelem 1048576; ipset add other 6.6.6.6; ipset swap other neti-peers;"
	  "ipset destroy other",
		{ "- add neti-peers 6.6.6.6\n", "+ add neti-peers 10.0.0.5\n" } },
};

/* As an administrator's files stand in /etc: without any of ours. */
static void save_before(void)
{
	netns_do("mkdir \"$XTABLES_LOCKFILE.d\"; " SAVED
		 "printf '*filter\\n:INPUT ACCEPT\\n:FORWARD ACCEPT\\n:OUTPUT ACCEPT\\nCOMMIT\\n' > iptables;"
		 "printf '*nat\\n:PREROUTING ACCEPT\\n:INPUT ACCEPT\\n:OUTPUT ACCEPT\\n:POSTROUTING ACCEPT\\n"
		 "COMMIT\\n' > nat");
}

START_TEST(test_is_seen_said_and_repaired)
{
	const struct drift *drift = &drifts[_i];
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!netns_start(&self))
		return;
	save_before();
	engine = check_open();
	check_apply(engine, rules);
	netns_do("%s", drift->damage);
	for (size_t i = 0; i < 4 && drift->lines[i]; i++)
		check_difference(engine, rules, drift->lines[i]);
	check_apply(engine, rules);
	check_equal(engine, rules);
	check_golden(rules);
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
	const struct drift *drift = &drifts[_i];
	struct netns_host self;
	struct engine *engine;
	struct ruleset *from = check_rules(), *to = rules_copy(from);
	int r;

	if (!netns_start(&self))
		return;
	save_before();
	engine = check_open();
	check_apply(engine, from);
	netns_do("%s", drift->damage);
	rules_member(to, "192.168.17.4", "10.9.0.77");
	r = engine_update(engine, from, to, &check_report, &check_error);
	ck_assert_msg(r == 0 || r == -ESTALE, "%s", check_error.text);
	check_apply(engine, to);
	check_equal(engine, to);
	check_golden(to);
	engine_close(engine);
	rules_free(from);
	rules_free(to);
}
END_TEST

/* What somebody else's rule refers to cannot go: emptied once, and then no drift for ever. */
START_TEST(test_held_by_others_is_no_drift)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!netns_start(&self))
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

	if (!netns_start(&self))
		return;
	engine = check_open();
	check_apply(engine, rules);
	netns_do("ipset create old hash:ip maxelem 65536; ipset add old 6.6.6.6; ipset swap old neti-peers;"
		 "ipset destroy old; ipset create neti-peers-new hash:ip family inet6;"
		 "iptables-legacy -A FORWARD -m set --match-set neti-peers src;"
		 "ipset create others list:set; ipset add others neti-peers");
	check_apply(engine, rules);
	check_equal(engine, rules);
	netns_do("iptables-legacy -S FORWARD | grep neti-peers && ipset list others | grep neti-peers;"
		 "iptables-legacy -D FORWARD -m set --match-set neti-peers src; ipset destroy others");
	check_golden(rules);
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

	if (!netns_start(&self))
		return;
	engine = check_open();
	lacks_ip6tables = 100;
	ck_assert_int_eq(engine_apply(engine, rules, &check_report, &check_error), -ENOENT);
	ck_assert_str_eq(check_error.text,
		"the kernel has no ip6tables table filter: modprobe ip6table_filter");
	netns_do("iptables-legacy -S NETI-INPUT | tail -1 | grep DROP && ipset test neti-peers 10.9.0.1");
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

Suite *test_suite(void)
{
	int n = (int)(sizeof(drifts) / sizeof(drifts[0]));
	Suite *suite = suite_create("drift");
	const struct test_frame frame = { .timeout = 60 };

	test_case(suite, &frame, "repair");
	test_add_loop(test_is_seen_said_and_repaired, 0, n);
	test_add_loop(test_change_after_drift, 0, n);
	test_case(suite, &frame, "no-drift");
	test_add(test_held_by_others_is_no_drift);
	test_case(suite, &frame, "missing");
	test_add(test_wrong_set_shape, test_without_ip6tables);
	return suite;
}
