/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What it costs to bring rules into the kernel, and what they cost the packets:
 * bench/rules [MEMBERS...]. Runs in network namespaces of its own; prints one line a figure.
 * A figure and its reference are taken in turns, so that a busy machine slows both.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/iptables/sets.h"
#include "figures.h"
#include "path.h"
#include "rules.h"

#define RUNS_MAX 128
#define SET_MICROSECONDS 100
#define VERIFY_MEMBERS 16000
#define PATH_MEMBERS 16000

/* The engines, and the same work done by the programs of the kernel's interface. $FOLDER/all is the
 * text of the engine, split by its headings. */
static const struct engine_tools {
	const char *name;
	size_t most; /* members */
	const char *build, *change;
	double build_ratio, change_ratio, change_microseconds, again_microseconds,
		verify_milliseconds;
} tools[] = {
	{ "nftables", 200000, "nft -f all", "nft add element inet neti peers '{ 9.9.9.9 }'", 0.4,
		0.02, 100, 20, 25 },
	{ "iptables", 64000,
		"ipset restore < ipset && iptables-legacy-restore -n < iptables && "
		"ip6tables-legacy-restore -n < ip6tables",
		"ipset add neti-peers 9.9.9.9 && iptables-legacy -t nat -A NETI-OVERLAY -d 9.9.9.9 -j DNAT "
		"--to-destination 8.8.8.8",
		0.5, 0, 0, 0, 30 },
};

struct bench {
	const struct engine_tools *tools;
	struct engine *engine;
	struct ruleset_diff there, back; /* from the rules to the other ones */
	struct ruleset *rules, *other;	 /* other: one member has moved */
	size_t members;
	unsigned runs;
	struct error error;
	struct engine_report report;
	bool moved;
	char directory[64];
};

struct runs {
	double runs[RUNS_MAX], references[RUNS_MAX];
	unsigned n;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void must(int good, const char *what, const struct error *error)
{
	if (good)
		return;
	fprintf(stderr, "bench/rules: %s: %s\n", what, error ? error->text : strerror(errno));
	exit(EXIT_FAILURE);
}

/* goal: of the ratio when there is a reference, else of the median; 0: none. */
static void print(const struct bench *bench, const char *name, double value, const char *unit,
	double reference, double goal)
{
	char full[64];
	struct figure figure = { full, bench->members, unit, goal > 0 ? GOAL_AT_MOST : GOAL_NONE,
		goal, reference };

	snprintf(full, sizeof(full), "%s-%s", bench->tools->name, name);
	figure_print(&figure, value);
}

static void print_runs(const struct bench *bench, const char *name, struct runs *runs, double unit,
	const char *unit_name, double goal)
{
	double reference =
		runs->references[0] > 0 ? figure_hundredth(runs->references, runs->n, 50) : 0;

	print(bench, name, figure_hundredth(runs->runs, runs->n, 50) * unit, unit_name,
		reference * unit, goal);
}

static double flush(struct bench *bench)
{
	double start = now();

	must(engine_flush(bench->engine, NULL, &bench->error) == 0, "flush", &bench->error);
	return now() - start;
}

static double apply(struct bench *bench)
{
	double start = now();

	must(engine_apply(bench->engine, bench->rules, &bench->report, &bench->error) == 0, "apply",
		&bench->error);
	bench->moved = false;
	return now() - start;
}

static double command(const char *text)
{
	double start = now();

	must(system(text) == 0, text, NULL);
	return now() - start;
}

/* The same rules as the tools take them. */
static void write_text(struct bench *bench)
{
	struct buffer text = { 0 };
	char path[96], split[400];
	FILE *file;

	must(engine_render(bench->tools->name, bench->rules, &text) == 0, "render", NULL);
	snprintf(path, sizeof(path), "%s/all", bench->directory);
	file = fopen(path, "we");
	must(file != NULL, path, NULL);
	fwrite(text.text, 1, text.length, file);
	fclose(file);
	buffer_clear(&text);
	snprintf(split, sizeof(split),
		"cd %s && for part in ipset iptables ip6tables; do "
		"awk -v part=\"# $part\" '/^# /{ on = ($0 == part) } on && !/^# /' all > $part; done",
		bench->directory);
	command(split);
}

static void bench_build(struct bench *bench)
{
	struct runs build = { .n = bench->runs };
	char restore[256];

	write_text(bench);
	snprintf(restore, sizeof(restore), "cd %s && %s", bench->directory, bench->tools->build);
	for (unsigned i = 0; i < build.n; i++) {
		build.runs[i] = apply(bench);
		flush(bench);
		build.references[i] = command(restore);
		flush(bench);
	}
	print_runs(bench, "build", &build, 1e3, "ms", bench->tools->build_ratio);
}

static double change(struct bench *bench)
{
	const struct ruleset *from = bench->moved ? bench->other : bench->rules;
	const struct ruleset *to = bench->moved ? bench->rules : bench->other;
	double start = now();

	must(engine_change(bench->engine, from, to, bench->moved ? &bench->back : &bench->there,
		     &bench->report, &bench->error) == 0,
		"change", &bench->error);
	bench->moved = !bench->moved;
	return now() - start;
}

/* From the call to the commit, with the difference at hand. */
static void bench_change(struct bench *bench)
{
	struct runs beside_tools = { .n = bench->runs }, alone = { .n = bench->runs * 7 };

	for (unsigned i = 0; i < beside_tools.n; i++) {
		beside_tools.runs[i] = change(bench);
		beside_tools.references[i] = command(bench->tools->change);
		apply(bench);
	}
	print_runs(bench, "change", &beside_tools, 1e3, "ms", bench->tools->change_ratio);
	for (unsigned i = 0; i < alone.n; i++)
		alone.runs[i] = change(bench);
	print_runs(bench, "change-alone", &alone, 1e6, "us", bench->tools->change_microseconds);
	apply(bench);
}

/* The set's part of a change alone. */
static void bench_set_part(struct bench *bench)
{
	struct runs figure = { .n = bench->runs * 7 };
	struct address address;

	address_parse("9.9.9.9", &address);
	for (unsigned i = 0; i < figure.n; i++) {
		size_t add = i % 2 == 0;
		double start = now();

		must(iptables_sets_change(&address, add, &address, !add, &bench->report,
			     &bench->error) == 0,
			"set", &bench->error);
		figure.runs[i] = now() - start;
	}
	print_runs(bench, "change-set", &figure, 1e6, "us", SET_MICROSECONDS);
	apply(bench);
}

/* A member that is seen from another address: no table. */
static void bench_peers(struct bench *bench)
{
	struct ruleset *other = rules_copy(bench->rules);
	struct runs figure = { .n = bench->runs * 7 };

	other->peers[other->n_peers - 1].bytes[1] = 200;
	for (unsigned i = 0; i < figure.n; i++) {
		bool back = i % 2;
		double start = now();

		must(engine_update(bench->engine, back ? other : bench->rules,
			     back ? bench->rules : other, &bench->report, &bench->error) == 0,
			"update", &bench->error);
		figure.runs[i] = now() - start;
	}
	print_runs(bench, "change-peers", &figure, 1e6, "us", 0);
	rules_free(other);
	apply(bench);
}

static void bench_again(struct bench *bench)
{
	struct runs figure = { .n = bench->runs };
	unsigned changes = 0;

	for (unsigned i = 0; i < figure.n; i++) {
		figure.runs[i] = apply(bench);
		changes += bench->report.changed;
	}
	print_runs(bench, "again", &figure, 1e6, "us", bench->tools->again_microseconds);
	must(changes == 0, "applying once more changed something", NULL);
}

static void bench_verify(struct bench *bench)
{
	struct runs figure = { .n = bench->runs };

	for (unsigned i = 0; i < figure.n; i++) {
		struct buffer diff = { 0 };
		double start = now();
		int r = engine_compare(bench->engine, bench->rules, &diff, &bench->error);

		figure.runs[i] = now() - start;
		must(r == 0, "verify", &bench->error);
		buffer_clear(&diff);
	}
	print_runs(bench, "verify", &figure, 1e3, "ms",
		bench->members == VERIFY_MEMBERS ? bench->tools->verify_milliseconds : 0);
}

static long peak_kilobytes(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* In a child of its own: what the whole build adds to the most that the process ever held. */
static void bench_memory(struct bench *bench)
{
	int pipe_ends[2];
	long growth = 0;
	pid_t pid;

	flush(bench);
	must(pipe(pipe_ends) == 0, "pipe", NULL);
	pid = fork();
	must(pid >= 0, "fork", NULL);
	if (pid == 0) {
		growth = peak_kilobytes();
		apply(bench);
		growth = peak_kilobytes() - growth;
		_exit(write(pipe_ends[1], &growth, sizeof(growth)) != sizeof(growth));
	}
	waitpid(pid, NULL, 0);
	must(read(pipe_ends[0], &growth, sizeof(growth)) == sizeof(growth), "memory", NULL);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	print(bench, "memory", (double)growth / 1024, "MB", 0, 0);
}

static void prepare(struct bench *bench, size_t members)
{
	size_t middle = members / 2;

	bench->members = members;
	bench->runs = members > 20000 ? 9 : 17;
	bench->rules = rules_new(members > 100000 ? "10.128.0.0/10" :
				 members > 16000  ? "10.128.0.0/15" :
						    "192.168.0.0/18");
	rules_fill(bench->rules, members);
	bench->rules->policy.reject_all = true;
	rules_open(bench->rules, IPPROTO_TCP, 80, 80);
	bench->other = rules_copy(bench->rules);
	bench->other->paths[middle].target.bytes[1] = 200;
	bench->other->peers[members - 1].bytes[1] = 200;
	bench->rules->serial = ruleset_new_serial();
	bench->other->serial = ruleset_new_serial();
	must(ruleset_diff(&bench->there, bench->rules, bench->other) == 0 &&
			ruleset_diff(&bench->back, bench->other, bench->rules) == 0,
		"diff", NULL);
}

static void run(const struct engine_tools *engine, size_t members)
{
	struct bench bench = { .tools = engine, .directory = "/tmp/neti-bench-XXXXXX" };
	char remove[96];

	must(mkdtemp(bench.directory) != NULL, "mkdtemp", NULL);
	snprintf(remove, sizeof(remove), "%s/xtables.lock", bench.directory);
	setenv("XTABLES_LOCKFILE", remove, 1);
	bench.engine = bench_engine(engine->name);
	prepare(&bench, members);
	bench_memory(&bench);
	flush(&bench);
	bench_build(&bench);
	apply(&bench);
	bench_change(&bench);
	if (strcmp(engine->name, "iptables") == 0)
		bench_set_part(&bench);
	bench_peers(&bench);
	bench_again(&bench);
	bench_verify(&bench);
	flush(&bench);
	ruleset_diff_clear(&bench.there);
	ruleset_diff_clear(&bench.back);
	rules_free(bench.rules);
	rules_free(bench.other);
	engine_close(bench.engine);
	snprintf(remove, sizeof(remove), "rm -rf %s", bench.directory);
	command(remove);
}

static void map_self(const char *path, unsigned id)
{
	FILE *file = fopen(path, "we");

	must(file != NULL, path, NULL);
	fprintf(file, "0 %u 1", id);
	fclose(file);
}

static void leave(void)
{
	unsigned user = geteuid();

	if (user == 0) {
		must(unshare(CLONE_NEWNET) == 0, "no network namespace", NULL);
		return;
	}
	must(unshare(CLONE_NEWUSER) == 0, "no user namespace", NULL);
	map_self("/proc/self/uid_map", user);
	must(unshare(CLONE_NEWNET) == 0, "no network namespace", NULL);
}

/* In a process of its own, so that no memory of an earlier size is reused. */
static void run_alone(const struct engine_tools *engine, size_t members)
{
	pid_t pid = fork();
	int status;

	must(pid >= 0, "fork", NULL);
	if (pid == 0) {
		if (engine)
			run(engine, members);
		else
			path_figures(members);
		exit(EXIT_SUCCESS);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0, "a run", NULL);
}

int main(int argc, char **argv)
{
	static const char *const usual[] = { "1000", "8000", "16000", "64000", "200000" };
	const char *const *sizes = argc > 1 ? (const char *const *)argv + 1 : usual;
	int n = argc > 1 ? argc - 1 : 5;

	leave();
	figure_machine();
	for (int i = 0; i < n; i++) {
		unsigned long members = strtoul(sizes[i], NULL, 10);

		must(members > 0 && members <= 200000, "members: 1 to 200000", NULL);
		for (size_t engine = 0; engine < sizeof(tools) / sizeof(*tools); engine++)
			if (members <= tools[engine].most)
				run_alone(&tools[engine], members);
		if (members == PATH_MEMBERS)
			run_alone(NULL, members);
	}
	return EXIT_SUCCESS;
}
