/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ruleset in the words of iptables: pure, no kernel.
 */
#include <errno.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/iptables/render.h"
#include "rules.h"
#include "test.h"

static void assert_text(const struct ruleset *rules, const char *wanted)
{
	struct buffer text = { 0 };

	ck_assert_int_eq(engine_render("iptables", rules, &text), 0);
	ck_assert_str_eq(buffer_text(&text), wanted);
	buffer_clear(&text);
}

START_TEST(test_open_host)
{
	struct ruleset *rules = rules_new("192.168.0.0/18");

	rules_member(rules, "192.168.17.3", "10.0.0.1");
	rules_member(rules, "192.168.17.4", "54.1.2.3");
	rules_open(rules, IPPROTO_TCP, 80, 80);
	rules_open(rules, IPPROTO_UDP, 8000, 8100);
	rules_ssh(rules, "2001:db8::/32");
	assert_text(rules,
		"# iptables\n"
		"*nat\n"
		":NETI-192.168.17.0/28 - [0:0]\n"
		":NETI-192.168.17.0/24 - [0:0]\n"
		":NETI-192.168.16.0/20 - [0:0]\n"
		":NETI-OVERLAY - [0:0]\n"
		"-A OUTPUT -d 192.168.0.0/18 -j NETI-OVERLAY\n"
		"-A NETI-192.168.17.0/28 -d 192.168.17.3/32 -j DNAT --to-destination 10.0.0.1\n"
		"-A NETI-192.168.17.0/28 -d 192.168.17.4/32 -j DNAT --to-destination 54.1.2.3\n"
		"-A NETI-192.168.17.0/24 -d 192.168.17.0/28 -g NETI-192.168.17.0/28\n"
		"-A NETI-192.168.16.0/20 -d 192.168.17.0/24 -g NETI-192.168.17.0/24\n"
		"-A NETI-OVERLAY -d 192.168.16.0/20 -g NETI-192.168.16.0/20\n"
		"COMMIT\n"
		"# ipset\n"
		"create neti-peers hash:ip family inet hashsize 1024 maxelem 1048576\n"
		"create neti-denied hash:ip,port family inet hashsize 1024 maxelem 65536 timeout 3600 counters\n"
		"add neti-peers 10.0.0.1\n"
		"add neti-peers 54.1.2.3\n"
		"# iptables\n"
		"*filter\n"
		":NETI-INPUT - [0:0]\n"
		":NETI-OUTPUT - [0:0]\n"
		"-A INPUT -j NETI-INPUT\n"
		"-A OUTPUT -d 192.168.0.0/18 -j NETI-OUTPUT\n"
		"-A NETI-INPUT -i lo -j ACCEPT\n"
		"-A NETI-INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
		"-A NETI-INPUT -m set --match-set neti-peers src -j ACCEPT\n"
		"-A NETI-INPUT -d 224.0.0.0/4 -p igmp -j ACCEPT\n"
		"-A NETI-INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT\n"
		"-A NETI-INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n"
		"-A NETI-INPUT -p udp -m udp --dport 8000:8100 -j ACCEPT\n"
		"-A NETI-INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m set ! --match-set neti-denied src,dst -j SET --add-set neti-denied src,dst\n"
		"-A NETI-INPUT -p udp -m set ! --match-set neti-denied src,dst -j SET --add-set neti-denied src,dst\n"
		"-A NETI-INPUT -j RETURN\n"
		"-A NETI-OUTPUT -j REJECT --reject-with icmp-host-unreachable\n"
		"COMMIT\n");
	rules_free(rules);
}
END_TEST

START_TEST(test_closed_host)
{
	struct ruleset *rules = rules_new("10.128.0.0/9");
	struct buffer text = { 0 };
	static const char *const lines[] = {
		":NETI-OVERRIDES - [0:0]\n",
		"-A PREROUTING -j NETI-OVERRIDES\n-A PREROUTING -d 10.128.0.0/9 -j NETI-OVERLAY\n",
		"-A OUTPUT -j NETI-OVERRIDES\n-A OUTPUT -d 10.128.0.0/9 -j NETI-OVERLAY\n",
		"-A NETI-OVERRIDES -d 172.31.0.2/32 -j DNAT --to-destination 10.0.0.2\n",
		"-A NETI-OVERLAY -d 10.128.0.9/32 -j DNAT --to-destination 10.0.0.3\n",
		"-A FORWARD -d 10.128.0.0/9 -j NETI-OUTPUT\n",
		"--match-set neti-peers src -j ACCEPT\n-A NETI-INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN "
		"-m conntrack --ctstate NEW -j DROP\n-A NETI-INPUT -d 224.0.0.0/4 -p igmp -j ACCEPT\n"
		"-A NETI-INPUT -s 10.77.0.0/16 -j ACCEPT\n"
		"-A NETI-INPUT -s 203.0.113.7/32 -p tcp -m tcp --dport 22 -j ACCEPT\n"
		"-A NETI-INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m set ! --match-set",
		"-A NETI-INPUT -j DROP\n",
		"# ip6tables\n*filter\n:NETI-INPUT - [0:0]\n-A INPUT -j NETI-INPUT\n"
		"-A NETI-INPUT -i lo -j ACCEPT\n-A NETI-INPUT -m conntrack",
		"-A NETI-INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT\n",
		"-A NETI-INPUT -s fe80::/10 -d fe80::/10 -p udp -m udp --dport 546 -j ACCEPT\n"
		"-A NETI-INPUT -s fd00:77::/32 -j ACCEPT\n"
		"-A NETI-INPUT -s 2001:db8::/32 -p tcp -m tcp --dport 22 -j ACCEPT\n"
		"-A NETI-INPUT -j DROP\nCOMMIT\n",
	};

	rules_trust(rules, "10.77.0.0/16");
	rules_trust(rules, "fd00:77::/32");
	rules_ssh(rules, "203.0.113.7/32");
	rules_ssh(rules, "2001:db8::/32");
	rules_override(rules, "172.31.0.2", "10.0.0.2");
	rules_override(rules, "10.128.0.9", "10.0.0.3");
	rules->policy.reject_all = true;
	rules->policy.forwarded = true;
	rules->policy.icmp = false;
	ck_assert_int_eq(engine_render("iptables", rules, &text), 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(strstr(buffer_text(&text), lines[i]) != NULL, "no \"%s\" in:\n%s",
			lines[i], buffer_text(&text));
	buffer_clear(&text);
	ck_assert_int_lt(engine_render("carrier-pigeon", rules, &text), 0);
	rules_free(rules);
}
END_TEST

struct shape {
	size_t chains, rules, longest;
	char seen[64][CHAIN_NAME_SIZE]; /* the first few, to see that goto targets come first */
};

static int measure(void *data, const struct chain *chain)
{
	struct shape *shape = data;

	for (size_t i = 0; i < chain->length; i++) {
		bool found = chain->rules[i].target != RULE_GOTO || shape->chains >= 64;

		for (size_t j = 0; j < shape->chains && !found; j++)
			found = strcmp(shape->seen[j], chain->rules[i].chain) == 0;
		ck_assert(found);
	}
	if (shape->chains < 64)
		memcpy(shape->seen[shape->chains], chain->name, sizeof(chain->name));
	shape->chains++;
	shape->rules += chain->length;
	shape->longest = chain->length > shape->longest ? chain->length : shape->longest;
	return 0;
}

/* Number of chains and rules for subnets of every kind of length. */
START_TEST(test_tree)
{
	static const struct {
		const char *overlay;
		size_t members, chains, rules;
	} cases[] = {
		{ "192.168.0.0/18", 0, 1, 0 },
		{ "192.168.0.0/18", 1, 4, 4 },
		{ "192.168.0.0/18", 16, 5, 16 + 4 },
		{ "192.168.0.0/18", 16000, 1 + 4 + 63 + 1001, 16000 + 4 + 63 + 1001 },
		{ "10.0.0.0/15", 64000, 1 + 1 + 16 + 251 + 4001, 64000 + 1 + 16 + 251 + 4001 },
		{ "192.168.0.0/24", 254, 1 + 16, 254 + 16 },
		{ "192.168.0.0/27", 30, 1 + 2, 30 + 2 },
		{ "192.168.0.16/28", 14, 1, 14 },
		{ "192.168.0.4/30", 2, 1, 2 },
		{ "0.0.0.0/0", 1, 8, 8 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ruleset *rules = rules_new(cases[i].overlay);
		struct shape shape = { 0 };

		rules_fill(rules, cases[i].members);
		ck_assert_int_eq(render_visit(rules, TABLE_NAT, true, measure, &shape), 0);
		ck_assert_msg(shape.chains == cases[i].chains && shape.rules == cases[i].rules,
			"%s: %zu chains, %zu rules", cases[i].overlay, shape.chains, shape.rules);
		ck_assert_uint_le(shape.longest, 16);
		rules_free(rules);
	}
}
END_TEST

static int refuse(void *data, const struct chain *chain)
{
	(void)chain;
	return --*(int *)data ? 0 : -ENOMEM;
}

START_TEST(test_visit_stops)
{
	struct ruleset *rules = rules_new("192.168.0.0/18");

	rules_fill(rules, 100);
	rules_override(rules, "1.2.3.4", "10.0.0.1");
	for (int calls = 1; calls <= 12; calls++) { /* 7 + 1 + 1 nodes, root, overrides */
		int left = calls;

		ck_assert_int_eq(render_visit(rules, TABLE_NAT, true, refuse, &left),
			calls <= 11 ? -ENOMEM : 0);
	}
	rules_free(rules);
}
END_TEST

START_TEST(test_own)
{
	static const struct {
		const char *name;
		bool own;
	} names[] = { { "NETI-INPUT", true }, { "NETI-192.168.0.0/28", true },
		{ "NETI-SOMETHING", true }, { "NETI-PROXY", false }, { "NETI", false },
		{ "INPUT", false }, { "neti-input", false } };
	struct rule rule = { .target = RULE_JUMP, .set = SET_NONE };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_int_eq(render_is_own(names[i].name), names[i].own);
	strcpy(rule.chain, CHAIN_INPUT);
	ck_assert(render_is_jump(TABLE_FILTER, "INPUT", &rule));
	ck_assert(!render_is_jump(TABLE_FILTER, "FORWARD", &rule));
	ck_assert(!render_is_jump(TABLE_NAT, "INPUT", &rule));
	prefix_parse("10.0.0.0/8", &rule.match.destination);
	ck_assert(!render_is_jump(TABLE_FILTER, "INPUT", &rule));
	strcpy(rule.chain, CHAIN_OUTPUT);
	ck_assert(render_is_jump(TABLE_FILTER, "OUTPUT", &rule));
	rule.match.source = rule.match.destination;
	ck_assert(!render_is_jump(TABLE_FILTER, "OUTPUT", &rule));
}
END_TEST

START_TEST(test_hashsize)
{
	ck_assert_uint_eq(render_hashsize(0), 1024);
	ck_assert_uint_eq(render_hashsize(1024), 1024);
	ck_assert_uint_eq(render_hashsize(1025), 2048);
	ck_assert_uint_eq(render_hashsize(64000), 65536);
	ck_assert_uint_eq(render_hashsize(100000000), 1048576);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("render");

	test_case(suite, NULL, "hosts");
	test_add(test_open_host, test_closed_host);
	test_case(suite, NULL, "tree");
	test_add(test_tree, test_visit_stops);
	test_case(suite, NULL, "own");
	test_add(test_own);
	test_case(suite, NULL, "sizes");
	test_add(test_hashsize);
	return suite;
}
