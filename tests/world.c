/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hosts, cables and agents for faults. Agents are this same program executed again: threads of
 * the ZooKeeper client do not survive a mere fork.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "neti/neti.h"
#include "probe.h"
#include "test.h"
#include "world.h"
#include "wrong_clock.h"

#define SERVERS_ADDRESS "10.9.2.254"
#define STRANGER "10.9.1.9"
#define AGENT_VARIABLE "NETI_TEST_AGENT"
#define SETTLE_SECONDS 30

struct world_host world_hosts[WORLD_HOSTS] = {
	{ .id = "hudson", .address = "10.9.1.1" },
	{ .id = "sierra", .address = "10.9.1.2" },
};

struct world_host world_late = { .id = "walden", .address = "10.9.1.3" };

static struct netns_host outside, stranger;
static char registry[200];
static struct neti_context *context;

/* --- an agent's process --------------------------------------------------------------------- */

static volatile sig_atomic_t leaving;

static void leave(int signal)
{
	(void)signal;
	leaving = 1;
}

static void print_event(void *data, const struct neti_event *event)
{
	printf("%s%s\n", (const char *)data, neti_event_text(event));
}

static void print_log(void *data, enum neti_log_level level, const char *text)
{
	(void)level;
	printf("%s%s\n", (const char *)data, text);
}

static int be_agent(const char *path)
{
	char clock[200];

	struct neti_context *own;
	struct neti_settings *settings;
	struct neti_agent *agent;
	char head[80];

	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(clock, sizeof(clock), "%.*s/clock", (int)(strrchr(path, '/') - path), path);
	wrong_clock_follow(clock);
	snprintf(head, sizeof(head), "%s: ", strrchr(path, '/') + 1);
	signal(SIGTERM, leave);
	if (neti_context_new(&own) < 0)
		return 1;
	neti_context_set_log(own, NETI_LOG_WARNING, print_log, head);
	if (neti_settings_new(&settings, own) < 0 || neti_settings_load(settings, path) < 0 ||
		neti_agent_new(&agent, settings) < 0)
		return 2;
	neti_agent_set_callback(agent, print_event, head);
	if (neti_agent_start(agent) < 0) {
		printf("%s%s\n", head, neti_context_message(own));
		return 3;
	}
	while (!leaving) {
		struct pollfd fd = { .fd = neti_agent_fd(agent), .events = POLLIN };

		poll(&fd, 1, 50);
		neti_agent_dispatch(agent);
	}
	neti_agent_unref(agent);
	return 0;
}

bool world_is_agent(void)
{
	const char *path = getenv(AGENT_VARIABLE);

	if (path)
		exit(be_agent(path));
	return false;
}

static void settings_path(const struct world_host *host, char path[200])
{
	snprintf(path, 200, "%s/%s.yml", netns_directory(), host->id);
}

static void execute(const struct world_host *host, pid_t parent)
{
	char path[200], program[500] = "";

	settings_path(host, path);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		_exit(127);
	setenv(AGENT_VARIABLE, path, 1);
	execl(program, program, (char *)NULL);
	_exit(127);
}

void world_start_agent(struct world_host *host)
{
	pid_t parent = getpid();

	netns_enter(&host->netns);
	host->agent = fork();
	ck_assert_int_ge(host->agent, 0);
	if (host->agent == 0)
		execute(host, parent);
	netns_enter(&outside);
}

void world_end_agent(struct world_host *host, int signal)
{
	int status;

	if (host->agent == 0)
		return;
	ck_assert_int_eq(waitpid(host->agent, &status, WNOHANG),
		0); /* it has not ended by itself */
	kill(host->agent, signal);
	ck_assert_int_eq(waitpid(host->agent, &status, 0), host->agent);
	host->agent = 0;
}

/* --- the stage --------------------------------------------------------------------------- */

/* exclude: the simulated members', at the least. */
static void write_settings(const struct world_host *host, const char *exclude)
{
	char path[200];
	FILE *file;

	settings_path(host, path);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fprintf(file,
		"registry: %s\nid: %s\nnetwork: ec2\nprivate_ip: %s\nstate_dir: %s/%s\n"
		"session_timeout: 1s\nreject_all: true\n"
		"overlay_exclude: [%s]\n",
		registry, host->id, host->address, netns_directory(), host->id, exclude);
	fclose(file);
}

static void plug(const struct netns_host *host, const char *bridge, const char *device,
	const char *address)
{
	netns_do("ip link add %s-%s type veth peer name %s netns /proc/self/fd/%d && "
		 "ip link set %s-%s master %s up",
		host->name, device, device, host->fd, host->name, device, bridge);
	netns_enter(host);
	netns_do("ip link set %s up && ip addr add %s/24 dev %s", device, address, device);
	netns_enter(&outside);
}

static void build_host(struct world_host *host, unsigned number)
{
	char address[64];

	netns_host(&host->netns, host->id);
	plug(&host->netns, "front", "f0", host->address);
	snprintf(address, sizeof(address), "10.9.2.%u", number);
	plug(&host->netns, "back", "b0", address);
	netns_enter(&host->netns);
	netns_do("ip route add default dev f0");
	netns_enter(&outside);
}

static void build_hosts(void)
{
	netns_do("ip link add front type bridge && ip link set front up && "
		 "ip link add back type bridge && ip link set back up && "
		 "ip addr add " SERVERS_ADDRESS "/24 dev back");
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		build_host(&world_hosts[i], i + 1);
	build_host(&world_late, WORLD_HOSTS + 1);
	netns_host(&stranger, "strange");
	plug(&stranger, "front", "f0", STRANGER);
}

static void name_registry(struct zookeeper_server *servers[], unsigned n)
{
	size_t length = (size_t)snprintf(registry, sizeof(registry), "zookeeper://");

	for (unsigned i = 0; i < n; i++)
		length += (size_t)snprintf(registry + length, sizeof(registry) - length, "%s%s:%u",
			i ? "," : "", SERVERS_ADDRESS, zookeeper_server_port(servers[i]));
	snprintf(registry + length, sizeof(registry) - length, "/neti");
}

const char *world_registry(void)
{
	return registry;
}

void world_set_clock(int seconds)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/clock", netns_directory());
	wrong_clock_set(path, seconds);
}

bool world_begin(struct zookeeper_server *servers[], unsigned n)
{
	if (*zookeeper_server_missing()) {
		test_note_skip("%s", zookeeper_server_missing());
		return false;
	}
	if (!netns_start(&outside))
		return false;
	build_hosts();
	zookeeper_servers_listen_on("0.0.0.0");
	if (n == 1)
		servers[0] = zookeeper_server_start();
	else
		zookeeper_servers_start(servers, n);
	name_registry(servers, n);
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		write_settings(&world_hosts[i], "192.168.0.0/20");
	write_settings(&world_late, "192.168.0.0/18");
	ck_assert_int_eq(neti_context_new(&context), 0);
	world_set_clock(0);
	return true;
}

void world_end(struct zookeeper_server *servers[], unsigned n)
{
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		world_end_agent(&world_hosts[i], SIGTERM);
	world_end_agent(&world_late, SIGTERM);
	for (unsigned i = 0; i < n; i++)
		servers[i] = zookeeper_server_stop(servers[i]);
	neti_context_unref(context);
}

void world_cut(const struct world_host *host, bool cut)
{
	netns_do("ip link set %s-b0 %s", host->netns.name, cut ? "down" : "up");
}

void world_sleep(int ms)
{
	int64_t end = clock_now() + ms;

	while (clock_now() < end)
		poll(NULL, 0, (int)(end - clock_now()));
}

bool world_becomes(const struct world_host *host, int seconds, const char *format, ...)
{
	int64_t end = clock_now() + seconds * 1000;
	char command[500], *output;
	bool done = false;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	netns_enter(&host->netns);
	while (!done && clock_now() < end) {
		output = netns_output("if %s >/dev/null 2>&1; then echo yes; fi", command);
		done = strstr(output, "yes");
		free(output);
		if (!done)
			world_sleep(50);
	}
	netns_enter(&outside);
	return done;
}

/* --- registry and kernel ------------------------------------------------------------------ */

static struct neti_settings *settings_of(const struct world_host *host)
{
	struct neti_settings *settings;
	char path[200];

	settings_path(host, path);
	ck_assert_int_eq(neti_settings_new(&settings, context), 0);
	ck_assert_msg(neti_settings_load(settings, path) == 0, "%s", neti_context_message(context));
	return settings;
}

static struct neti_registry *registry_of(const struct world_host *host)
{
	struct neti_settings *settings = settings_of(host);
	struct neti_registry *opened;

	ck_assert_int_eq(neti_registry_open(&opened, settings), 0);
	neti_settings_unref(settings);
	return opened;
}

void world_fleet_set(const char *key, const char *value)
{
	struct neti_registry *opened = registry_of(&world_hosts[0]);
	int result = neti_registry_fleet_init(opened);

	if (result >= 0)
		result = key ? neti_registry_fleet_set(opened, key, value) :
			       neti_registry_fleet_accept(opened);
	ck_assert_msg(result >= 0, "%s", neti_context_message(context));
	neti_registry_unref(opened);
}

void world_fleet_init(const char *key, const char *value)
{
	struct neti_registry *opened = registry_of(&world_hosts[0]);

	ck_assert_msg(neti_registry_set_initial(opened, key, value) == 0 &&
			      neti_registry_fleet_init(opened) >= 0, /* 0: an answer was lost */
		"%s", neti_context_message(context));
	neti_registry_unref(opened);
}

int world_fleet_refuses(const char *key, const char *value, char text[200])
{
	struct neti_registry *opened = registry_of(&world_hosts[0]);
	int result = neti_registry_fleet_set(opened, key, value);

	snprintf(text, 200, "%s", neti_context_message(context));
	neti_registry_unref(opened);
	return result;
}

/* 1: they differ, and how is printed when it is the last time. */
static int differs(const struct world_host *host, struct neti_registry *opened, bool last)
{
	struct neti_ruleset *ruleset;
	struct neti_settings *settings;
	struct neti_engine *engine;
	char *diff = NULL;
	int result;

	if (neti_ruleset_fetch(&ruleset, opened) < 0)
		return 1;
	settings = settings_of(host);
	netns_enter(&host->netns);
	ck_assert_int_eq(neti_engine_open(&engine, settings), 0);
	neti_settings_unref(settings);
	result = neti_engine_verify(engine, ruleset, &diff);
	netns_enter(&outside);
	if (last)
		printf("%s: %s\n", host->id, result < 0 ? neti_context_message(context) : diff);
	free(diff);
	neti_engine_unref(engine);
	neti_ruleset_unref(ruleset);
	return result;
}

void world_check_kernel(const struct world_host *host)
{
	int64_t end = clock_now() + SETTLE_SECONDS * 1000;
	struct neti_registry *opened = registry_of(host);

	while (differs(host, opened, clock_now() >= end)) {
		ck_assert_msg(clock_now() < end, "the kernel of %s is not the membership",
			host->id);
		world_sleep(200);
	}
	neti_registry_unref(opened);
}

void world_check_kernels(void)
{
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		world_check_kernel(&world_hosts[i]);
}

/* As the agent has it. */
void world_learn_overlay(struct world_host *host)
{
	struct neti_registry *opened = registry_of(host);

	ck_assert_msg(neti_registry_register(opened, host->id, 0, host->overlay) == 0, "%s",
		neti_context_message(context));
	neti_registry_unref(opened);
}

void world_start_agents(void)
{
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		world_start_agent(&world_hosts[i]);
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		ck_assert_msg(world_becomes(&world_hosts[i], SETTLE_SECONDS,
				      "nft get element inet neti peers '{ %s }'",
				      world_hosts[1 - i].address),
			"%s never lets the other in", world_hosts[i].id);
	for (unsigned i = 0; i < WORLD_HOSTS; i++)
		world_learn_overlay(&world_hosts[i]);
	world_check_kernels();
}

/* --- probers ------------------------------------------------------------------------------- */

void world_probe(void)
{
	probe_listen(&world_hosts[0].netns);
	probe_listen(&world_hosts[1].netns);
	probe_listen(&world_late.netns);
	for (unsigned i = 0; i < WORLD_HOSTS; i++) {
		probe_member(&world_hosts[i].netns, world_hosts[1 - i].overlay);
		probe_stranger(&stranger, world_hosts[i].address);
	}
	netns_enter(&outside);
}

bool world_reaches(const struct world_host *host, const struct world_host *other)
{
	int result;

	netns_enter(&host->netns);
	result = netns_connect(other->overlay, PROBE_PORT, 2000);
	netns_enter(&outside);
	return result == 0;
}

void world_probe_end(void)
{
	struct probe_counts counts = probe_end();

	printf("%u members' probes, %u refused; %u stranger's probes, %u let in\n", counts.members,
		counts.refused, counts.strangers, counts.let_in);
	ck_assert_uint_gt(counts.members, 100);
	ck_assert_uint_gt(counts.strangers, 100);
	ck_assert_uint_eq(counts.refused, 0);
	ck_assert_uint_eq(counts.let_in, 0);
}

/* --- all of it ------------------------------------------------------------------------------ */

bool world_deep(void)
{
	const char *text = getenv("NETI_TEST_DEEP");

	return text && *text && strcmp(text, "0") != 0;
}

bool world_lets_in(const struct world_host *host, const char *peer, int seconds)
{
	return world_becomes(host, seconds, "nft get element inet neti peers '{ %s }'", peer);
}

bool world_open(struct zookeeper_server *servers[], unsigned n)
{
	if (!world_begin(servers, n))
		return false;
	world_start_agents();
	world_probe();
	return true;
}

void world_close(struct zookeeper_server *servers[], unsigned n)
{
	world_check_kernels();
	world_probe_end();
	world_end(servers, n);
}
