/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry over each of its stores: the same tests, once with SQLite and once with a real
 * ZooKeeper server.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "registry/registry.h"
#include "test.h"
#include "zookeeper_server.h"

#define TIMEOUT_MS 1000 /* of a session */
#define SHARDS 64
#define WAIT_MS 10000
#define N(array) (sizeof(array) / sizeof(*(array)))

static char folder[] = "/tmp/neti-registry-XXXXXX";
static struct zookeeper_server *server;
static bool on_zookeeper;
static char uri[200];

static int64_t now_ms(void)
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

#define NEED_STORE()                                                                               \
	do {                                                                                       \
		if (on_zookeeper && !server)                                                       \
			test_skip("%s", zookeeper_server_missing());                               \
	} while (0)

/* --- a host ------------------------------------------------------------------------------ */

struct host {
	struct registry *registry;
	struct member_list shards[SHARDS];
	size_t skipped;
	unsigned reads, joins, troubles, fleets;
	uint64_t revision; /* of the shard read last */
	enum store_state state;
	unsigned expiries, suspensions, replaced;
	struct fleet_settings fleet;
	struct address overlay;
	struct error trouble;
};

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

static void on_trouble(void *data, const struct error *error)
{
	struct host *host = data;

	host->troubles++;
	host->trouble = *error;
}

static struct fleet_settings initial(const char *subnet)
{
	struct fleet_settings settings;
	struct prefix prefix;

	ck_assert_int_eq(prefix_parse(subnet, &prefix), 0);
	fleet_settings_default(&settings, &prefix);
	return settings;
}

static void try_open(struct host *host, const struct registry_config *config)
{
	struct registry_handler handler = { .state = on_state, .fleet = on_fleet,
		.shard = on_shard, .joined = on_joined, .trouble = on_trouble,
		.replaced = on_replaced, .data = host };
	struct error error = { 0 };

	memset(host, 0, sizeof(*host));
	ck_assert_msg(registry_open(&host->registry, config, &handler, &error) == 0, "%s", error.text);
}

static void host_open(struct host *host, const char *subnet)
{
	struct fleet_settings settings = initial(subnet);
	struct registry_config config = {
		.uri = uri,
		.session_timeout_ms = TIMEOUT_MS,
		.initial = &settings,
	};

	try_open(host, &config);
}

static void host_close(struct host *host)
{
	host->registry = registry_close(host->registry);
	for (size_t i = 0; i < SHARDS; i++)
		member_list_clear(&host->shards[i]);
}

static size_t seen(const struct host *host)
{
	size_t n = 0;

	for (size_t i = 0; i < SHARDS; i++)
		n += host->shards[i].length;
	return n;
}

static const struct member *sees(const struct host *host, const char *id)
{
	for (size_t i = 0; i < SHARDS; i++)
		for (size_t n = 0; n < host->shards[i].length; n++)
			if (strcmp(host->shards[i].items[n]->id, id) == 0)
				return host->shards[i].items[n];
	return NULL;
}

static void pump(struct host **hosts, size_t n, int timeout_ms)
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

/* Processes the hosts until the condition holds; fails loudly when it never does. */
#define UNTIL(condition, ...)                                                                      \
	do {                                                                                       \
		struct host *hosts_[] = { __VA_ARGS__ };                                           \
		int64_t deadline_ = now_ms() + WAIT_MS;                                            \
                                                                                                   \
		while (!(condition)) {                                                             \
			ck_assert_msg(now_ms() < deadline_, "never: %s", #condition);              \
			pump(hosts_, N(hosts_), 100);                                              \
		}                                                                                  \
	} while (0)

static void pump_for(int ms, struct host *host)
{
	int64_t end = now_ms() + ms;

	while (now_ms() < end)
		pump(&host, 1, 20);
}

static struct member self(const char *id, const char *private)
{
	struct member member = { .id = id, .network = "vpc", .version = "0.1.0" };

	ck_assert_int_eq(address_parse(private, &member.private_address), 0);
	return member;
}

static void join(struct host *host, const char *id, const char *private, bool takeover)
{
	struct member member = self(id, private);
	struct error error = { 0 };

	ck_assert_msg(registry_join(host->registry, &member, takeover, &error) == 0, "%s", error.text);
}

static struct address take(struct host *host, const char *id)
{
	struct address address = { 0 };
	struct error error = { 0 };
	int result = registry_lease_take(host->registry, id, &address, WAIT_MS, &error);

	ck_assert_msg(result >= 0, "%s", error.text);
	return address;
}

static void watcher_open(struct host *host)
{
	host_open(host, "192.168.0.0/18");
	ck_assert_int_eq(registry_watch(host->registry), 0);
	UNTIL(host->reads >= SHARDS, host);
}

/* A process with a member of its own, that goes on until it is killed or told to leave. */
static volatile sig_atomic_t leaving;

static void leave(int signal)
{
	(void)signal;
	leaving = 1;
}

#define MEMBER_VARIABLE "NETI_TEST_MEMBER"

/* What test_suite() does instead in a process that member_process() made. */
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
static pid_t member_process(const char *id, const char *private)
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

static void end_process(pid_t pid, int signal)
{
	int status;

	kill(pid, signal);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}

/* --- leases ------------------------------------------------------------------------------ */

START_TEST(lease_lasts)
{
	struct address first, second, found = { 0 }, other;
	char *holder = NULL, text[ADDRESS_TEXT_MAX];
	struct error error;
	struct host host;

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_eq(registry_lease_find(host.registry, "web-1", &found, WAIT_MS, &error), -ENOENT);
	ck_assert_int_eq(error.trouble, NETI_TROUBLE_NOT_FOUND);
	ck_assert_int_eq(registry_lease_take(host.registry, "web-1", &first, WAIT_MS, &error), 1);
	ck_assert_int_eq(registry_lease_take(host.registry, "web-1", &second, WAIT_MS, &error), 0);
	ck_assert(address_equal(&first, &second));
	host_close(&host);
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_eq(registry_lease_take(host.registry, "web-1", &second, WAIT_MS, &error), 0);
	ck_assert(address_equal(&first, &second));
	ck_assert_int_eq(registry_lease_find(host.registry, "web-1", &found, WAIT_MS, &error), 0);
	ck_assert(address_equal(&first, &found));
	ck_assert_int_eq(registry_lease_holder(host.registry, &first, &holder, WAIT_MS, &error), 0);
	ck_assert_str_eq(holder, "web-1");
	free(holder);
	address_parse(strcmp(address_format(&first, text), "192.168.0.9") ? "192.168.0.9" : "192.168.0.8",
		&other);
	ck_assert_int_eq(registry_lease_holder(host.registry, &other, &holder, WAIT_MS, &error), -ENOENT);
	ck_assert_int_eq(registry_lease_take(host.registry, "a b", &second, WAIT_MS, &error), -EINVAL);
	host_close(&host);
}
END_TEST

START_TEST(odd_ids_have_leases)
{
	static const char *const ids[] = { "..", ".", "a/b", "a|b", "100%", "%2F", "~x:y@z" };
	struct member_list leases = { 0 };
	struct error error;
	struct host host;
	size_t found = 0;

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	for (size_t i = 0; i < N(ids); i++)
		take(&host, ids[i]);
	ck_assert_int_eq(registry_leases(host.registry, &leases, WAIT_MS, &error), 0);
	ck_assert_uint_eq(leases.length, N(ids));
	for (size_t i = 0; i < N(ids); i++)
		for (size_t n = 0; n < leases.length; n++)
			found += strcmp(leases.items[n]->id, ids[i]) == 0;
	ck_assert_uint_eq(found, N(ids));
	for (size_t n = 1; n < leases.length; n++)
		ck_assert_int_lt(member_compare_overlay(leases.items[n - 1], leases.items[n]), 0);
	ck_assert(!leases.items[0]->live);
	ck_assert_int_gt(leases.items[0]->since, 1600000000);
	member_list_clear(&leases);
	host_close(&host);
}
END_TEST

#define REGISTRARS 50
#define EACH 20

/* In a child made by fork() nothing is asserted: Check's pipe belongs to the test. */
static struct registry *child_open(const char *subnet)
{
	struct fleet_settings settings;
	struct registry_config config = { .uri = uri, .session_timeout_ms = 5 * TIMEOUT_MS,
		.initial = &settings };
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

static void register_many(unsigned number, uint32_t *out)
{
	struct registry *registry = child_open("192.168.0.0/20");
	char id[32];

	for (unsigned i = 0; i < EACH; i++) {
		struct address address;
		struct error error;

		snprintf(id, sizeof(id), "host-%u", number * EACH + i);
		if (registry_lease_take(registry, id, &address, 3 * WAIT_MS, &error) < 0) {
			fprintf(stderr, "child: %s\n", error.text);
			_exit(1);
		}
		out[number * EACH + i] = address_to_ipv4(&address).s_addr;
	}
	registry_close(registry);
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

START_TEST(concurrent_registrations_share_nothing)
{
	size_t size = REGISTRARS * EACH * sizeof(uint32_t);
	uint32_t *out;

	NEED_STORE();
	out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < REGISTRARS; i++) {
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			register_many(i, out);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < REGISTRARS; i++) {
		int status;

		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	qsort(out, REGISTRARS * EACH, sizeof(*out), compare_numbers);
	ck_assert_uint_ne(out[0], 0);
	for (size_t i = 1; i < REGISTRARS * EACH; i++)
		ck_assert_uint_ne(out[i - 1], out[i]);
	munmap(out, size);
}
END_TEST

/* 14 addresses for 14 hosts: the last ones are found although nearly every draw meets a taken
 * one; the next host is told so. */
START_TEST(full_subnet)
{
	bool used[16] = { false };
	struct address address;
	struct error error;
	struct host host;
	char id[32];

	NEED_STORE();
	host_open(&host, "10.9.0.0/28");
	for (unsigned i = 0; i < 14; i++) {
		unsigned last;

		snprintf(id, sizeof(id), "host-%u", i);
		address = take(&host, id);
		last = address.bytes[3];
		ck_assert_uint_gt(last, 0);
		ck_assert_uint_lt(last, 15);
		ck_assert(!used[last]);
		used[last] = true;
	}
	address.family = 77;
	ck_assert_int_eq(registry_lease_take(host.registry, "late", &address, WAIT_MS, &error), -ENOSPC);
	ck_assert_int_eq(error.trouble, NETI_TROUBLE_EXHAUSTED);
	ck_assert_ptr_nonnull(strstr(error.text, "10.9.0.0/28"));
	ck_assert_int_eq(address.family, 77);
	ck_assert_int_eq(registry_lease_release(host.registry, "host-3", WAIT_MS, &error), 0);
	ck_assert_int_eq(registry_lease_take(host.registry, "late", &address, WAIT_MS, &error), 1);
	host_close(&host);
}
END_TEST

START_TEST(nearly_full_subnet)
{
	struct host host;
	char id[32];

	NEED_STORE();
	host_open(&host, "10.9.0.0/24");
	for (unsigned i = 0; i < 254; i++) {
		snprintf(id, sizeof(id), "host-%u", i);
		take(&host, id);
	}
	host_close(&host);
}
END_TEST

START_TEST(excluded_addresses_are_not_given)
{
	struct fleet_settings settings = initial("10.9.0.0/28");
	struct prefix exclude[2];
	struct registry_config config = {
		.uri = uri,
		.session_timeout_ms = TIMEOUT_MS,
		.initial = &settings,
		.exclude = exclude,
		.n_exclude = 2,
	};
	struct address address;
	struct error error;
	struct host host;
	char id[32];

	NEED_STORE();
	prefix_parse("10.9.0.8/29", &exclude[0]);
	prefix_parse("10.9.0.1", &exclude[1]);
	try_open(&host, &config);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(id, sizeof(id), "host-%u", i);
		address = take(&host, id);
		ck_assert_uint_gt(address.bytes[3], 1);
		ck_assert_uint_lt(address.bytes[3], 8);
	}
	ck_assert_int_eq(registry_lease_take(host.registry, "late", &address, WAIT_MS, &error), -ENOSPC);
	host_close(&host);
}
END_TEST

START_TEST(live_lease_is_not_released)
{
	struct address address;
	struct host host, other;
	struct error error;

	NEED_STORE();
	watcher_open(&other);
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1, &host);
	ck_assert_int_eq(registry_lease_release(other.registry, "web-1", WAIT_MS, &error), -EBUSY);
	ck_assert_ptr_nonnull(strstr(error.text, "web-1"));
	host_close(&host);
	UNTIL(!sees(&other, "web-1"), &other);
	ck_assert_int_eq(registry_lease_release(other.registry, "web-1", WAIT_MS, &error), 0);
	ck_assert_int_eq(registry_lease_release(other.registry, "web-1", WAIT_MS, &error), -ENOENT);
	ck_assert_int_eq(registry_lease_find(other.registry, "web-1", &address, WAIT_MS, &error), -ENOENT);
	host_close(&other);
}
END_TEST

/* --- the fleet --------------------------------------------------------------------------- */

START_TEST(no_fleet)
{
	struct registry_config config = { .uri = uri, .session_timeout_ms = TIMEOUT_MS };
	struct fleet_settings settings;
	struct host host, maker;
	struct error error;

	NEED_STORE();
	if (strncmp(uri, "sqlite:", 7) == 0) /* an empty file is one without a fleet */
		fclose(fopen(uri + 7, "we"));
	try_open(&host, &config);
	ck_assert_int_eq(registry_fleet(host.registry, &settings, WAIT_MS, &error), -ENOENT);
	ck_assert_int_eq(error.trouble, NETI_TROUBLE_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(error.text, "there is no fleet at"));
	ck_assert_ptr_nonnull(strstr(error.text, uri));
	ck_assert_uint_eq(host.troubles, 1);
	host_open(&maker, "192.168.0.0/18");
	ck_assert_int_ge(registry_fleet(maker.registry, &settings, WAIT_MS, &error), 0);
	UNTIL(host.fleets == 1, &host);
	host_close(&maker);
	host_close(&host);
}
END_TEST

START_TEST(settings_are_watched)
{
	struct fleet_settings settings;
	struct host host, other;
	struct error error;

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	host_open(&other, "10.0.0.0/8"); /* too late: the fleet is there */
	UNTIL(host.fleets == 1, &host);
	ck_assert_int_ge(registry_fleet(other.registry, &settings, WAIT_MS, &error), 0);
	ck_assert_uint_eq(settings.overlay_subnet.length, 18);
	ck_assert_int_eq(fleet_settings_set(&settings, "max_removals", "7", &error), 0);
	ck_assert_int_eq(registry_fleet_set(other.registry, &settings, WAIT_MS, &error), 0);
	UNTIL(host.fleet.max_removals == 7, &host);
	settings.max_removals = 8;
	ck_assert_int_eq(registry_fleet_set(other.registry, &settings, WAIT_MS, &error), 0);
	UNTIL(host.fleet.max_removals == 8, &host);
	ck_assert_uint_eq(host.fleets, 3);
	host_close(&other);
	host_close(&host);
}
END_TEST

/* Of two that read the same settings, the second to write must not undo the first. */
START_TEST(settings_are_not_overwritten)
{
	struct fleet_settings a, b;
	struct host host, other;
	struct error error;

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	host_open(&other, "192.168.0.0/18");
	ck_assert_int_ge(registry_fleet(host.registry, &a, WAIT_MS, &error), 0);
	ck_assert_int_ge(registry_fleet(other.registry, &b, WAIT_MS, &error), 0);
	a.accepted++;
	b.max_removals = 3;
	ck_assert_int_eq(registry_fleet_set(host.registry, &a, WAIT_MS, &error), 0);
	ck_assert_int_eq(registry_fleet_set(other.registry, &b, WAIT_MS, &error), -EAGAIN);
	UNTIL(other.fleet.accepted == a.accepted, &other);
	b = other.fleet;
	b.max_removals = 3;
	ck_assert_int_eq(registry_fleet_set(other.registry, &b, WAIT_MS, &error), 0);
	host_close(&other);
	host_close(&host);
}
END_TEST

#define MAKERS_MAX 200

static int make_fleet(unsigned number, unsigned *ret_subnet)
{
	struct fleet_settings settings;
	struct registry *registry;
	struct error error;
	char subnet[32];

	snprintf(subnet, sizeof(subnet), "10.%u.0.0/16", number);
	registry = child_open(subnet);
	if (registry_fleet(registry, &settings, 3 * WAIT_MS, &error) < 0) {
		fprintf(stderr, "child: %s\n", error.text);
		return 1;
	}
	*ret_subnet = settings.overlay_subnet.address.bytes[1] + 1u;
	registry_close(registry);
	return 0;
}

START_TEST(many_make_one_fleet)
{
	/* Without forks a debugger or valgrind looks on, and makes everything slow. */
	unsigned makers = getenv("CK_FORK") ? MAKERS_MAX / 10 : MAKERS_MAX;
	unsigned *subnets;
	int gate[2];
	char byte;

	NEED_STORE();
	subnets = mmap(NULL, makers * sizeof(*subnets), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_int_eq(pipe(gate), 0);
	for (unsigned i = 0; i < makers; i++) {
		if (fork())
			continue;
		close(gate[1]);
		if (read(gate[0], &byte, 1) != 0) /* all at once */
			_exit(1);
		_exit(make_fleet(i, &subnets[i]));
	}
	close(gate[0]);
	close(gate[1]);
	for (unsigned i = 0; i < makers; i++) {
		int status;

		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	for (unsigned i = 0; i < makers; i++)
		ck_assert_uint_eq(subnets[i], subnets[0]);
	munmap(subnets, makers * sizeof(*subnets));
}
END_TEST

/* --- members ----------------------------------------------------------------------------- */

START_TEST(join_and_leave_are_seen)
{
	struct member_list members = { 0 };
	struct host host, watcher;
	struct error error;
	unsigned reads;
	uint64_t revision;

	NEED_STORE();
	watcher_open(&watcher);
	ck_assert_uint_eq(seen(&watcher), 0);
	reads = watcher.reads;
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&watcher, "web-1"), &host, &watcher);
	ck_assert_uint_eq(watcher.reads, reads + 1); /* one shard, not the fleet */
	ck_assert(address_equal(&sees(&watcher, "web-1")->overlay, &host.overlay));
	ck_assert(sees(&watcher, "web-1")->live);
	revision = watcher.revision;
	ck_assert_uint_gt(revision, 0);
	ck_assert_int_eq(registry_publish(host.registry, 4711, 0), 0);
	pump_for(200, &host);
	ck_assert_int_eq(registry_members(watcher.registry, &members, true, WAIT_MS, &error), 0);
	ck_assert_uint_eq(members.length, 1);
	ck_assert_str_eq(members.items[0]->version, "0.1.0");
	ck_assert_uint_eq(members.items[0]->revision, 4711);
	ck_assert_int_gt(members.items[0]->since, 1600000000);
	member_list_clear(&members);
	ck_assert_int_eq(registry_members(watcher.registry, &members, false, WAIT_MS, &error), 0);
	ck_assert_uint_eq(members.length, 1);
	ck_assert_ptr_null(members.items[0]->version);
	member_list_clear(&members);
	host_close(&host);
	UNTIL(!sees(&watcher, "web-1"), &watcher);
	ck_assert_uint_gt(watcher.revision, revision);
	host_close(&watcher);
}
END_TEST

START_TEST(revision_is_published)
{
	struct member_list members = { 0 };
	struct error error;
	struct host host;

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	registry_publish(host.registry, 41, 0);
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1, &host);
	ck_assert_int_eq(registry_members(host.registry, &members, true, WAIT_MS, &error), 0);
	ck_assert_uint_eq(members.items[0]->revision, 41);
	member_list_clear(&members);
	host_close(&host);
}
END_TEST

START_TEST(killed_process_is_seen)
{
	struct host watcher;
	int64_t killed;
	pid_t pid;

	NEED_STORE();
	watcher_open(&watcher);
	pid = member_process("web-1", "10.0.0.1");
	UNTIL(sees(&watcher, "web-1"), &watcher);
	killed = now_ms();
	end_process(pid, SIGKILL);
	UNTIL(!sees(&watcher, "web-1"), &watcher);
	ck_assert_int_lt(now_ms() - killed, 3 * TIMEOUT_MS);
	pid = member_process("web-2", "10.0.0.2");
	UNTIL(sees(&watcher, "web-2"), &watcher);
	killed = now_ms();
	end_process(pid, SIGTERM);
	UNTIL(!sees(&watcher, "web-2"), &watcher);
	ck_assert_int_lt(now_ms() - killed, TIMEOUT_MS / 2);
	host_close(&watcher);
}
END_TEST

/* A process that stands still longer than its session lives joins again when it goes on. */
START_TEST(entry_is_made_again_after_expiry)
{
	struct address before;
	struct host watcher;
	int64_t woken;
	pid_t pid;

	NEED_STORE();
	watcher_open(&watcher);
	pid = member_process("web-1", "10.0.0.1");
	UNTIL(sees(&watcher, "web-1"), &watcher);
	before = sees(&watcher, "web-1")->overlay;
	kill(pid, SIGSTOP);
	UNTIL(!sees(&watcher, "web-1"), &watcher);
	kill(pid, SIGCONT);
	woken = now_ms();
	UNTIL(sees(&watcher, "web-1"), &watcher);
	ck_assert_int_lt(now_ms() - woken, 3 * TIMEOUT_MS / 2);
	ck_assert(address_equal(&before, &sees(&watcher, "web-1")->overlay));
	end_process(pid, SIGTERM);
	UNTIL(!sees(&watcher, "web-1"), &watcher);
	host_close(&watcher);
}
END_TEST

/* The old entry is still there, its session too: the new process replaces it, and the watcher
 * never sees the member twice; when the old session dies, the entry stays. */
START_TEST(quick_restart_replaces_the_old_entry)
{
	struct host watcher, host;
	pid_t pid;

	NEED_STORE();
	watcher_open(&watcher);
	pid = member_process("web-1", "10.0.0.1");
	UNTIL(sees(&watcher, "web-1"), &watcher);
	end_process(pid, SIGKILL);
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1, &host);
	ck_assert_uint_eq(host.troubles, 0);
	for (int i = 0; i < 40; i++) {
		struct host *both[] = { &host, &watcher };

		pump(both, 2, 50);
		ck_assert_uint_le(seen(&watcher), 1);
	}
	ck_assert_ptr_nonnull(sees(&watcher, "web-1"));
	ck_assert_uint_eq(host.joins, 1);
	host_close(&host);
	host_close(&watcher);
}
END_TEST

START_TEST(conflict_and_takeover)
{
	struct host watcher, old, new;
	char text[ADDRESS_TEXT_MAX];

	NEED_STORE();
	watcher_open(&watcher);
	host_open(&old, "192.168.0.0/18");
	host_open(&new, "192.168.0.0/18");
	join(&old, "web-1", "10.0.0.1", false);
	UNTIL(old.joins == 1, &old);
	join(&new, "web-1", "10.0.0.2", false);
	UNTIL(new.troubles == 1, &old, &new);
	ck_assert_int_eq(new.trouble.trouble, NETI_TROUBLE_CONFLICT);
	ck_assert_ptr_nonnull(strstr(new.trouble.text, "web-1"));
	ck_assert_ptr_nonnull(strstr(new.trouble.text, "10.0.0.1"));
	ck_assert_uint_eq(new.joins, 0);
	join(&new, "web-1", "10.0.0.2", true);
	UNTIL(new.joins == 1, &old, &new);
	UNTIL(sees(&watcher, "web-1") &&
			strcmp(address_format(&sees(&watcher, "web-1")->private_address, text),
				"10.0.0.2") == 0,
		&watcher, &old, &new);
	ck_assert_uint_eq(seen(&watcher), 1);
	ck_assert(address_equal(&old.overlay, &new.overlay));
	/* The one that was thrown out says so, and does not take the id back. */
	UNTIL(old.troubles == 1, &old, &new, &watcher);
	ck_assert_int_eq(old.trouble.trouble, NETI_TROUBLE_CONFLICT);
	ck_assert_uint_eq(old.joins, 1);
	/* It heals when the other leaves. */
	host_close(&new);
	UNTIL(old.joins == 2, &old, &watcher);
	host_close(&old);
	host_close(&watcher);
}
END_TEST

START_TEST(moving_keeps_the_overlay_address)
{
	struct host watcher, host;
	struct address overlay;
	char text[ADDRESS_TEXT_MAX];
	struct member other = self("web-2", "10.0.0.1");
	struct error error;

	NEED_STORE();
	watcher_open(&watcher);
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&watcher, "web-1"), &host, &watcher);
	overlay = host.overlay;
	join(&host, "web-1", "10.0.0.2", false);
	UNTIL(host.joins == 2, &host);
	ck_assert(address_equal(&overlay, &host.overlay));
	UNTIL(strcmp(address_format(&sees(&watcher, "web-1")->private_address, text), "10.0.0.2") == 0,
		&watcher, &host);
	ck_assert_uint_eq(seen(&watcher), 1);
	ck_assert_int_eq(registry_join(host.registry, &other, false, &error), -EINVAL);
	host_close(&host);
	host_close(&watcher);
}
END_TEST

START_TEST(bad_members_do_not_join)
{
	struct member bad = self("web-1", "10.0.0.1");
	struct error error;
	struct host host;

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	bad.network = "a|b";
	ck_assert_int_eq(registry_join(host.registry, &bad, false, &error), -EINVAL);
	bad = self("web-1", "127.0.0.1");
	ck_assert_int_eq(registry_join(host.registry, &bad, false, &error), -EINVAL);
	host_close(&host);
}
END_TEST

/* --- straight to the store --------------------------------------------------------------- */

struct raw {
	struct store *store;
	const char *root;
	bool connected, answered;
	int result;
};

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

static void raw_done(void *data, const struct store_answer *answer)
{
	struct raw *raw = data;

	raw->answered = true;
	raw->result = answer->result;
}

static void raw_pump(struct raw *raw, const bool *flag)
{
	int64_t deadline = now_ms() + WAIT_MS;

	while (!*flag) {
		struct pollfd fd = { .fd = raw->store->backend->descriptor(raw->store), .events = POLLIN };

		ck_assert(now_ms() < deadline);
		poll(&fd, 1, 100);
		raw->store->backend->process(raw->store);
	}
}

static void raw_open(struct raw *raw)
{
	const struct store_backend *backend = on_zookeeper ? &store_zookeeper : &store_sqlite;
	struct store_config config = { .session_timeout_ms = TIMEOUT_MS, .state = raw_state,
		.changed = raw_changed, .data = raw };
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

static int raw_multi(struct raw *raw, enum store_operation_kind kind, const char *path)
{
	char full[600];
	struct store_operation operation = { .kind = kind, .path = full, .version = -1 };

	snprintf(full, sizeof(full), "%s%s", raw->root, path);
	raw->answered = false;
	ck_assert_int_eq(raw->store->backend->multi(raw->store, &operation, 1, raw_done, raw), 0);
	raw_pump(raw, &raw->answered);
	return raw->result;
}

static void raw_close(struct raw *raw)
{
	raw->store->backend->close(raw->store);
}

START_TEST(bad_entries_are_skipped_and_counted)
{
	static const char *const bad[] = { "nonsense", "1|2|3|4|5", "192.168.0.65|10.0.0.1||vpc|%61",
		"192.168.0.66|10.0.0.9||vpc|elsewhere", "10.0.0.1|10.0.0.1||vpc|outside" };
	struct member_list members = { 0 };
	struct host watcher;
	struct error error;
	char path[200];
	struct raw raw;

	NEED_STORE();
	watcher_open(&watcher);
	raw_open(&raw);
	for (size_t i = 0; i < N(bad); i++) {
		snprintf(path, sizeof(path), "/ip-map/01/%s", bad[i]);
		ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, path), 0);
	}
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/ip-map/01/192.168.0.65|10.0.0.1||vpc|good"), 0);
	UNTIL(sees(&watcher, "good"), &watcher);
	ck_assert_uint_eq(seen(&watcher), 1);
	ck_assert_uint_ge(watcher.skipped, N(bad));
	ck_assert_int_eq(registry_members(watcher.registry, &members, true, WAIT_MS, &error), 0);
	ck_assert_uint_eq(members.length, 1);
	member_list_clear(&members);
	raw_close(&raw);
	host_close(&watcher);
}
END_TEST

START_TEST(store_answers)
{
	struct store_operation check = { .kind = STORE_CHECK, .version = 7 };
	char path[600];
	struct raw raw;
	struct host host;

	NEED_STORE();
	watcher_open(&host); /* makes ROOT */
	raw_open(&raw);
	ck_assert_uint_ne(raw.store->backend->session(raw.store), 0);
	ck_assert_uint_eq(raw.store->backend->timeout(raw.store), TIMEOUT_MS);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/a"), 0);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/a"), -EEXIST);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/b/c"), -ENOENT);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/a/b"), 0);
	ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, "/a"), -ENOTEMPTY);
	ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, "/b"), -ENOENT);
	ck_assert_int_eq(raw_multi(&raw, STORE_SET, "/b"), -ENOENT);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE_EPHEMERAL, "/e"), 0);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/e/f"), -EINVAL);
	snprintf(path, sizeof(path), "%s/a", raw.root);
	check.path = path;
	raw.answered = false;
	ck_assert_int_eq(raw.store->backend->multi(raw.store, &check, 1, raw_done, &raw), 0);
	raw_pump(&raw, &raw.answered);
	ck_assert_int_eq(raw.result, -EAGAIN);
	raw_close(&raw);
	host_close(&host);
}
END_TEST

/* A registry emptied under its members: it is made again as it was, with the same addresses. */
START_TEST(emptied_registry_recovers)
{
	static const char *const folders[] = { "/id-to-ip", "/ip-to-id", "/ip-map", "/fleet" };
	char path[400], text[ADDRESS_TEXT_MAX];
	struct address before;
	struct host host;
	struct raw raw;

	NEED_STORE();
	watcher_open(&host);
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(sees(&host, "web-1") && host.joins == 1, &host);
	before = host.overlay;
	raw_open(&raw);
	snprintf(path, sizeof(path), "/ip-to-id/%s", address_format(&before, text));
	ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, path), 0);
	ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, "/id-to-ip/web-1"), 0);
	snprintf(path, sizeof(path), "/ip-map/%02x/%s|10.0.0.1||vpc|web-1",
		(before.bytes[2] << 8 | before.bytes[3]) % SHARDS, text);
	ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, path), 0);
	for (unsigned i = 0; i < SHARDS; i++) {
		snprintf(path, sizeof(path), "/ip-map/%02x", i);
		ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, path), 0);
	}
	for (size_t i = 0; i < N(folders); i++)
		ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, folders[i]), 0);
	raw_close(&raw);
	UNTIL(host.joins == 2 && sees(&host, "web-1"), &host);
	ck_assert(address_equal(&before, &host.overlay));
	ck_assert_uint_ge(host.replaced, 1);
	host_close(&host);
}
END_TEST

/* --- SQLite's own ------------------------------------------------------------------------ */

static void sql(const char *statement)
{
	char command[1000];

	snprintf(command, sizeof(command), "sqlite3 -cmd '.timeout 5000' %s \"%s\" > /dev/null",
		uri + strlen("sqlite:"), statement);
	ck_assert_msg(system(command) == 0, "%s", command);
}

START_TEST(deleted_session_row_expires)
{
	struct host watcher, host;

	if (system("command -v sqlite3 > /dev/null") != 0)
		test_skip("the sqlite3 tool is not installed");
	watcher_open(&watcher);
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&watcher, "web-1"), &host, &watcher);
	sql("DELETE FROM session WHERE id = (SELECT session FROM node WHERE session IS NOT NULL)");
	UNTIL(!sees(&watcher, "web-1"), &watcher);
	UNTIL(host.joins == 2 && sees(&watcher, "web-1"), &host, &watcher);
	ck_assert_uint_eq(host.expiries, 1);
	ck_assert_uint_eq(watcher.expiries, 0);
	sql("SELECT overlay, id, taken, used FROM leases");
	sql("SELECT entry, data, joined, pid FROM members");
	host_close(&host);
	host_close(&watcher);
}
END_TEST

START_TEST(file_change_is_seen_quickly)
{
	struct host watcher, host;
	struct fleet_settings settings;
	struct error error;
	int64_t begin, spent = 0;

	watcher_open(&watcher);
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_ge(registry_fleet(host.registry, &settings, WAIT_MS, &error), 0);
	for (unsigned i = 1; i <= 10; i++) {
		settings.accepted = i;
		begin = now_ms();
		ck_assert_int_eq(registry_fleet_set(host.registry, &settings, WAIT_MS, &error), 0);
		UNTIL(watcher.fleet.accepted == i, &watcher);
		spent += now_ms() - begin;
	}
	ck_assert_int_lt(spent / 10, 50);
	host_close(&host);
	host_close(&watcher);
}
END_TEST

static void refused(const char *bad, const char *says)
{
	struct registry_config config = { .uri = bad, .session_timeout_ms = TIMEOUT_MS };
	struct registry *registry = NULL;
	struct error error = { 0 };

	ck_assert_int_lt(registry_open(&registry, &config, NULL, &error), 0);
	ck_assert_ptr_null(registry);
	ck_assert_msg(strstr(error.text, says), "%s: %s", bad, error.text);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(bad_files_are_refused)
{
	char bad[200], command[400];
	struct stat status;
	struct host host;

	refused("redis://x/y", "neither zookeeper://");
	refused("sqlite:", "address is missing");
	refused("zookeeper://h:2181", "root");
	refused("zookeeper://h:2181/", "root");
	refused("zookeeper://h:2181/a//b", "root");
	refused("zookeeper://h:2181/../b", "root");
	refused("zookeeper:///neti", "address is missing");
	snprintf(bad, sizeof(bad), "sqlite:%s", folder);
	refused(bad, "is a folder");
	snprintf(bad, sizeof(bad), "sqlite:%s/text", folder);
	write_file(bad + 7, "this is certainly not a database, but it is long enough to have a header\n"
			    "this is certainly not a database, but it is long enough to have a header\n");
	refused(bad, "is not an SQLite database");
	snprintf(bad, sizeof(bad), "sqlite:%s/text/below", folder);
	refused(bad, "Not a directory");
	snprintf(bad, sizeof(bad), "sqlite:%s/other.db", folder);
	snprintf(command, sizeof(command), "sqlite3 %s 'CREATE TABLE a (b)' 2> /dev/null", bad + 7);
	if (system(command) == 0)
		refused(bad, "of another program");
	refused("sqlite:/proc/neti.db", "registry file /proc/neti.db");
	/* Folders are made, and the file is not for everybody. */
	snprintf(uri, sizeof(uri), "sqlite:%s/new/er/file.db", folder);
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_eq(stat(uri + 7, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777 & ~0640u, 0);
	host_close(&host);
}
END_TEST

static void wait_inside(void *data, const struct fleet_settings *settings)
{
	struct host *host = data;
	struct fleet_settings again;
	struct error error;

	(void)settings;
	host->fleets++;
	ck_assert_int_eq(registry_fleet_set(host->registry, settings, WAIT_MS, &error), -EDEADLK);
	ck_assert_int_eq(registry_process(host->registry), -EDEADLK);
	ck_assert_int_ge(registry_fleet(host->registry, &again, WAIT_MS, &error), 0); /* known */
}

START_TEST(waiting_in_a_handler_is_refused)
{
	struct fleet_settings settings = initial("192.168.0.0/18");
	struct registry_config config = { .uri = uri, .session_timeout_ms = TIMEOUT_MS,
		.initial = &settings };
	struct registry_handler handler = { .fleet = wait_inside };
	struct host host = { 0 };
	struct error error;

	NEED_STORE();
	handler.data = &host;
	ck_assert_int_eq(registry_open(&host.registry, &config, &handler, &error), 0);
	ck_assert_int_eq(registry_connect(host.registry, WAIT_MS, &error), 0);
	ck_assert_uint_ne(registry_session(host.registry), 0);
	ck_assert_uint_eq(registry_timeout(host.registry), TIMEOUT_MS);
	UNTIL(host.fleets == 1, &host);
	host_close(&host);
}
END_TEST

/* --- ZooKeeper's own --------------------------------------------------------------------- */

/* Nothing is lost and nothing comes twice when the server goes down under a watcher. */
START_TEST(server_is_killed_and_restarted)
{
	struct host watcher, host;
	uint64_t session;

	NEED_STORE();
	watcher_open(&watcher);
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&watcher, "web-1"), &host, &watcher);
	session = registry_session(host.registry);
	zookeeper_server_kill(server);
	UNTIL(watcher.state == STORE_SUSPENDED && host.state == STORE_SUSPENDED, &host, &watcher);
	zookeeper_server_restart(server);
	UNTIL(watcher.state == STORE_CONNECTED && host.state == STORE_CONNECTED, &host, &watcher);
	if (host.expiries == 0) {
		ck_assert_uint_eq(registry_session(host.registry), session);
		ck_assert_uint_eq(host.joins, 1);
	}
	join(&host, "web-1", "10.0.0.2", false);
	UNTIL(sees(&watcher, "web-1") && sees(&watcher, "web-1")->private_address.bytes[3] == 2,
		&host, &watcher);
	ck_assert_uint_eq(seen(&watcher), 1);
	ck_assert_uint_eq(host.troubles + watcher.troubles, 0);
	host_close(&host);
	UNTIL(seen(&watcher) == 0, &watcher);
	host_close(&watcher);
}
END_TEST

START_TEST(server_comes_later)
{
	struct address address;
	struct error error;
	struct host host;

	NEED_STORE();
	zookeeper_server_kill(server);
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_eq(registry_lease_take(host.registry, "web-1", &address, 300, &error), -ETIMEDOUT);
	ck_assert_int_eq(host.state, STORE_CONNECTING);
	zookeeper_server_restart(server);
	ck_assert_int_ge(registry_lease_take(host.registry, "web-1", &address, WAIT_MS, &error), 0);
	host_close(&host);
}
END_TEST

START_TEST(unreachable_server_is_named)
{
	struct registry_config config = { .uri = "zookeeper://127.0.0.1:1,name.invalid/neti",
		.session_timeout_ms = TIMEOUT_MS };
	struct error error;
	struct host host;

	try_open(&host, &config);
	ck_assert_int_eq(registry_connect(host.registry, 500, &error), -ETIMEDOUT);
	ck_assert_msg(strstr(error.text, "127.0.0.1:1"), "%s", error.text);
	host_close(&host);
	config.uri = "zookeeper://name.invalid/neti";
	try_open(&host, &config);
	ck_assert_int_eq(registry_connect(host.registry, 500, &error), -ETIMEDOUT);
	ck_assert_msg(strstr(error.text, "resolves"), "%s", error.text);
	host_close(&host);
	refused("zookeeper://a, b/neti", "HOST:PORT");
	refused("zookeeper://a,,b/neti", "HOST:PORT");
}
END_TEST

START_TEST(frozen_server_does_not_hang_the_close)
{
	struct host host;
	int64_t begin;

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1, &host);
	zookeeper_server_freeze(server);
	begin = now_ms();
	host_close(&host);
	zookeeper_server_thaw(server);
	ck_assert_int_lt(now_ms() - begin, 6000);
}
END_TEST

/* A server that lost its data refuses everybody who has seen more of it than it knows; a client
 * that insists on its session never gets in again. */
START_TEST(server_loses_its_data)
{
	struct address before;
	struct host host;

	NEED_STORE();
	watcher_open(&host);
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&host, "web-1"), &host);
	before = host.overlay;
	zookeeper_server_kill(server);
	zookeeper_server_empty(server);
	zookeeper_server_restart(server);
	UNTIL(host.joins == 2 && sees(&host, "web-1"), &host);
	ck_assert(address_equal(&before, &host.overlay));
	ck_assert_uint_eq(host.expiries, 1);
	ck_assert_uint_eq(host.replaced, 1);
	host_close(&host);
}
END_TEST

/* With credentials nobody else reads or changes anything below the root. */
START_TEST(credentials_close_the_fleet)
{
	struct fleet_settings settings = initial("192.168.0.0/18");
	struct registry_config config = {
		.uri = uri,
		.session_timeout_ms = TIMEOUT_MS,
		.initial = &settings,
		.credentials = "neti:secret",
	};
	struct host owner, stranger;
	struct address address;
	struct error error;

	NEED_STORE();
	try_open(&owner, &config);
	take(&owner, "web-1");
	config.credentials = "neti:guess";
	try_open(&stranger, &config);
	ck_assert_int_eq(registry_lease_take(stranger.registry, "web-1", &address, WAIT_MS, &error),
		-EACCES);
	ck_assert_int_eq(error.trouble, NETI_TROUBLE_DENIED);
	ck_assert_uint_eq(stranger.troubles, 1);
	host_close(&stranger);
	config.credentials = NULL;
	try_open(&stranger, &config);
	ck_assert_int_eq(registry_lease_find(stranger.registry, "web-1", &address, WAIT_MS, &error),
		-EACCES);
	host_close(&stranger);
	config.credentials = "neti:secret";
	try_open(&stranger, &config);
	ck_assert_int_eq(registry_lease_find(stranger.registry, "web-1", &address, WAIT_MS, &error), 0);
	host_close(&stranger);
	host_close(&owner);
}
END_TEST

static unsigned inherited(void)
{
	unsigned n = 0;

	for (int fd = 3; fd < 100; fd++) {
		struct stat status;

		n += fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) &&
		     !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	return n;
}

START_TEST(sockets_are_not_inherited)
{
	struct error error;
	struct host host;
	unsigned before = inherited();

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_eq(registry_connect(host.registry, WAIT_MS, &error), 0);
	ck_assert_uint_eq(inherited(), before);
	host_close(&host);
}
END_TEST

static unsigned lines;

static void count_line(void *data, enum neti_log_level level, const char *text)
{
	(void)data;
	(void)level;
	lines += strstr(text, "zookeeper client") != NULL;
}

/* Thirty lines a second without the limit. */
START_TEST(client_log_is_thinned_out)
{
	struct log log = { NETI_LOG_INFO, count_line, NULL };
	struct registry_config config = { .uri = "zookeeper://127.0.0.1:1/neti",
		.session_timeout_ms = TIMEOUT_MS, .log = &log };
	struct error error;
	struct host host;

	try_open(&host, &config);
	ck_assert_int_eq(registry_connect(host.registry, 2000, &error), -ETIMEDOUT);
	ck_assert_uint_ge(lines, 1);
	ck_assert_uint_le(lines, 4);
	host_close(&host);
}
END_TEST

static void add_common(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, store_answers);
	tcase_add_test(tests, lease_lasts);
	tcase_add_test(tests, odd_ids_have_leases);
	tcase_add_test(tests, concurrent_registrations_share_nothing);
	tcase_add_test(tests, full_subnet);
	tcase_add_test(tests, nearly_full_subnet);
	tcase_add_test(tests, excluded_addresses_are_not_given);
	tcase_add_test(tests, live_lease_is_not_released);
	tcase_add_test(tests, no_fleet);
	tcase_add_test(tests, settings_are_watched);
	tcase_add_test(tests, settings_are_not_overwritten);
	tcase_add_test(tests, many_make_one_fleet);
	tcase_add_test(tests, join_and_leave_are_seen);
	tcase_add_test(tests, revision_is_published);
	tcase_add_test(tests, killed_process_is_seen);
	tcase_add_test(tests, entry_is_made_again_after_expiry);
	tcase_add_test(tests, quick_restart_replaces_the_old_entry);
	tcase_add_test(tests, conflict_and_takeover);
	tcase_add_test(tests, moving_keeps_the_overlay_address);
	tcase_add_test(tests, bad_members_do_not_join);
	tcase_add_test(tests, bad_entries_are_skipped_and_counted);
	tcase_add_test(tests, emptied_registry_recovers);
	tcase_add_test(tests, waiting_in_a_handler_is_refused);
}

Suite *test_suite(void)
{
	const char *member = getenv(MEMBER_VARIABLE);
	TCase *sqlite, *zookeeper, *outages;
	Suite *suite;

	if (member)
		be_member(member);
	suite = suite_create("registry");
	sqlite = tcase_create("sqlite");
	zookeeper = tcase_create("zookeeper");
	outages = tcase_create("outages");

	tcase_add_unchecked_fixture(sqlite, make_folder, remove_folder);
	tcase_add_checked_fixture(sqlite, use_sqlite, NULL);
	add_common(sqlite);
	tcase_add_test(sqlite, deleted_session_row_expires);
	tcase_add_test(sqlite, file_change_is_seen_quickly);
	tcase_add_test(sqlite, bad_files_are_refused);
	suite_add_tcase(suite, sqlite);
	tcase_add_unchecked_fixture(zookeeper, start_server, stop_server);
	tcase_add_checked_fixture(zookeeper, use_zookeeper, NULL);
	add_common(zookeeper);
	tcase_add_test(zookeeper, sockets_are_not_inherited);
	tcase_add_test(zookeeper, credentials_close_the_fleet);
	tcase_add_test(zookeeper, unreachable_server_is_named);
	tcase_add_test(zookeeper, client_log_is_thinned_out);
	suite_add_tcase(suite, zookeeper);
	/* A server for each: they treat it badly. */
	tcase_set_timeout(outages, 60);
	tcase_add_checked_fixture(outages, start_server, stop_server);
	tcase_add_checked_fixture(outages, use_zookeeper, NULL);
	tcase_add_test(outages, server_is_killed_and_restarted);
	tcase_add_test(outages, server_comes_later);
	tcase_add_test(outages, server_loses_its_data);
	tcase_add_test(outages, frozen_server_does_not_hang_the_close);
	suite_add_tcase(suite, outages);
	return suite;
}
