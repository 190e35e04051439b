/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A good guest in somebody's process: what the library must leave alone there, looked at while
 * agents run on both registries, and the shared library opened and closed over and over.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "neti/neti.h"
#include "test.h"
#include "zookeeper_server.h"

#define TIMES 100
/* Pages that may come by. A sanitizer keeps what is freed for a while, and finds leaks itself. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PAGES 4096
#else
#define PAGES 64
#endif

static struct neti_context *context;
static char folder[64], sqlite_uri[96];

static void setup(void)
{
	strcpy(folder, "/tmp/neti-test-guest-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(sqlite_uri, sizeof(sqlite_uri), "sqlite:%s/registry.db", folder);
	ck_assert_int_eq(neti_context_new(&context), 0);
}

static void teardown(void)
{
	char command[128];

	neti_context_unref(context);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void on_event(void *data, const struct neti_event *event)
{
	*(bool *)data |= neti_event_get_type(event) == NETI_EVENT_JOINED;
}

static struct neti_agent *make_agent(const char *uri, const char *id)
{
	struct neti_settings *settings;
	struct neti_agent *agent;
	char state[96];

	snprintf(state, sizeof(state), "%s/%s", folder, id);
	ck_assert_int_eq(neti_settings_new(&settings, context), 0);
	ck_assert_int_eq(neti_settings_set(settings, "registry", uri), 0);
	ck_assert_int_eq(neti_settings_set(settings, "state_dir", state), 0);
	ck_assert_int_eq(neti_settings_set(settings, "id", id), 0);
	ck_assert_int_eq(neti_settings_set(settings, "network", "ec2"), 0);
	ck_assert_int_eq(neti_settings_set(settings, "private_ip", "10.0.0.11"), 0);
	ck_assert_int_eq(neti_agent_new(&agent, settings), 0);
	neti_settings_unref(settings);
	neti_agent_set_rules(agent, false);
	return agent;
}

/* A member without rules, once it has joined. */
static struct neti_agent *join(const char *uri, const char *id)
{
	struct neti_agent *agent = make_agent(uri, id);
	struct pollfd fd = { .fd = neti_agent_fd(agent), .events = POLLIN };
	bool joined = false;

	neti_agent_set_callback(agent, on_event, &joined);
	ck_assert_msg(neti_agent_start(agent) == 0, "%s", neti_context_message(context));
	for (int i = 0; i < 400 && !joined; i++) {
		poll(&fd, 1, 50);
		neti_agent_dispatch(agent);
	}
	ck_assert(joined);
	neti_agent_set_callback(agent, NULL, NULL);
	return agent;
}

static struct zookeeper_server *server;

static char *zookeeper_uri(void)
{
	static char uri[64];

	if (!server)
		server = zookeeper_server_start();
	snprintf(uri, sizeof(uri), "zookeeper://127.0.0.1:%u/guest", zookeeper_server_port(server));
	return uri;
}

static struct neti_registry *open_registry(const char *uri)
{
	struct neti_settings *settings;
	struct neti_registry *registry;

	ck_assert_int_eq(neti_settings_new(&settings, context), 0);
	ck_assert_int_eq(neti_settings_set(settings, "registry", uri), 0);
	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	neti_settings_unref(settings);
	return registry;
}

/* --- what stays as it is ---------------------------------------------------------------------- */

static void read_handlers(struct sigaction to[NSIG])
{
	memset(to, 0, NSIG * sizeof(*to));
	for (int i = 1; i < NSIG; i++)
		sigaction(i, NULL, &to[i]);
}

START_TEST(signals_are_left_alone)
{
	static struct sigaction before[NSIG], after[NSIG];
	sigset_t mask_before, mask_after;

	read_handlers(before);
	sigprocmask(SIG_SETMASK, NULL, &mask_before);
	neti_agent_unref(join(sqlite_uri, "hudson"));
	read_handlers(after);
	sigprocmask(SIG_SETMASK, NULL, &mask_after);
	for (int i = 1; i < NSIG; i++)
		ck_assert_msg(before[i].sa_handler == after[i].sa_handler, "signal %d", i);
	for (int i = 1; i < NSIG; i++)
		ck_assert_int_eq(sigismember(&mask_before, i), sigismember(&mask_after, i));
}
END_TEST

/* Also of failures: they are told, not printed. */
START_TEST(nothing_is_printed)
{
	char path[96], text[256];
	int saved[] = { dup(STDOUT_FILENO), dup(STDERR_FILENO) };
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%s/said", folder);
	fd = open(path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	fflush(NULL);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	neti_agent_unref(join(sqlite_uri, "hudson"));
	{
		struct neti_agent *agent = make_agent("zookeeper://127.0.0.1:1/none", "sierra");

		ck_assert_int_eq(neti_agent_start(agent), 0);
		poll(NULL, 0, 1500);
		neti_agent_dispatch(agent);
		neti_agent_unref(agent);
	}
	fflush(NULL);
	dup2(saved[0], STDOUT_FILENO);
	dup2(saved[1], STDERR_FILENO);
	length = pread(fd, text, sizeof(text) - 1, 0);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	ck_assert_str_eq(text, "");
}
END_TEST

/* --- threads ------------------------------------------------------------------------------------ */

struct threads {
	int agents, clients;
};

static bool read_line(const char *task, const char *file, const char *key, char *to, size_t size)
{
	char path[300];
	bool found = false;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", task, file);
	stream = fopen(path, "re");
	while (stream && !found && fgets(to, (int)size, stream))
		found = strncmp(to, key, strlen(key)) == 0;
	if (stream)
		fclose(stream);
	return found;
}

/* Every signal that can be blocked; libc keeps 32 and 33 to itself. */
static void check_thread(const char *task, struct threads *ret)
{
	char line[128];
	unsigned long long blocked;

	if (!read_line(task, "status", "SigBlk:", line, sizeof(line)))
		return; /* it has ended */
	blocked = strtoull(line + strlen("SigBlk:"), NULL, 16);
	for (int i = 1; i < NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP && i != 32 && i != 33)
			ck_assert_msg(blocked >> (i - 1) & 1, "thread %s takes signal %d", task, i);
	if (!read_line(task, "comm", "", line, sizeof(line)))
		return;
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "neti-agent") == 0)
		ret->agents++;
	else if (strcmp(line, "neti-zookeeper") == 0)
		ret->clients++;
#ifdef __SANITIZE_THREAD__
	else if (strcmp(line, program_invocation_short_name) == 0)
		return; /* the sanitizer's own */
#endif
	else
		ck_abort_msg("a thread is called \"%s\"", line);
}

static struct threads check_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct threads threads = { 0 };
	struct dirent *entry;

	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != getpid())
			check_thread(entry->d_name, &threads);
	closedir(tasks);
	return threads;
}

/* One that was joined may be seen for a moment. */
static bool threads_are(int agents, int clients)
{
	for (int i = 0; i < 100; i++, poll(NULL, 0, 20)) {
		struct threads now = check_threads();

		if (now.agents == agents && now.clients == clients)
			return true;
	}
	return false;
}

START_TEST(threads_block_signals_and_have_a_name)
{
	struct neti_agent *agent = join(sqlite_uri, "hudson"), *other;

	ck_assert(threads_are(1, 0));
	other = join(zookeeper_uri(), "sierra");
	ck_assert(threads_are(2, 2));
	neti_agent_unref(other);
	neti_agent_unref(agent);
	ck_assert(threads_are(0, 0));
}
END_TEST

/* --- descriptors ---------------------------------------------------------------------------------- */

static char inheritance[4096]; /* as ls tells it */

/* What a program that is started now has open. */
static int inherited(void)
{
	int n = 0, ends[2], status;
	size_t length = 0;
	ssize_t got;
	pid_t child;

	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execlp("ls", "ls", "-l", "/proc/self/fd", NULL);
		_exit(1);
	}
	close(ends[1]);
	while ((got = read(ends[0], inheritance + length, sizeof(inheritance) - 1 - length)) > 0)
		length += (size_t)got;
	inheritance[length] = '\0';
	for (size_t i = 0; i < length; i++)
		n += inheritance[i] == '\n';
	close(ends[0]);
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	return n;
}

START_TEST(programs_inherit_nothing)
{
	char *uri = zookeeper_uri();
	int before = inherited();
	struct neti_agent *agent = join(sqlite_uri, "hudson"), *other = join(uri, "sierra");

	ck_assert_msg(inherited() == before, "%s", inheritance);
	neti_agent_unref(other);
	neti_agent_unref(agent);
}
END_TEST

static int connections_to(unsigned port)
{
	struct sockaddr_in peer;
	int n = 0;

	for (int fd = 3; fd < 256; fd++) {
		socklen_t size = sizeof(peer);

		n += getpeername(fd, (struct sockaddr *)&peer, &size) == 0 &&
		     peer.sin_family == AF_INET && ntohs(peer.sin_port) == port;
	}
	return n;
}

static bool settles(unsigned port, int connections, int inherits)
{
	for (int i = 0; i < 400; i++, poll(NULL, 0, 50))
		if (connections_to(port) == connections && inherited() == inherits)
			return true;
	return false;
}

/* The client finds its server again by itself, while nobody calls the library. */
START_TEST(programs_inherit_no_later_connection)
{
	char *uri = zookeeper_uri(), overlay[NETI_ADDRESS_MAX];
	unsigned port = zookeeper_server_port(server);
	int before = inherited();
	struct neti_registry *registry = open_registry(uri);

	ck_assert_msg(neti_registry_register(registry, "walden", 0, overlay) >= 0, "%s",
		neti_context_message(context));
	ck_assert_msg(settles(port, 1, before), "%s", inheritance);
	zookeeper_server_kill(server);
	ck_assert_msg(settles(port, 0, before), "%s", inheritance);
	zookeeper_server_restart(server);
	ck_assert_msg(settles(port, 1, before), "%s", inheritance);
	neti_registry_unref(registry);
}
END_TEST

/* --- fork ------------------------------------------------------------------------------------------- */

/* How many of the calls are not refused. */
static int forked_agent(struct neti_agent *agent)
{
	struct neti_settings *settings;
	struct neti_members *list;
	int n = neti_settings_new(&settings, context) != 0;

	n += neti_agent_dispatch(agent) != -ECHILD;
	n += neti_agent_start(agent) != -ECHILD;
	n += neti_agent_reload(agent, settings) != -ECHILD;
	n += neti_agent_members(agent, &list) != -ECHILD;
	n += neti_agent_stop(agent) != -ECHILD;
	neti_settings_unref(settings);
	return n;
}

static int forked_registry(struct neti_registry *registry)
{
	struct neti_members *list;
	struct neti_ruleset *ruleset;
	char overlay[NETI_ADDRESS_MAX], *json;
	int n = neti_registry_register(registry, NULL, 0, overlay) != -ECHILD;

	n += neti_registry_list(registry, 0, &list) != -ECHILD;
	n += neti_registry_lookup(registry, "hudson", &list) != -ECHILD;
	n += neti_registry_release(registry, "hudson") != -ECHILD;
	n += neti_registry_reclaim(registry, 0, 0, &list) != -ECHILD;
	n += neti_registry_fleet_init(registry) != -ECHILD;
	n += neti_registry_fleet_show(registry, &json) != -ECHILD;
	n += neti_registry_fleet_set(registry, "max_removals", "7") != -ECHILD;
	n += neti_registry_fleet_accept(registry) != -ECHILD;
	n += neti_ruleset_fetch(&ruleset, registry) != -ECHILD;
	return n;
}

static void fork_beside(const char *uri)
{
	struct neti_agent *agent = join(uri, "hudson");
	struct neti_registry *registry = open_registry(uri);
	struct neti_members *list;
	int status;
	pid_t child;

	ck_assert_int_eq(neti_registry_list(registry, 0, &list), 0);
	neti_members_unref(list);
	child = fork();
	if (child == 0) {
		status = forked_agent(agent) + forked_registry(registry);
		neti_agent_unref(agent);
		neti_registry_unref(registry);
		_exit(status);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	/* All is as it was: the session, the place in the fleet, the worker. */
	ck_assert_int_eq(neti_registry_list(registry, 0, &list), 0);
	ck_assert_uint_eq(neti_members_count(list), 1);
	neti_members_unref(list);
	ck_assert_int_ge(neti_agent_dispatch(agent), 0);
	ck_assert_int_eq(neti_agent_members(agent, &list), 0);
	neti_members_unref(list);
	neti_registry_unref(registry);
	neti_agent_unref(agent);
}

START_TEST(child_leaves_the_parent_alone)
{
	fork_beside(sqlite_uri);
	fork_beside(zookeeper_uri());
}
END_TEST

/* --- somebody without rights ------------------------------------------------------------------------ */

START_TEST(what_needs_no_kernel_needs_no_root)
{
	struct neti_settings *settings;
	struct neti_engine *engine;
	int status;
	pid_t child;

	ck_assert_int_eq(chmod(folder, 0777), 0);
	child = fork();
	if (child == 0) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(1);
		neti_agent_unref(join(sqlite_uri, "hudson"));
		if (neti_settings_new(&settings, context) < 0 ||
			neti_engine_open(&engine, settings) == 0)
			_exit(2);
		_exit(neti_context_reason(context) == NETI_REASON_PRIVILEGE &&
					*neti_context_message(context) ?
				0 :
				3);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* --- opened and closed -------------------------------------------------------------------------------- */

static int count(const char *path)
{
	DIR *directory = opendir(path);
	int n = 0;

	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static long resident_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = 0;

	ck_assert_int_eq(fscanf(file, "%*d %ld", &pages), 1);
	fclose(file);
	return pages;
}

/* With what it does first of all. The test's own copy has other names for the same. */
static void open_and_close(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	int (*make)(struct neti_context **);
	void (*unref)(struct neti_context *);
	struct neti_context *made;

	ck_assert_msg(library != NULL, "%s", dlerror());
	*(void **)&make = dlsym(library, "neti_context_new");
	*(void **)&unref = dlsym(library, "neti_context_unref");
	ck_assert_int_eq(make(&made), 0);
	unref(made);
	ck_assert_int_eq(dlclose(library), 0);
}

START_TEST(opened_and_closed_often)
{
	const char *path = ".libs/libneti.so";
	int descriptors, threads;
	long pages;

	open_and_close(path);
	descriptors = count("/proc/self/fd");
	threads = count("/proc/self/task");
	pages = resident_pages();
	for (int i = 0; i < TIMES; i++)
		open_and_close(path);
	ck_assert_int_eq(count("/proc/self/fd"), descriptors);
	ck_assert_int_eq(count("/proc/self/task"), threads);
	ck_assert_int_lt(resident_pages() - pages, PAGES);
	/* It stays (-z nodelete): a thread of the ZooKeeper client may be on its way out. */
	ck_assert_ptr_nonnull(dlopen(path, RTLD_NOW | RTLD_NOLOAD));
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("guest");
	const struct test_frame frame = { 60, setup, teardown };

	test_case(suite, &frame, "signals");
	test_add(signals_are_left_alone, threads_block_signals_and_have_a_name);
	test_case(suite, &frame, "output");
	test_add(nothing_is_printed);
	test_case(suite, &frame, "children");
	test_add(programs_inherit_nothing, programs_inherit_no_later_connection,
		child_leaves_the_parent_alone);
	test_case(suite, &frame, "root");
	test_add(what_needs_no_kernel_needs_no_root);
	test_case(suite, &frame, "handles");
	test_add(opened_and_closed_often);
	return suite;
}
