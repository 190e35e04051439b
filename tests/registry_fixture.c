/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hosts, processes and stores for the suites of the registry. It tests nothing itself.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "registry_fixture.h"

char folder[] = "/tmp/neti-registry-XXXXXX";
struct zookeeper_server *server;
bool on_zookeeper;
char uri[200];

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void make_folder(void)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void start_server(void)
{
	make_folder();
	server = zookeeper_server_start();
}

static void stop_server(void)
{
	server = zookeeper_server_stop(server);
	remove_folder();
}

/* Every test has a registry of its own. */
static void use_sqlite(void)
{
	static unsigned n;

	on_zookeeper = false;
	snprintf(uri, sizeof(uri), "sqlite:%s/%d-%u.db", folder, (int)getpid(), n++);
}

static void use_zookeeper(void)
{
	static unsigned n;

	on_zookeeper = true;
	if (server)
		snprintf(uri, sizeof(uri), "zookeeper://127.0.0.1:%u/test/%d-%u",
			zookeeper_server_port(server), (int)getpid(), n++);
}

/* --- a host ------------------------------------------------------------------------------ */

static void on_state(void *data, enum store_state state, const char *detail)
{
	struct host *host = data;

	(void)detail;
	host->state = state;
	host->expiries += state == STORE_EXPIRED;
	host->suspensions += state == STORE_SUSPENDED;
}

static void on_fleet(void *data, const struct fleet_settings *settings)
{
	struct host *host = data;

	host->fleets++;
	host->fleet = *settings;
}

static void on_replaced(void *data)
{
	((struct host *)data)->replaced++;
}

static int on_shard(void *data, const struct fleet_reading *reading)
{
	struct host *host = data;

	host->reads++;
	host->skipped += reading->bad;
	host->revision = reading->revision;
	member_list_clear(&host->shards[reading->shard]);
	for (size_t i = 0; i < reading->members->length; i++)
		member_list_add(&host->shards[reading->shard], reading->members->items[i]);
	return 0;
}

static int on_joined(void *data, const struct member *self)
{
	struct host *host = data;

	host->joins++;
	host->overlay = self->overlay;
	return 0;
}

static void on_trouble(void *data, enum registry_trouble which, const struct error *error)
{
	struct host *host = data;

	host->stands[which] = error != NULL;
	if (!error)
		return;
	host->troubles++;
	host->trouble = *error;
}

struct fleet_settings initial(const char *subnet)
{
	struct fleet_settings settings;
	struct prefix prefix;

	ck_assert_int_eq(prefix_parse(subnet, &prefix), 0);
	fleet_settings_default(&settings, &prefix);
	return settings;
}

void try_open(struct host *host, const struct registry_config *config)
{
	struct registry_handler handler = { .state = on_state,
		.fleet = on_fleet,
		.shard = on_shard,
		.joined = on_joined,
		.trouble = on_trouble,
		.replaced = on_replaced,
		.data = host };
	struct error error = { 0 };

	memset(host, 0, sizeof(*host));
	ck_assert_msg(registry_open(&host->registry, config, &handler, &error) == 0, "%s",
		error.text);
}

void host_open(struct host *host, const char *subnet)
{
	struct fleet_settings settings = initial(subnet);
	struct registry_config config = {
		.uri = uri,
		.session_timeout_ms = TIMEOUT_MS,
		.initial = &settings,
	};

	try_open(host, &config);
}

void host_close(struct host *host)
{
	host->registry = registry_close(host->registry);
	for (size_t i = 0; i < N(host->shards); i++)
		member_list_clear(&host->shards[i]);
}

size_t seen(const struct host *host)
{
	size_t n = 0;

	for (size_t i = 0; i < N(host->shards); i++)
		n += host->shards[i].length;
	return n;
}

const struct member *sees(const struct host *host, const char *id)
{
	for (size_t i = 0; i < N(host->shards); i++)
		for (size_t n = 0; n < host->shards[i].length; n++)
			if (strcmp(host->shards[i].items[n]->id, id) == 0)
				return host->shards[i].items[n];
	return NULL;
}

void pump(struct host **hosts, size_t n, int timeout_ms)
{
	struct pollfd fds[8];

	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = registry_descriptor(hosts[i]->registry),
			.events = POLLIN };
	poll(fds, n, timeout_ms);
	for (size_t i = 0; i < n; i++)
		if (fds[i].revents)
			ck_assert_int_eq(registry_process(hosts[i]->registry), 0);
}

void pump_for(int ms, struct host *host)
{
	int64_t end = now_ms() + ms;

	while (now_ms() < end)
		pump(&host, 1, 20);
}

struct member self(const char *id, const char *private)
{
	struct member member = { .id = id, .network = "vpc", .version = "0.1.0" };

	ck_assert_int_eq(address_parse(private, &member.private_address), 0);
	return member;
}

void join(struct host *host, const char *id, const char *private, bool takeover)
{
	struct member member = self(id, private);
	struct error error = { 0 };

	ck_assert_msg(registry_join(host->registry, &member, takeover, &error) == 0, "%s",
		error.text);
}

struct address take(struct host *host, const char *id)
{
	struct address address = { 0 };
	struct error error = { 0 };
	int result = registry_lease_take(host->registry, id, &address, WAIT_MS, &error);

	ck_assert_msg(result >= 0, "%s", error.text);
	return address;
}

void watcher_open(struct host *host)
{
	host_open(host, "192.168.0.0/18");
	ck_assert_int_eq(registry_watch(host->registry), 0);
	UNTIL(host->reads >= SHARDS, host);
}

/* --- processes --------------------------------------------------------------------------- */

static volatile sig_atomic_t leaving;

static void leave(int signal)
{
	(void)signal;
	leaving = 1;
}

#define MEMBER_VARIABLE "NETI_TEST_MEMBER"

/* What fixture_suite() does instead in a process that member_process() made. */
static void be_member(const char *task)
{
	struct registry_config config = { .uri = uri, .session_timeout_ms = TIMEOUT_MS };
	char id[100], private[100];
	struct member member = { .id = id, .network = "vpc" };
	struct registry *registry;
	struct error error;

	/* No assertions: this is no test of Check's, and the one that waits sees it fail. */
	if (sscanf(task, "%199s %99s %99s", uri, id, private) != 3 ||
		address_parse(private, &member.private_address) < 0 ||
		registry_open(&registry, &config, NULL, &error) < 0 ||
		registry_join(registry, &member, false, &error) < 0)
		_exit(1);
	signal(SIGTERM, leave);
	while (!leaving) {
		struct pollfd fd = { .fd = registry_descriptor(registry), .events = POLLIN };

		poll(&fd, 1, 50);
		registry_process(registry);
	}
	registry_close(registry);
	_exit(0);
}

/* By exec: the threads of the ZooKeeper client hold locks of the C library at any moment, and a
 * mere fork would keep them for ever. */
pid_t member_process(const char *id, const char *private)
{
	pid_t parent = getpid(), pid;
	char task[500], program[500] = "";

	ck_assert_int_gt(readlink("/proc/self/exe", program, sizeof(program) - 1), 0);
	snprintf(task, sizeof(task), "%s %s %s", uri, id, private);
	setenv(MEMBER_VARIABLE, task, 1);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			execl(program, program, (char *)NULL);
		_exit(127);
	}
	unsetenv(MEMBER_VARIABLE);
	return pid;
}

void end_process(pid_t pid, int signal)
{
	int status;

	kill(pid, signal);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}

struct registry *child_open(const char *subnet)
{
	struct fleet_settings settings;
	struct registry_config config = {
		.uri = uri, .session_timeout_ms = 5 * TIMEOUT_MS, .initial = &settings
	};
	struct registry *registry;
	struct prefix prefix;
	struct error error;

	prefix_parse(subnet, &prefix);
	fleet_settings_default(&settings, &prefix);
	if (registry_open(&registry, &config, NULL, &error) < 0) {
		fprintf(stderr, "child: %s\n", error.text);
		_exit(1);
	}
	return registry;
}

/* --- straight to the store --------------------------------------------------------------- */

static void raw_state(void *data, enum store_state state, const char *detail)
{
	(void)detail;
	((struct raw *)data)->connected = state == STORE_CONNECTED;
}

static void raw_changed(void *data, const char *path)
{
	(void)data;
	(void)path;
}

void raw_done(void *data, const struct store_answer *answer)
{
	struct raw *raw = data;

	raw->answered = true;
	raw->result = answer->result;
}

void raw_pump(struct raw *raw, const bool *flag)
{
	int64_t deadline = now_ms() + WAIT_MS;

	while (!*flag) {
		struct pollfd fd = { .fd = raw->store->backend->descriptor(raw->store),
			.events = POLLIN };

		ck_assert(now_ms() < deadline);
		poll(&fd, 1, 100);
		raw->store->backend->process(raw->store);
	}
}

void raw_open(struct raw *raw)
{
	const struct store_backend *backend = on_zookeeper ? &store_zookeeper : &store_sqlite;
	struct store_config config = { .session_timeout_ms = TIMEOUT_MS,
		.state = raw_state,
		.changed = raw_changed,
		.data = raw };
	char address[200];
	struct error error;

	*raw = (struct raw){ .root = "" };
	strcpy(address, uri + strlen(backend->scheme));
	if (backend->rooted) {
		*strchr(address, '/') = '\0';
		raw->root = strchr(uri + strlen(backend->scheme), '/');
	}
	config.address = address;
	ck_assert_int_eq(backend->open(&raw->store, &config, &error), 0);
	raw_pump(raw, &raw->connected);
}

int raw_multi(struct raw *raw, enum store_operation_kind kind, const char *path)
{
	char full[600];
	struct store_operation operation = { .kind = kind, .path = full, .version = -1 };

	snprintf(full, sizeof(full), "%s%s", raw->root, path);
	raw->answered = false;
	ck_assert_int_eq(raw->store->backend->multi(raw->store, &operation, 1, raw_done, raw), 0);
	raw_pump(raw, &raw->answered);
	return raw->result;
}

void raw_close(struct raw *raw)
{
	raw->store->backend->close(raw->store);
}

/* --- suites ------------------------------------------------------------------------------ */

Suite *fixture_suite(const char *name)
{
	const char *member = getenv(MEMBER_VARIABLE);

	if (member)
		be_member(member);
	return suite_create(name);
}

static const struct test_frame frame = { .timeout = 60 };

void fixture_sqlite(Suite *suite, void (*add)(void))
{
	TCase *tests = test_case(suite, &frame, "sqlite");

	tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
	tcase_add_checked_fixture(tests, use_sqlite, NULL);
	add();
}

void fixture_zookeeper(Suite *suite, void (*add)(void))
{
	TCase *tests = test_case(suite, &frame, "zookeeper");

	tcase_add_unchecked_fixture(tests, start_server, stop_server);
	tcase_add_checked_fixture(tests, use_zookeeper, NULL);
	add();
}

void fixture_outages(Suite *suite, void (*add)(void))
{
	TCase *tests = test_case(suite, &frame, "outages");

	tcase_add_checked_fixture(tests, start_server, stop_server);
	tcase_add_checked_fixture(tests, use_zookeeper, NULL);
	add();
}
