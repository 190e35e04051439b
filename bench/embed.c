/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What it costs to carry the library: its size and that of what it needs, the memory and threads
 * of the smallest embedding, and the time to a place in the fleet. A program like any other: the
 * shared library and its public header.
 */
#include <dlfcn.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "figures.h"
#include "neti/neti.h"
#include "zookeeper_server.h"

#define RUNS 15
#define PATIENCE_MS 20000

static char folder[] = "/tmp/neti-bench-embed-XXXXXX";

static void print(const char *name, const char *unit, double value, double reference)
{
	struct figure figure = { name, 0, unit, GOAL_NONE, 0, reference };

	figure_print(&figure, value);
}

/* --- files -------------------------------------------------------------------------------- */

/* Of the shell, which knows $LIBRARY and $FOLDER. */
static FILE *ask(const char *command)
{
	FILE *answer = popen(command, "re");

	figure_must(answer != NULL, command, "cannot be run");
	return answer;
}

static double ask_number(const char *command)
{
	FILE *answer = ask(command);
	double number = 0;

	figure_must(fscanf(answer, "%lf", &number) == 1, command, "no number");
	pclose(answer);
	return number;
}

static void find_library(void)
{
	Dl_info info;

	figure_must(dladdr((const void *)neti_version, &info) != 0, "libneti", "is in no file");
	setenv("LIBRARY", info.dli_fname, 1);
	setenv("FOLDER", folder, 1);
}

static void bench_needed(void)
{
	FILE *needed = ask("readelf -dW $LIBRARY | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]$/\\1/p' | "
			   "while read -r name; do stat -Lc \"$name %s\" \"$(ldd $LIBRARY | "
			   "awk -v name=\"$name\" '$1 == name { print $3 }')\"; done");
	char name[128], figure[160];
	double bytes;

	while (fscanf(needed, "%127s %lf", name, &bytes) == 2) {
		snprintf(figure, sizeof(figure), "needs-%s", name);
		print(figure, "KB", bytes / 1e3, 0);
	}
	pclose(needed);
}

static void bench_files(void)
{
	find_library();
	print("library", "KB",
		ask_number("strip --strip-unneeded -o $FOLDER/stripped $LIBRARY && "
			   "stat -c %s $FOLDER/stripped") /
			1e3,
		0);
	print("exported", "symbols", ask_number("nm -D --defined-only $LIBRARY | grep -c ' T '"),
		0);
	bench_needed();
	print("all-needed", "libraries", ask_number("ldd $LIBRARY | grep -c '=> /'"), 0);
	print("all-needed-size", "KB",
		ask_number("ldd $LIBRARY | awk '$3 ~ /^\\// { print $3 }' | "
			   "xargs stat -Lc %s | awk '{ sum += $1 } END { print sum }'") /
			1e3,
		0);
}

/* --- agents ------------------------------------------------------------------------------- */

static struct neti_context *context;

static void must(int result, const char *what)
{
	figure_must(result >= 0, what, neti_context_message(context));
}

static struct neti_settings *new_settings(const char *uri, const char *id)
{
	const char *const pairs[][2] = { { "registry", uri }, { "id", id }, { "network", "ec2" },
		{ "private_ip", "10.0.0.11" }, { "state_dir", folder } };
	struct neti_settings *settings;

	must(neti_settings_new(&settings, context), "settings");
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		must(neti_settings_set(settings, pairs[i][0], pairs[i][1]), pairs[i][0]);
	return settings;
}

static void on_event(void *data, const struct neti_event *event)
{
	double *registered = data;

	if (neti_event_get_type(event) == NETI_EVENT_REGISTERED)
		*registered = clock_seconds(CLOCK_MONOTONIC);
}

/* A member without rules, once it is registered. */
static struct neti_agent *embed(struct neti_settings *settings, double *ret_seconds)
{
	double begin = clock_seconds(CLOCK_MONOTONIC), registered = 0;
	struct neti_agent *agent;
	struct pollfd fd = { .events = POLLIN };

	must(neti_agent_new(&agent, settings), "agent");
	neti_agent_set_rules(agent, false);
	neti_agent_set_callback(agent, on_event, &registered);
	must(neti_agent_start(agent), "start");
	fd.fd = neti_agent_fd(agent);
	while (registered == 0 && poll(&fd, 1, PATIENCE_MS) > 0)
		neti_agent_dispatch(agent);
	figure_must(registered != 0, "agent", "is not registered");
	neti_agent_set_callback(agent, NULL, NULL);
	*ret_seconds = registered - begin;
	return agent;
}

/* A new member each time; the first one makes the fleet and does not count. */
static void bench_registered(const char *name, const char *uri)
{
	double runs[RUNS + 1];
	char id[16];

	must(neti_context_new(&context), "context");
	for (int i = 0; i <= RUNS; i++) {
		struct neti_settings *settings;

		snprintf(id, sizeof(id), "host-%d", i);
		settings = new_settings(uri, id);
		neti_agent_unref(embed(settings, &runs[i]));
		neti_settings_unref(settings);
	}
	neti_context_unref(context);
	print(name, "ms", figure_hundredth(runs + 1, RUNS, 50) * 1e3, 0);
}

/* --- a process that embeds it --------------------------------------------------------------- */

static void say(void)
{
	figure_must(write(STDOUT_FILENO, "", 1) == 1, "pipe", "closed");
}

static void hear(int fd)
{
	char byte;

	figure_must(read(fd, &byte, 1) == 1, "embedding", "is gone");
}

/* Says when nothing has been done yet, and again, when told to go on, as a member. */
static int embedding(const char *uri)
{
	struct neti_settings *settings;
	struct neti_agent *agent;
	double seconds;
	char byte;

	say();
	hear(STDIN_FILENO);
	must(neti_context_new(&context), "context");
	settings = new_settings(uri, "embedding");
	agent = embed(settings, &seconds);
	neti_settings_unref(settings);
	say();
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	neti_agent_unref(agent);
	neti_context_unref(context);
	return EXIT_SUCCESS;
}

static double status_of(pid_t pid, const char *key)
{
	char path[64], line[256];
	double value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && value < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtod(line + strlen(key), NULL);
	if (file)
		fclose(file);
	figure_must(value >= 0, key, "not told");
	return value;
}

static pid_t start_embedding(const char *uri, int *ret_to, int *ret_from)
{
	int to[2], from[2];
	pid_t pid;

	figure_must(pipe(to) == 0 && pipe(from) == 0, "pipe", "none to be had");
	pid = fork();
	if (pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		for (int i = 0; i < 2; i++) {
			close(to[i]);
			close(from[i]);
		}
		execl("/proc/self/exe", "embed", "--embedding", uri, folder, NULL);
		_exit(EXIT_FAILURE);
	}
	close(to[0]);
	close(from[1]);
	*ret_to = to[1];
	*ret_from = from[0];
	return pid;
}

/* The reference is the same program, loaded, that has called nothing yet. */
static void bench_memory(const char *kind, const char *uri)
{
	char name[64];
	int to, from, status;
	pid_t pid = start_embedding(uri, &to, &from);
	double resident, own, threads;

	hear(from);
	resident = status_of(pid, "VmRSS:");
	own = status_of(pid, "RssAnon:");
	figure_must(write(to, "", 1) == 1, "embedding", "is gone");
	hear(from);
	threads = status_of(pid, "Threads:");
	snprintf(name, sizeof(name), "resident-%s", kind);
	print(name, "KB", status_of(pid, "VmRSS:"), resident);
	snprintf(name, sizeof(name), "own-memory-%s", kind);
	print(name, "KB", status_of(pid, "RssAnon:"), own);
	snprintf(name, sizeof(name), "threads-%s", kind);
	print(name, "threads", threads, 0);
	close(to);
	figure_must(waitpid(pid, &status, 0) == pid && status == 0, "embedding", "ended badly");
	close(from);
}

/* --- all of it ------------------------------------------------------------------------------ */

static void bench_registry(const char *kind, const char *uri)
{
	char name[64];

	bench_memory(kind, uri);
	snprintf(name, sizeof(name), "registered-%s", kind);
	bench_registered(name, uri);
}

int main(int argc, char **argv)
{
	struct zookeeper_server *server;
	char uri[128];

	if (argc == 4 && strcmp(argv[1], "--embedding") == 0) {
		snprintf(folder, sizeof(folder), "%s", argv[3]);
		return embedding(argv[2]);
	}
	figure_machine();
	figure_must(mkdtemp(folder) != NULL, folder, "cannot be made");
	bench_files();
	snprintf(uri, sizeof(uri), "sqlite:%s/registry.db", folder);
	bench_registry("sqlite", uri);
	server = zookeeper_server_start();
	figure_must(server != NULL, "ZooKeeper", zookeeper_server_missing());
	snprintf(uri, sizeof(uri), "zookeeper://127.0.0.1:%u/embed", zookeeper_server_port(server));
	bench_registry("zookeeper", uri);
	zookeeper_server_stop(server);
	snprintf(uri, sizeof(uri), "rm -rf %s", folder);
	figure_must(system(uri) == 0, folder, "stays behind");
	return EXIT_SUCCESS;
}
