/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netictl as a process of its own, from its start to its end, beside an agent in sync. One of the
 * members in the middle is looked for, by all that is known of it.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "commands.h"
#include "figures.h"
#include "simulated.h"

#define RUNS 9
#define SOUGHT_ID "sim-5000" /* and what it is found by, in the overlay 192.168.0.0/18 */
#define SOUGHT_OVERLAY "192.168.19.137"
#define SOUGHT_PRIVATE "10.128.19.136"
#define SOUGHT_PUBLIC "11.0.19.136"

static const struct {
	const char *name, *arguments[4];
	double goal; /* ms */
} commands[] = {
	{ "lookup-id", { "lookup", SOUGHT_ID }, 50 },
	{ "lookup-overlay", { "lookup", SOUGHT_OVERLAY }, 50 },
	{ "lookup-private", { "lookup", SOUGHT_PRIVATE }, 50 },
	{ "lookup-public", { "lookup", SOUGHT_PUBLIC }, 50 },
	{ "list", { "list" }, 1000 },
	{ "list-all", { "list", "--all" }, 1000 },
	{ "list-json", { "list", "--json" }, 1000 },
	{ "report", { "report" }, 1000 },
	{ "check", { "check" }, 1000 },
	{ "status", { "status" }, 1000 },
	{ "register", { "register" }, 1000 },
	{ "fleet-show", { "fleet", "show" }, 1000 },
	{ "plan", { "plan" }, 1000 },
	{ "verify", { "verify" }, 1000 },
	{ "denied", { "denied" }, 1000 },
};

static char netictl[PATH_MAX], settings[PATH_MAX];
extern char **environ;

/* Beside the folder that this program is in. */
static void find_netictl(void)
{
	ssize_t length = readlink("/proc/self/exe", netictl, sizeof(netictl) - 16);

	figure_must(length > 0, "/proc/self/exe", "cannot be read");
	netictl[length] = '\0';
	*strrchr(netictl, '/') = '\0';
	strcpy(strrchr(netictl, '/'), "/netictl");
	figure_must(access(netictl, X_OK) == 0, netictl, "is not there: run make first");
}

static pid_t start(const char *const *arguments, bool errors)
{
	char *argv[8] = { netictl, (char *)"-c", settings };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	for (size_t i = 0; i < 4; i++)
		argv[3 + i] = (char *)arguments[i];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (!errors)
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	figure_must(posix_spawn(&pid, netictl, &actions, NULL, argv, environ) == 0, netictl,
		"does not start");
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static int run(const char *const *arguments)
{
	int status = -1;

	waitpid(start(arguments, false), &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static double milliseconds(const char *name, const char *const *arguments)
{
	double begin = clock_seconds(CLOCK_MONOTONIC);

	figure_must(run(arguments) == 0, name, "failed");
	return (clock_seconds(CLOCK_MONOTONIC) - begin) * 1e3;
}

static void time_all(const char *suffix, unsigned members)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		double runs[RUNS];
		char name[64];
		struct figure figure = { name, members, "ms", GOAL_AT_MOST, commands[i].goal, 0 };

		snprintf(name, sizeof(name), "%s-%s", commands[i].name, suffix);
		for (size_t n = 0; n < RUNS; n++)
			runs[n] = milliseconds(name, commands[i].arguments);
		figure_print(&figure, figure_hundredth(runs, RUNS, 50));
	}
}

static void write_settings(const char *uri, const char *suffix, const char *folder)
{
	FILE *file;

	snprintf(settings, sizeof(settings), "%s/commands-%s.yml", folder, suffix);
	file = fopen(settings, "we");
	figure_must(file != NULL, settings, "cannot be written");
	fprintf(file,
		"registry: %s\nstate_dir: %s/commands-%s\nid: bench\nnetwork: vpc\n"
		"private_ip: 10.9.0.1\nsession_timeout: 20s\n",
		uri, folder, suffix);
	figure_must(fclose(file) == 0, settings, "cannot be written");
}

static struct simulator *fill(const char *uri, unsigned members)
{
	static const struct prefix subnet = { { AF_INET, { 192, 168 } }, 18 };
	struct fleet_settings fleet;
	struct simulator *simulator;

	figure_must(run((const char *const[4]){ "fleet", "init" }) == 0, uri, "makes no fleet");
	fleet_settings_default(&fleet, &subnet);
	simulator = simulator_open(uri, &fleet, 600000);
	for (unsigned i = 0; i < members; i++)
		simulated_register(simulator, i);
	figure_must(simulator_wait(simulator, 0) == 0, "members", "do not join");
	return simulator;
}

static pid_t start_agent(void)
{
	pid_t agent = start((const char *const[4]){ "run", "--quiet" }, true);
	double end = clock_seconds(CLOCK_MONOTONIC) + 60;

	while (run((const char *const[4]){ "check" }) != 0) {
		figure_must(clock_seconds(CLOCK_MONOTONIC) < end, "the agent", "is never well");
		usleep(100000);
	}
	return agent;
}

void commands_bench(const char *uri, const char *suffix, unsigned members, const char *folder)
{
	struct simulator *simulator;
	char lock[PATH_MAX];
	pid_t agent;

	snprintf(lock, sizeof(lock), "%s/xtables.lock", folder);
	setenv("XTABLES_LOCKFILE", lock, 1);
	find_netictl();
	write_settings(uri, suffix, folder);
	simulator = fill(uri, members);
	agent = start_agent();
	time_all(suffix, members);
	kill(agent, SIGTERM);
	waitpid(agent, NULL, 0);
	run((const char *const[4]){ "flush" });
	simulator_close(simulator);
}
