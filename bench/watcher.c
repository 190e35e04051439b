/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The watcher is this program executed again, inside of a fresh namespace.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "figures.h"
#include "neti/neti.h"
#include "watcher.h"

#define VARIABLE "NETI_BENCH_WATCHER"
#define TELLING 3 /* the descriptor it tells on */

static void do_command(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void do_command(const char *format, ...)
{
	char command[600];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	figure_must(system(command) == 0, command, "failed");
}

/* --- inside ------------------------------------------------------------------------------ */

struct counts {
	unsigned long added, moved, removed;
};

static void tell(void *data, const struct neti_event *event)
{
	struct counts *counts = data;

	switch (neti_event_get_type(event)) {
	case NETI_EVENT_MEMBERS:
		counts->added += neti_members_count(neti_event_added(event));
		counts->moved += neti_members_count(neti_event_moved(event));
		counts->removed += neti_members_count(neti_event_removed(event));
		break;
	case NETI_EVENT_APPLIED:
		dprintf(TELLING, "%.6f %lu %lu %lu\n", clock_seconds(CLOCK_MONOTONIC),
			counts->added, counts->moved, counts->removed);
		break;
	case NETI_EVENT_LOST:
	case NETI_EVENT_DRIFT:
	case NETI_EVENT_HELD:
	case NETI_EVENT_TROUBLE:
		fprintf(stderr, "bench: watcher: %s\n", neti_event_text(event));
		break;
	case NETI_EVENT_REGISTRY:
	case NETI_EVENT_REGISTERED:
	case NETI_EVENT_JOINED:
		break;
	}
}

static struct neti_settings *settings_new(unsigned number, const char *folder, const char *registry)
{
	struct neti_context *context;
	struct neti_settings *settings;
	char values[4][300];
	const char *const pairs[][2] = { { "registry", registry }, { "id", values[0] },
		{ "network", "ec2" }, { "private_ip", values[1] }, { "state_dir", values[2] },
		{ "reject_all", "true" }, { "session_timeout", "20s" },
		/* Where simulated members are, which have no lease. */
		{ "overlay_exclude", "[10.64.0.0/16, 10.65.0.0/17]" } };

	snprintf(values[0], sizeof(values[0]), "watcher-%u", number);
	snprintf(values[1], sizeof(values[1]), "10.9.%u.1", number);
	snprintf(values[2], sizeof(values[2]), "%s/%u", folder, number);
	figure_must(neti_context_new(&context) == 0, "context", "failed");
	figure_must(neti_settings_new(&settings, context) == 0, "settings", "failed");
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		figure_must(neti_settings_set(settings, pairs[i][0], pairs[i][1]) == 0, pairs[i][0],
			neti_context_message(context));
	neti_context_unref(context);
	return settings;
}

static volatile sig_atomic_t leaving;

static void leave(int signal)
{
	(void)signal;
	leaving = 1;
}

void watcher_main(const char *folder)
{
	const char *task = getenv(VARIABLE);
	struct counts counts = { 0 };
	struct neti_settings *settings;
	struct neti_agent *agent;
	unsigned number;
	char registry[200];

	if (!task)
		return;
	figure_must(sscanf(task, "%u %199s", &number, registry) == 2, VARIABLE, task);
	settings = settings_new(number, folder, registry);
	figure_must(neti_agent_new(&agent, settings) == 0, "agent", "failed");
	neti_agent_set_callback(agent, tell, &counts);
	figure_must(neti_agent_start(agent) == 0, "agent", "does not start");
	signal(SIGTERM, leave);
	while (!leaving) {
		struct pollfd fd = { .fd = neti_agent_fd(agent), .events = POLLIN };

		poll(&fd, 1, 1000);
		neti_agent_dispatch(agent);
	}
	neti_agent_unref(agent);
	exit(EXIT_SUCCESS);
}

int watcher_drift(const struct watcher *watcher, const char *folder, const char *registry)
{
	struct neti_settings *settings = settings_new(watcher->number, folder, registry);
	struct neti_context *context;
	struct neti_registry *opened;
	struct neti_ruleset *ruleset = NULL;
	struct neti_engine *engine;
	char path[64], *diff;
	int fd, back, result;

	figure_must(neti_context_new(&context) == 0, "context", "failed");
	figure_must(neti_registry_open(&opened, settings) == 0 &&
			    neti_ruleset_fetch(&ruleset, opened) == 0,
		"registry", "cannot be read");
	snprintf(path, sizeof(path), "/proc/%d/ns/net", watcher->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	figure_must(setns(fd, CLONE_NEWNET) == 0, "setns", path);
	figure_must(neti_engine_open(&engine, settings) == 0, "engine",
		neti_context_message(context));
	result = neti_engine_verify(engine, ruleset, &diff);
	figure_must(result >= 0, "verify", neti_context_message(context));
	if (result)
		fprintf(stderr, "%.2000s\n", diff);
	free(diff);
	figure_must(setns(back, CLONE_NEWNET) == 0, "setns", "back");
	close(fd);
	close(back);
	neti_engine_unref(engine);
	neti_ruleset_unref(ruleset);
	neti_registry_unref(opened);
	neti_settings_unref(settings);
	neti_context_unref(context);
	return result;
}

/* --- outside ------------------------------------------------------------------------------ */

static void execute(unsigned number, const char *registry, int telling, int ready, int go)
{
	char task[300], program[500] = "", byte = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	figure_must(unshare(CLONE_NEWNET) == 0, "no network namespace", "refused");
	figure_must(write(ready, &byte, 1) == 1 && read(go, &byte, 1) == 1, "pipe", "closed");
	do_command("ip link set lo up && ip addr add 10.9.%u.1/24 dev eth0 && "
		   "ip link set eth0 up && ip route add default dev eth0",
		number);
	snprintf(task, sizeof(task), "%u %s", number, registry);
	setenv(VARIABLE, task, 1);
	dup2(telling, TELLING);
	figure_must(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0, "self",
		"unknown");
	dprintf(TELLING, "%.6f 0 0 0\n", clock_seconds(CLOCK_MONOTONIC));
	execl(program, program, (char *)NULL);
	_exit(127);
}

void watcher_start(struct watcher *watcher, unsigned number, const char *folder,
	const char *registry)
{
	const char *host = strstr(registry, "HOST");
	int telling[2], ready[2], go[2];
	char uri[200], lock[300], byte = 0;

	*watcher = (struct watcher){ .number = number };
	snprintf(uri, sizeof(uri), "%.*s10.9.%u.254%s", (int)(host - registry), registry, number,
		host + 4);
	snprintf(lock, sizeof(lock), "%s/%u.lock", folder, number);
	setenv("XTABLES_LOCKFILE", lock, 1);
	figure_must(pipe2(telling, O_CLOEXEC) == 0 && pipe2(ready, O_CLOEXEC) == 0 &&
			    pipe2(go, O_CLOEXEC) == 0,
		"pipe", "failed");
	watcher->pid = fork();
	figure_must(watcher->pid >= 0, "fork", "failed");
	if (watcher->pid == 0)
		execute(number, uri, telling[1], ready[1], go[0]);
	figure_must(read(ready[0], &byte, 1) == 1, "watcher", "ended");
	do_command(
		"ip link del w%u 2>/dev/null; ip link add w%u type veth peer name eth0 netns %d && "
		"ip addr add 10.9.%u.254/24 dev w%u && ip link set w%u up",
		number, number, watcher->pid, number, number, number);
	figure_must(write(go[1], &byte, 1) == 1, "watcher", "ended");
	watcher->pipe = telling[0];
	close(telling[1]);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
}

void watcher_stop(struct watcher *watcher)
{
	kill(watcher->pid, SIGTERM);
	waitpid(watcher->pid, NULL, 0);
	close(watcher->pipe);
}

static void take_line(struct watcher *watcher, const char *line)
{
	struct watcher_sum *sum = &watcher->sum;
	double at;

	if (sscanf(line, "%lf %lu %lu %lu", &at, &sum->added, &sum->moved, &sum->removed) != 4)
		return;
	watcher->added = sum->added - watcher->base.added;
	watcher->moved = sum->moved - watcher->base.moved;
	watcher->removed = sum->removed - watcher->base.removed;
	if (watcher->started > 0)
		watcher->applied = at;
	else
		watcher->started = at;
}

static void take_text(struct watcher *watcher)
{
	char *newline;

	while ((newline = memchr(watcher->left, '\n', watcher->n_left))) {
		*newline++ = '\0';
		take_line(watcher, watcher->left);
		watcher->n_left -= (size_t)(newline - watcher->left);
		memmove(watcher->left, newline, watcher->n_left);
	}
}

bool watcher_wait(struct watcher *watcher, unsigned long added, unsigned long moved,
	unsigned long removed, double seconds)
{
	double end = clock_seconds(CLOCK_MONOTONIC) + seconds;

	while (watcher->added < added || watcher->moved < moved || watcher->removed < removed) {
		struct pollfd fd = { .fd = watcher->pipe, .events = POLLIN };
		double left = end - clock_seconds(CLOCK_MONOTONIC);
		ssize_t n;

		if (left <= 0 || poll(&fd, 1, (int)(left * 1000) + 1) <= 0)
			return false;
		n = read(watcher->pipe, watcher->left + watcher->n_left,
			sizeof(watcher->left) - watcher->n_left);
		figure_must(n > 0, "watcher", "it ended");
		watcher->n_left += (size_t)n;
		take_text(watcher);
	}
	return true;
}

void watcher_rebase(struct watcher *watcher)
{
	watcher_wait(watcher, ULONG_MAX, 0, 0, 3); /* all that comes within so many seconds */
	watcher->base = watcher->sum;
	watcher->added = watcher->moved = watcher->removed = 0;
}

/* --- what the kernel knows of it ---------------------------------------------------------- */

static FILE *open_proc(const struct watcher *watcher, const char *name)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", watcher->pid, name);
	file = fopen(path, "re");
	figure_must(file != NULL, path, "cannot be read");
	return file;
}

double watcher_cpu(const struct watcher *watcher)
{
	clockid_t clock;

	figure_must(clock_getcpuclockid(watcher->pid, &clock) == 0, "clock", "the watcher ended");
	return clock_seconds(clock);
}

static double status_megabytes(const struct watcher *watcher, const char *key)
{
	FILE *file = open_proc(watcher, "status");
	double kilobytes = 0;
	char line[200];

	while (fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			kilobytes = strtod(line + strlen(key), NULL);
	fclose(file);
	return kilobytes / 1024;
}

double watcher_memory(const struct watcher *watcher)
{
	return status_megabytes(watcher, "VmRSS:");
}

double watcher_peak(const struct watcher *watcher)
{
	return status_megabytes(watcher, "VmHWM:");
}

unsigned watcher_descriptors(const struct watcher *watcher)
{
	char path[64];
	unsigned n = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", watcher->pid);
	folder = opendir(path);
	figure_must(folder != NULL, path, "cannot be read");
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

double watcher_received(const struct watcher *watcher)
{
	FILE *file = open_proc(watcher, "net/dev");
	double bytes = 0;
	char line[300];

	while (fgets(line, sizeof(line), file))
		if (strstr(line, "eth0:"))
			bytes = strtod(strchr(line, ':') + 1, NULL);
	fclose(file);
	return bytes;
}
