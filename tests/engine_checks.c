/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Engine calls that must succeed, and what the tools say of them.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_checks.h"
#include "netns.h"
#include "test.h"

struct error check_error;
struct engine_report check_report;

struct engine *check_open(void)
{
	struct engine *engine = NULL;

	ck_assert_msg(engine_open(&engine, NULL, NULL, &check_error) == 0, "%s",
		check_error.text);
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

static void write_golden(const struct ruleset *rules)
{
	struct buffer text = { 0 };
	char path[96];
	FILE *file;

	ck_assert_int_eq(engine_render("iptables", rules, &text), 0);
	snprintf(path, sizeof(path), "%s/golden", netns_directory());
	file = fopen(path, "we");
	fputs(buffer_text(&text), file);
	fclose(file);
	buffer_clear(&text);
}

/* Chains come in another order, so rules are put in order of their chains on both sides. */
void check_golden(const struct ruleset *rules)
{
	static const char *const sides[][2] = {
		{ "# iptables", "iptables-legacy-save" }, { "# ip6tables", "ip6tables-legacy-save" }
	};
	const char *directory = netns_directory();

	write_golden(rules);
	for (size_t i = 0; i < 2; i++)
		netns_do("cd %s; export LC_ALL=C; awk '/^# /{on=($0==\"%s\")} on' golden > part;"
			 "%s > real;"
			 "for f in part real; do grep -h '^:NETI' $f | sort > $f.chains;"
			 "grep -h '^-A' $f | sort -s -k2,2 > $f.rules; done;"
			 "diff part.chains real.chains && diff part.rules real.rules",
			directory, sides[i][0], sides[i][1]);
	netns_do("cd %s; export LC_ALL=C; awk '/^# /{on=($0==\"# ipset\")} on && !/^#/' golden | "
		 "sort > part; ipset save | sed 's/ bucketsize.*//' | sort > real; diff part real",
		directory);
}
