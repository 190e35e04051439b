/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs on_register. posix_spawn alone: a fork of a process with threads could hang in the child
 * before it gets to exec.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/words.h"
#include "hook.h"
#include "output.h"

#ifndef RUN_MS
#define RUN_MS 60000
#define TERM_MS 5000 /* from the request to end to the end */
#define RETRY_MS 60000
#endif
#define RETRY_MAX_MS 3600000
#define VARIABLES 6

struct hook {
	const struct netictl *netictl;
	char *command;
	char *lease[VARIABLES]; /* "NETI_ID=..."; NULL before the first join */
	bool wanted;
	int64_t not_before;
	unsigned failures; /* in a row */
	pid_t pid;	   /* 0: not running */
	int64_t deadline;
	bool asked_to_end;
	int output;
	char line[512];
	size_t length;
};

struct hook *hook_new(const struct netictl *netictl, const char *command)
{
	struct hook *hook = calloc(1, sizeof(*hook));

	if (!hook)
		return NULL;
	hook->netictl = netictl;
	hook->output = -1;
	hook_set_command(hook, command);
	return hook;
}

static void ask_again(struct hook *hook)
{
	hook->wanted = hook->command && hook->lease[0];
	hook->not_before = 0;
	hook->failures = 0;
}

void hook_set_command(struct hook *hook, const char *command)
{
	if (!hook || strcmp(hook->command ? hook->command : "", command ? command : "") == 0)
		return;
	free(hook->command);
	hook->command = command ? strdup(command) : NULL;
	ask_again(hook);
}

static char *variable(const char *name, const char *value)
{
	char *text;

	return asprintf(&text, "%s=%s", name, value ? value : "") < 0 ? NULL : text;
}

static bool same_lease(char *const *a, char *const *b)
{
	for (size_t i = 0; i < VARIABLES; i++)
		if (!a[i] || !b[i] || strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static void clear_lease(char **lease)
{
	for (size_t i = 0; i < VARIABLES; i++) {
		free(lease[i]);
		lease[i] = NULL;
	}
}

void hook_joined(struct hook *hook, const struct neti_member *member)
{
	char text[NETI_ADDRESS_MAX], *lease[VARIABLES] = {
		variable("NETI_ID", neti_member_id(member)),
		variable("NETI_OVERLAY", neti_member_overlay(member, text)),
		variable("NETI_NETWORK", neti_member_network(member)),
		variable("NETI_PRIVATE", neti_member_private(member, text)),
		variable("NETI_PUBLIC", neti_member_public(member, text)),
		variable("NETI_VERSION", neti_version()),
	};
	bool whole = same_lease(lease, lease);

	if (!hook || !whole || same_lease(hook->lease, lease)) {
		clear_lease(lease);
		return;
	}
	clear_lease(hook->lease);
	memcpy(hook->lease, lease, sizeof(lease));
	ask_again(hook);
}

/*
 * The program.
 */
static bool is_passed_on(const char *entry)
{
	/* A supervisor's sockets and watchdog are for netictl alone. */
	static const char *const own[] = { "NETI_", "NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_" };

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (strncmp(entry, own[i], strlen(own[i])) == 0)
			return false;
	return true;
}

/* Borrows the strings. */
static char **make_environment(const struct hook *hook)
{
	size_t n = 0, length = 0;
	char **environment;

	while (environ[length])
		length++;
	environment = calloc(length + VARIABLES + 1, sizeof(*environment));
	if (!environment)
		return NULL;
	for (size_t i = 0; i < length; i++)
		if (is_passed_on(environ[i]))
			environment[n++] = environ[i];
	memcpy(environment + n, hook->lease, sizeof(hook->lease));
	return environment;
}

static int spawn(struct hook *hook, char **words, char **environment, int output)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int result;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes,
		POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0); /* so that it can be ended with its own */
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	result = posix_spawnp(&hook->pid, words[0], &files, &attributes, words, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return -result;
}

static void failed(struct hook *hook, const char *how)
{
	int64_t wait = (int64_t)RETRY_MS << (hook->failures < 6 ? hook->failures : 6);

	if (wait > RETRY_MAX_MS)
		wait = RETRY_MAX_MS;
	hook->failures++;
	hook->wanted = true;
	hook->not_before = clock_now() + wait;
	fprintf(stderr, "netictl: on_register: %s; it is tried again in %lld s\n", how,
		(long long)wait / 1000);
}

static void start_program(struct hook *hook)
{
	char **words = NULL, **environment = make_environment(hook), how[256];
	int result = environment ? words_split(hook->command, &words) : -ENOMEM, ends[2];

	hook->wanted = hook->asked_to_end = false;
	if (result == 0 && pipe2(ends, O_CLOEXEC) < 0)
		result = -errno;
	if (result == 0) {
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		result = spawn(hook, words, environment, ends[1]);
		close(ends[1]);
		if (result < 0)
			close(ends[0]);
	}
	if (result < 0) {
		snprintf(how, sizeof(how), "%s cannot be run: %s", words ? words[0] : "the command",
			strerrordesc_np(-result));
		hook->pid = 0;
		failed(hook, how);
	} else {
		hook->output = ends[0];
		hook->deadline = clock_now() + RUN_MS;
	}
	free(environment);
	free(words);
}

static void say_line(struct hook *hook)
{
	if (hook->length)
		say(hook->netictl, "on_register: %.*s", (int)hook->length, hook->line);
	hook->length = 0;
}

static void take_output(struct hook *hook)
{
	char bytes[1024];
	ssize_t n;

	while (hook->output >= 0 && (n = read(hook->output, bytes, sizeof(bytes))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		for (ssize_t i = 0; i < n; i++) {
			if (bytes[i] == '\n' || hook->length == sizeof(hook->line))
				say_line(hook);
			if (bytes[i] != '\n')
				hook->line[hook->length++] = bytes[i];
		}
	}
	if (hook->output >= 0)
		close(hook->output);
	hook->output = -1;
}

static void ended(struct hook *hook, int status)
{
	char how[64];

	take_output(hook);
	say_line(hook);
	if (hook->output >= 0) /* something that it left behind has it still */
		close(hook->output);
	hook->output = -1;
	hook->pid = 0;
	if (status == 0) {
		hook->failures = 0;
		return;
	}
	if (hook->asked_to_end)
		snprintf(how, sizeof(how), "it ran for %d s and was ended", RUN_MS / 1000);
	else if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "it was ended by signal %d", WTERMSIG(status));
	else
		snprintf(how, sizeof(how), "it failed with status %d", WEXITSTATUS(status));
	failed(hook, how);
}

static void end_program(struct hook *hook)
{
	kill(-hook->pid, hook->asked_to_end ? SIGKILL : SIGTERM);
	hook->asked_to_end = true;
	hook->deadline = clock_now() + TERM_MS;
}

void hook_advance(struct hook *hook)
{
	int status;

	if (!hook)
		return;
	take_output(hook);
	if (hook->pid && waitpid(hook->pid, &status, WNOHANG) == hook->pid)
		ended(hook, status);
	else if (hook->pid && clock_now() >= hook->deadline)
		end_program(hook);
	if (!hook->pid && hook->wanted && clock_now() >= hook->not_before)
		start_program(hook);
}

int hook_descriptor(const struct hook *hook)
{
	return hook ? hook->output : -1;
}

int hook_wait(const struct hook *hook)
{
	int64_t now = clock_now(), due = -1;

	if (!hook)
		return -1;
	if (hook->pid)
		due = hook->deadline;
	else if (hook->wanted)
		due = hook->not_before;
	if (due < 0)
		return -1;
	return due > now ? (int)(due - now) : 0;
}

void hook_free(struct hook *hook)
{
	if (!hook)
		return;
	if (hook->pid)
		kill(-hook->pid, SIGTERM);
	if (hook->output >= 0)
		close(hook->output);
	clear_lease(hook->lease);
	free(hook->command);
	free(hook);
}
