/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pairs of hosts that differ in their rules alone, taken in turns.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "figures.h"
#include "pair.h"
#include "path.h"
#include "rules.h"

/* Runs of about a millisecond, so that most are over before a busy machine interrupts them. */
#define ROUNDS 601
#define CONNECTIONS 40
#define STREAM (2 << 20)

#define CONNECT_RATIO 0.85
#define LINEAR_RATIO 1.7
#define STREAM_RATIO 0.83
#define FILTER_RATIO 0.92

struct bench {
	struct engine *engine, *nftables; /* engine: iptables */
	struct ruleset *client, *server;
	char last[ADDRESS_TEXT_MAX]; /* overlay address: the server's */
};

/* What the rules of a pair are. */
enum setup {
	SETUP_CONNTRACK,
	SETUP_FILTER,
	SETUP_TREE,
	SETUP_ONE,
	SETUP_NFTABLES,
	SETUP_UNUSED, /* nftables, and no overlay address is used */
	SETUP_LINEAR,
	SETUPS
};

struct engine *bench_engine(const char *name)
{
	struct settings *settings;
	struct engine *engine = NULL;
	struct error error = { 0 };

	figure_must(settings_new(&settings) == 0 &&
			    settings_set(settings, "engine", name, &error) == 0 &&
			    engine_open(&engine, settings, NULL, &error) == 0,
		name, error.text);
	settings_free(settings);
	return engine;
}

static void command(const char *text)
{
	figure_must(system(text) == 0, text, "failed");
}

static void apply(struct bench *bench, const struct ruleset *rules)
{
	struct error error;

	figure_must(engine_apply(bench->engine, rules, NULL, &error) == 0, "apply", error.text);
}

/* On both hosts: what every packet is asked anyway. */
static void put_conntrack(struct bench *bench, struct ruleset *rules)
{
	(void)bench;
	(void)rules;
	command("iptables-legacy -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
}

/* The sets and the filter table as the engine writes them; the nat table is not even in use. */
static void put_filter(struct bench *bench, struct ruleset *rules)
{
	struct buffer text = { 0 };
	FILE *ipset = popen("ipset restore", "we"), *iptables;
	const char *sets, *tables, *filter, *end;

	(void)bench;
	figure_must(engine_render("iptables", rules, &text) == 0, "render", "out of memory");
	sets = strstr(text.text, "# ipset");
	tables = strstr(sets, "# iptables");
	filter = strstr(tables, "*filter");
	end = strstr(filter, "COMMIT\n") + strlen("COMMIT\n");
	figure_must(ipset && fwrite(sets, 1, (size_t)(tables - sets), ipset) > 0 &&
			    pclose(ipset) == 0,
		"ipset restore", "failed");
	iptables = popen("iptables-legacy-restore", "we");
	figure_must(iptables && fwrite(filter, 1, (size_t)(end - filter), iptables) > 0 &&
			    pclose(iptables) == 0,
		"iptables-legacy-restore", "failed");
	buffer_clear(&text);
}

static void put_tree(struct bench *bench, struct ruleset *rules)
{
	apply(bench, rules);
}

static void put_nftables(struct bench *bench, struct ruleset *rules)
{
	struct error error;

	figure_must(engine_apply(bench->nftables, rules, NULL, &error) == 0, "apply", error.text);
}

/* What any map that is made of DNAT costs at least. */
static void put_one(struct bench *bench, struct ruleset *rules)
{
	char text[256], to[ADDRESS_TEXT_MAX];

	put_conntrack(bench, rules);
	snprintf(text, sizeof(text),
		"iptables-legacy -t nat -A OUTPUT -d %s -j DNAT --to-destination %s", bench->last,
		address_format(&rules->paths[rules->n_paths - 1].target, to));
	command(text);
}

/* The first system's map: one chain, one rule a member. */
static void put_linear(struct bench *bench, struct ruleset *rules)
{
	char from[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];
	FILE *iptables;

	apply(bench, rules);
	iptables = popen("iptables-legacy-restore", "we");
	figure_must(iptables != NULL, "iptables-legacy-restore", "failed");
	fprintf(iptables, "*nat\n:MAP - [0:0]\n-A OUTPUT -j MAP\n");
	for (size_t i = 0; i < rules->n_paths; i++)
		fprintf(iptables, "-A MAP -d %s/32 -j DNAT --to-destination %s\n",
			address_format(&rules->paths[i].overlay, from),
			address_format(&rules->paths[i].target, to));
	fprintf(iptables, "COMMIT\n");
	figure_must(pclose(iptables) == 0, "iptables-legacy-restore", "failed");
}

static void (*const setups[SETUPS])(struct bench *bench, struct ruleset *rules) = {
	[SETUP_CONNTRACK] = put_conntrack,
	[SETUP_FILTER] = put_filter,
	[SETUP_TREE] = put_tree,
	[SETUP_ONE] = put_one,
	[SETUP_NFTABLES] = put_nftables,
	[SETUP_UNUSED] = put_nftables,
	[SETUP_LINEAR] = put_linear,
};

static void make_pair(struct bench *bench, enum setup setup, struct pair *ret)
{
	pair_make(ret);
	pair_enter(ret->client);
	setups[setup](bench, bench->client);
	pair_enter(ret->server);
	setups[setup](bench, bench->server);
}

/* Members as in the other figures, but the last is the other host of the pair. */
static struct ruleset *make_rules(size_t members, const char *peer)
{
	struct ruleset *rules = rules_new(members > 16000 ? "10.128.0.0/15" : "192.168.0.0/18");
	struct address address;

	rules_fill(rules, members);
	address_parse(peer, &address);
	rules->paths[members - 1].target = rules->peers[members - 1] = address;
	rules->policy.reject_all = true;
	rules_open(rules, IPPROTO_TCP, 80, 80);
	return rules;
}

/* One processor: a thread that moves loses its cache in the middle of a run. */
static void stay_here(void)
{
	cpu_set_t here;
	int processor = sched_getcpu();

	CPU_ZERO(&here);
	CPU_SET(processor < 0 ? 0 : processor, &here);
	sched_setaffinity(0, sizeof(here), &here);
}

struct runs {
	double rate[ROUNDS];
};

static void print(const char *name, size_t members, const char *unit, struct runs *runs,
	struct runs *reference, double goal)
{
	struct figure figure = { name, members, unit, goal > 0 ? GOAL_AT_LEAST : GOAL_NONE, goal,
		reference ? figure_hundredth(reference->rate, ROUNDS, 50) : 0 };

	figure_print(&figure, figure_hundredth(runs->rate, ROUNDS, 50));
}

static void connect_figures(struct bench *bench, struct pair pairs[SETUPS], size_t members)
{
	static struct runs runs[SETUPS];

	for (unsigned round = 0; round < ROUNDS; round++)
		for (enum setup setup = 0; setup < SETUPS; setup++) {
			bool direct = setup == SETUP_CONNTRACK || setup == SETUP_FILTER ||
				      setup == SETUP_UNUSED;

			runs[setup].rate[round] =
				pair_connect(&pairs[setup], direct ? SERVER : bench->last,
					setup == SETUP_LINEAR ? CONNECTIONS / 10 : CONNECTIONS);
		}
	print("path-connect", members, "1/s", &runs[SETUP_TREE], &runs[SETUP_CONNTRACK],
		CONNECT_RATIO);
	print("path-connect-linear", members, "1/s", &runs[SETUP_TREE], &runs[SETUP_LINEAR],
		LINEAR_RATIO);
	print("path-connect-one-dnat", members, "1/s", &runs[SETUP_TREE], &runs[SETUP_ONE], 0);
	print("nftables-path-connect", members, "1/s", &runs[SETUP_NFTABLES],
		&runs[SETUP_CONNTRACK], CONNECT_RATIO);
	print("nftables-path-filter", members, "1/s", &runs[SETUP_UNUSED], &runs[SETUP_CONNTRACK],
		FILTER_RATIO);
	print("path-filter", members, "1/s", &runs[SETUP_FILTER], &runs[SETUP_CONNTRACK],
		FILTER_RATIO);
}

static void stream_figures(struct bench *bench, struct pair pairs[SETUPS], size_t members)
{
	static const enum setup sides[] = { SETUP_CONNTRACK, SETUP_TREE, SETUP_ONE,
		SETUP_NFTABLES };
	static struct runs runs[4];

	for (size_t i = 0; i < 4; i++)
		pair_open_stream(&pairs[sides[i]], i ? bench->last : SERVER);
	for (unsigned round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < 4; i++)
			runs[i].rate[round] = pair_stream(&pairs[sides[i]], STREAM);
	print("path-stream", members, "MB/s", &runs[1], &runs[0], STREAM_RATIO);
	print("nftables-path-stream", members, "MB/s", &runs[3], &runs[0], STREAM_RATIO);
	print("path-stream-one-dnat", members, "MB/s", &runs[1], &runs[2], 0);
}

void path_figures(size_t members)
{
	struct bench bench = { .client = make_rules(members, SERVER),
		.server = make_rules(members, CLIENT) };
	struct pair pairs[SETUPS];

	address_format(&bench.client->paths[members - 1].overlay, bench.last);
	stay_here();
	bench.engine = bench_engine("iptables");
	bench.nftables = bench_engine("nftables");
	for (enum setup setup = 0; setup < SETUPS; setup++)
		make_pair(&bench, setup, &pairs[setup]);
	connect_figures(&bench, pairs, members);
	stream_figures(&bench, pairs, members);
	engine_close(bench.engine);
	engine_close(bench.nftables);
	rules_free(bench.client);
	rules_free(bench.server);
}
