/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a fleet costs: a real ZooKeeper server, thousands of simulated members in one session,
 * and agents with rules in namespaces that follow them. bench/fleet
 * [allocation|churn|commands|MEMBERS]...
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocation.h"
#include "base/clock.h"
#include "commands.h"
#include "figures.h"
#include "gap.h"
#include "registry/registry.h"
#include "simulated.h"
#include "watcher.h"
#include "zookeeper_server.h"

#define GOALS_UP_TO 16000 /* members; above it what a change costs has a goal alone */
#define WATCHERS 2
#define SAMPLES 40
#define QUIET_MS 700	    /* between two single changes, and some at random: below the pace */
#define QUIET_FILES_MS 4000 /* until all files are written */
#define BYTES_SAMPLES 10
#define CPU_SAMPLES 30 /* ten members that come, move and go */
#define DELAY_MS 200   /* the fleet's removal_delay here */
#define BURST 1000
#define PLACES 200000u /* a member moves by so many private addresses */
#define CHURN_FLEET 500
#define CHURN 100000u
#define FOLDER "/tmp/neti-bench-fleet"

static struct zookeeper_server *server;
static char inside[200], outside[200]; /* the registry for watchers, and from here */

static double now(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

static void pause_ms(unsigned ms)
{
	usleep(ms * 1000);
}

static void name_registry(const char *root)
{
	unsigned port = zookeeper_server_port(server);

	snprintf(inside, sizeof(inside), "zookeeper://HOST:%u/%s", port, root);
	snprintf(outside, sizeof(outside), "zookeeper://127.0.0.1:%u/%s", port, root);
}

static struct fleet_settings make_fleet(const char *root, unsigned max_removals_percent)
{
	struct fleet_settings settings;
	struct registry_config config = {
		.uri = outside, .session_timeout_ms = 20000, .initial = &settings
	};
	struct registry *registry;
	struct prefix subnet;
	struct error error;

	name_registry(root);
	prefix_parse("10.64.0.0/15", &subnet);
	fleet_settings_default(&settings, &subnet);
	settings.removal_delay_ms = DELAY_MS;
	settings.max_removals_percent = max_removals_percent;
	figure_must(registry_open(&registry, &config, NULL, &error) == 0 &&
			    registry_fleet(registry, &settings, 20000, &error) >= 0,
		"fleet", error.text);
	registry_close(registry);
	return settings;
}

/* --- a fleet of one size ------------------------------------------------------------------ */

struct bench {
	struct simulator *simulator;
	struct watcher watchers[WATCHERS];
	unsigned members;
	unsigned long then;		     /* members when the watchers' counts began */
	unsigned long added, moved, removed; /* that the watchers must have seen */
};

static void open_bench(struct bench *bench, const char *root, unsigned members,
	unsigned max_removals_percent)
{
	struct fleet_settings settings = make_fleet(root, max_removals_percent);

	*bench = (struct bench){ .members = members, .then = members };
	bench->simulator = simulator_open(outside, &settings, 20000);
	for (unsigned i = 0; i < members; i++)
		simulated_join(bench->simulator, i, i);
	figure_must(simulator_wait(bench->simulator, 0) == 0, "members", "do not join");
}

static void close_bench(struct bench *bench)
{
	for (unsigned i = 0; i < WATCHERS; i++)
		if (bench->watchers[i].pid)
			watcher_stop(&bench->watchers[i]);
	simulator_close(bench->simulator);
}

static void must_see(struct bench *bench, const char *what)
{
	for (unsigned i = 0; i < WATCHERS; i++)
		figure_must(!bench->watchers[i].pid ||
				    watcher_wait(&bench->watchers[i], bench->added, bench->moved,
					    bench->removed, 60),
			what, "never in the kernel");
}

static enum figure_goal at_most(const struct bench *bench)
{
	return bench->members <= GOALS_UP_TO ? GOAL_AT_MOST : GOAL_NONE;
}

static void cold_start(struct bench *bench)
{
	struct figure start = { "cold-start", bench->members, "ms", at_most(bench), 120, 0 };
	struct figure memory = { "memory", bench->members, "MB", at_most(bench), 20, 0 };
	struct watcher *watcher = bench->watchers;
	double runs[5];

	for (unsigned i = 0; i < 5; i++) {
		watcher_start(watcher, 10 + i, FOLDER, inside);
		figure_must(watcher_wait(watcher, bench->members, 0, 0, 60), "start", "never done");
		runs[i] = (watcher->applied - watcher->started) * 1e3;
		if (i < 4)
			watcher_stop(watcher);
	}
	figure_print(&start, figure_hundredth(runs, 5, 50));
	pause_ms(500);
	figure_print(&memory, watcher_peak(watcher));
	watcher_stop(watcher);
	watcher->pid = 0;
}

/* Until it holds the fleet as it is now; what it tells later counts from there. */
static void start_watcher(struct bench *bench, unsigned i)
{
	bench->then += bench->added - bench->removed;
	watcher_start(&bench->watchers[i], 20 + i, FOLDER, inside);
	figure_must(watcher_wait(&bench->watchers[i], bench->then, 0, 0, 60), "start",
		"never in the kernel");
	for (unsigned w = 0; w <= i; w++)
		watcher_rebase(&bench->watchers[w]);
	bench->added = bench->moved = bench->removed = 0;
}

enum change { JOIN, MOVE, LEAVE };

static void launch(struct bench *bench, enum change change, unsigned n)
{
	switch (change) {
	case JOIN:
		simulated_join(bench->simulator, n, n);
		bench->added++;
		break;
	case MOVE:
		simulated_move(bench->simulator, n, n, n + PLACES);
		bench->moved++;
		break;
	case LEAVE:
		simulated_leave(bench->simulator, n, n + PLACES);
		bench->removed++;
		break;
	}
}

/* Of one agent: two in one kernel wait for each other at the lock of its tables, hosts do not. */
static void single_changes(struct bench *bench, enum change change, const char *name)
{
	struct figure median = { name, bench->members, "ms", at_most(bench), 8, 0 };
	struct figure slow = { "", bench->members, "ms", at_most(bench), 25, 0 };
	double runs[SAMPLES], delay = change == LEAVE ? DELAY_MS : 0;
	char slow_name[64];

	for (unsigned i = 0; i < SAMPLES; i++) {
		double begin;

		pause_ms(QUIET_MS + (unsigned)rand() % 100);
		begin = now();
		launch(bench, change, bench->members + i);
		simulator_wait(bench->simulator, 0);
		must_see(bench, name);
		runs[i] = (bench->watchers[0].applied - begin) * 1e3 - delay;
	}
	figure_print(&median, figure_hundredth(runs, SAMPLES, 50));
	snprintf(slow_name, sizeof(slow_name), "%s-p99", name);
	slow.name = slow_name;
	figure_print(&slow, figure_hundredth(runs, SAMPLES, 99));
}

/* What one change makes a host read, beside the whole list. */
static void bytes_per_change(struct bench *bench, double whole)
{
	struct figure figure = { "bytes-per-change", bench->members, "bytes", GOAL_AT_MOST, 1. / 32,
		whole };
	struct watcher *watcher = &bench->watchers[0];
	double before, pings;

	pause_ms(1000);
	before = watcher_received(watcher);
	pause_ms(2000);
	pings = (watcher_received(watcher) - before) / 2;
	before = watcher_received(watcher);
	for (unsigned i = 0; i < BYTES_SAMPLES; i++) {
		launch(bench, JOIN, bench->members + SAMPLES + i);
		simulator_wait(bench->simulator, 0);
		must_see(bench, figure.name);
		pause_ms(200);
	}
	figure_print(&figure, (watcher_received(watcher) - before - 2 * pings) / BYTES_SAMPLES);
}

/* What an agent works for one change, with all that follows from it: files, looks at the kernel. */
static void cpu_per_change(struct bench *bench)
{
	struct figure figure = { "cpu-per-change", bench->members, "ms", GOAL_AT_MOST, 5, 0 };
	struct watcher *watcher = &bench->watchers[0];
	double cpu, idle, begin;

	pause_ms(QUIET_FILES_MS);
	begin = now();
	cpu = watcher_cpu(watcher);
	pause_ms(QUIET_FILES_MS);
	idle = (watcher_cpu(watcher) - cpu) / (now() - begin);
	begin = now();
	cpu = watcher_cpu(watcher);
	for (unsigned i = 0; i < CPU_SAMPLES; i++) {
		launch(bench, i % 3, bench->members + SAMPLES + BYTES_SAMPLES + i / 3);
		simulator_wait(bench->simulator, 0);
		must_see(bench, figure.name);
		pause_ms(QUIET_MS);
	}
	pause_ms(QUIET_FILES_MS);
	cpu = watcher_cpu(watcher) - cpu - idle * (now() - begin);
	figure_print(&figure, cpu / CPU_SAMPLES * 1e3);
}

static void burst(struct bench *bench)
{
	struct figure time = { "burst", bench->members, "ms", at_most(bench), 300, 0 };
	struct figure work = { "burst-cpu", bench->members, "s", at_most(bench), 0.15, 0 };
	double cpu, last, worst = 0;

	pause_ms(2000);
	cpu = watcher_cpu(&bench->watchers[0]);
	for (unsigned i = 0; i < BURST; i++)
		launch(bench, JOIN, bench->members + SAMPLES + BYTES_SAMPLES + CPU_SAMPLES + i);
	figure_must(simulator_wait(bench->simulator, 0) == 0, "burst", "failed");
	last = now();
	must_see(bench, "burst");
	for (unsigned w = 0; w < WATCHERS; w++)
		if (bench->watchers[w].applied - last > worst)
			worst = bench->watchers[w].applied - last;
	figure_print(&time, worst * 1e3);
	figure_print(&work, watcher_cpu(&bench->watchers[0]) - cpu);
}

static void no_drift(struct bench *bench, const char *name)
{
	struct figure figure = { name, bench->members, "watchers", GOAL_AT_MOST, 0, 0 };
	unsigned drifted = 0;

	for (unsigned w = 0; w < WATCHERS; w++)
		if (bench->watchers[w].pid)
			drifted += watcher_drift(&bench->watchers[w], FOLDER, outside) != 0;
	figure_print(&figure, drifted);
}

static void bench_size(unsigned members)
{
	double whole;
	struct bench bench;
	char root[32];

	snprintf(root, sizeof(root), "size-%u", members);
	open_bench(&bench, root, members, 10);
	cold_start(&bench);
	start_watcher(&bench, 0);
	whole = watcher_received(&bench.watchers[0]);
	single_changes(&bench, JOIN, "join");
	single_changes(&bench, MOVE, "move");
	single_changes(&bench, LEAVE, "leave");
	bytes_per_change(&bench, whole);
	cpu_per_change(&bench);
	gap_bench(&bench.watchers[0], members);
	start_watcher(&bench, 1);
	burst(&bench);
	no_drift(&bench, "drift");
	close_bench(&bench);
}

/* --- changes as fast as they go ------------------------------------------------------------ */

/* The n-th change: a member in turn joins, moves and leaves, over and over. */
static void churn(struct bench *bench, unsigned changes)
{
	static unsigned char state[CHURN_FLEET];

	for (unsigned i = 0; i < changes; i++) {
		unsigned n = (unsigned)rand() % CHURN_FLEET;

		if (state[n] == JOIN)
			simulated_join(bench->simulator, CHURN_FLEET + n, n);
		else if (state[n] == MOVE)
			simulated_move(bench->simulator, CHURN_FLEET + n, n, n + PLACES);
		else
			simulated_leave(bench->simulator, CHURN_FLEET + n, n + PLACES);
		state[n] = (unsigned char)((state[n] + 1) % 3);
	}
	figure_must(simulator_wait(bench->simulator, 0) == 0, "churn", "failed");
}

static void bench_churn(void)
{
	struct figure rate = { "churn", CHURN_FLEET, "changes/s", GOAL_NONE, 0, 0 };
	struct figure memory = { "churn-memory", CHURN_FLEET, "MB more", GOAL_AT_MOST, 1, 0 };
	struct figure files = { "churn-descriptors", CHURN_FLEET, "more", GOAL_AT_MOST, 0, 0 };
	struct watcher *watcher;
	unsigned descriptors;
	double megabytes, begin;
	struct bench bench;

	open_bench(&bench, "churn", CHURN_FLEET, 100); /* nothing is held */
	watcher = &bench.watchers[0];
	watcher_start(watcher, 30, FOLDER, inside);
	figure_must(watcher_wait(watcher, CHURN_FLEET, 0, 0, 60), "churn", "never starts");
	churn(&bench, CHURN / 10); /* what grows once has grown */
	pause_ms(1000);
	megabytes = watcher_memory(watcher);
	descriptors = watcher_descriptors(watcher);
	begin = now();
	churn(&bench, CHURN);
	figure_print(&rate, CHURN / (now() - begin));
	pause_ms(3000 + DELAY_MS);
	figure_print(&memory, watcher_memory(watcher) - megabytes);
	figure_print(&files, (double)watcher_descriptors(watcher) - descriptors);
	no_drift(&bench, "churn-drift");
	close_bench(&bench);
}

static void bench_allocation(void)
{
	struct table *table;

	name_registry("wide");
	allocation_bench("allocation", outside, "192.168.0.0/18", 0, 20, false, allocation_table());
	/* 950 of 1,022, then fifty more that come and go: it is full to 97 of 100. */
	name_registry("narrow");
	table = allocation_table();
	allocation_bench("allocation-22", outside, "10.9.0.0/22", 0, 19, false, table);
	allocation_bench("allocation-97", outside, "10.9.0.0/22", 5000, 20, true, table);
}

static void bench_commands(void)
{
	name_registry("commands");
	commands_bench(outside, "zookeeper", 10000, FOLDER);
	commands_bench("sqlite:" FOLDER "/commands.db", "sqlite", 10000, FOLDER);
}

static void bench_part(const char *name)
{
	if (strcmp(name, "commands") == 0)
		bench_commands();
	else if (strcmp(name, "allocation") == 0)
		bench_allocation();
	else if (strcmp(name, "churn") == 0)
		bench_churn();
	else
		bench_size((unsigned)strtoul(name, NULL, 10));
}

static void leave_machine(void)
{
	figure_must(unshare(CLONE_NEWNET) == 0, "no network namespace", "this needs root");
	figure_must(system("ip link set lo up && rm -rf " FOLDER " && mkdir -p " FOLDER) == 0, "ip",
		"failed");
}

int main(int argc, char **argv)
{
	static const char *const usual[] = { "allocation", "16000", "100000", "churn", "commands" };

	watcher_main(FOLDER);
	leave_machine();
	figure_machine();
	zookeeper_servers_listen_on("0.0.0.0");
	server = zookeeper_server_start();
	figure_must(server != NULL, "ZooKeeper", zookeeper_server_missing());
	for (int i = 0; i < argc - 1; i++)
		bench_part(argv[1 + i]);
	for (size_t i = 0; argc == 1 && i < sizeof(usual) / sizeof(*usual); i++)
		bench_part(usual[i]);
	zookeeper_server_stop(server);
	figure_must(system("rm -rf " FOLDER) == 0, FOLDER, "stays behind");
	return EXIT_SUCCESS;
}
