/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * No state an agent can be in costs a core or fills a log. Each agent is a process in a network
 * namespace of its own; when it has said that it is where it should be, it counts its processor
 * time and its lines for five seconds. All of them run side by side.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/state.h"
#include "neti/neti.h"
#include "netns.h"
#include "registry/entry.h"
#include "registry_fixture.h"

#define SETTLE_MS 1500
#define MEASURE_MS 5000
#define CPU_MOST_MS (MEASURE_MS / 100)
#define LINES_MOST (MEASURE_MS / 1000 * 2)
#define PATIENCE_MS 40000
#define SUBNET "192.168.0.0/18"
#define VARIABLE "NETI_TEST_IDLE"

/* --- the agent's process -------------------------------------------------------------------- */

struct task {
	char folder[200]; /* of its files: neti.yml, ready, result */
	int member, rules;
	char first[100], sign[100];
};

struct watch {
	const struct task *task;
	bool ready, there;
	unsigned lines;
	char last[400];
};

static void write_text(const char *at, const char *name, const char *text)
{
	char path[400], fresh[420];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", at, name);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	file = fopen(fresh, "we");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0 || rename(fresh, path) < 0)
		abort();
}

static void on_line(struct watch *watch, const char *text)
{
	watch->lines++;
	snprintf(watch->last, sizeof(watch->last), "%s", text);
	if (!watch->ready && strstr(text, watch->task->first)) {
		watch->ready = true;
		write_text(watch->task->folder, "ready", "");
	}
	watch->there |= watch->ready && strstr(text, watch->task->sign);
}

static void on_log(void *data, enum neti_log_level level, const char *text)
{
	(void)level;
	on_line(data, text);
}

static void on_event(void *data, const struct neti_event *event)
{
	on_line(data, neti_event_text(event));
}

static void dispatch_for(struct neti_agent *agent, int64_t ms)
{
	for (int64_t end = now_ms() + ms; now_ms() < end;) {
		struct pollfd fd = { .fd = neti_agent_fd(agent), .events = POLLIN };

		poll(&fd, 1, (int)(end - now_ms()));
		neti_agent_dispatch(agent);
	}
}

static double cpu_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
}

static void measure(struct neti_agent *agent, struct watch *watch)
{
	char text[600];
	double begin;

	for (int64_t end = now_ms() + PATIENCE_MS; !watch->there && now_ms() < end;)
		dispatch_for(agent, 50);
	dispatch_for(agent, SETTLE_MS);
	watch->lines = 0;
	begin = cpu_ms();
	dispatch_for(agent, MEASURE_MS);
	snprintf(text, sizeof(text), "%d %u %.1f %s\n", watch->there, watch->lines,
		cpu_ms() - begin, watch->last);
	write_text(watch->task->folder, "result", text);
}

static int be_agent(const struct task *task)
{
	struct watch watch = { .task = task };
	struct neti_settings *settings;
	struct neti_context *context;
	struct neti_agent *agent;
	char path[300];

	snprintf(path, sizeof(path), "%s/neti.yml", task->folder);
	if (neti_context_new(&context) < 0)
		return 1;
	neti_context_set_log(context, NETI_LOG_INFO, on_log, &watch);
	if (neti_settings_new(&settings, context) < 0 || neti_settings_load(settings, path) < 0 ||
		neti_agent_new(&agent, settings) < 0) {
		fprintf(stderr, "%s\n", neti_context_message(context));
		return 2;
	}
	neti_agent_set_callback(agent, on_event, &watch);
	neti_agent_set_member(agent, task->member);
	neti_agent_set_rules(agent, task->rules);
	if (neti_agent_start(agent) < 0) {
		fprintf(stderr, "%s\n", neti_context_message(context));
		return 3;
	}
	measure(agent, &watch);
	for (;;) /* others may need it */
		dispatch_for(agent, 1000);
}

/* --- states --------------------------------------------------------------------------------- */

struct state {
	const char *name;
	const char *sign; /* the line that says it is there */
	const char *id;	  /* shared with the state before it, and the registry; NULL: the name */
	unsigned last;	  /* of the private address */
	bool no_member, no_rules, iptables; /* not what others are */
	const char *registry;		    /* NULL: one of its own, where the suite has them */
	struct zookeeper_server **server;   /* NULL: the suite's */
	void (*prepare)(const char *folder);
	const char *first; /* the line after which it is disturbed */
	void (*disturb)(void);
};

static struct zookeeper_server *to_kill, *to_freeze;
static struct netns_host outside;

static const char *id_of(const struct state *state)
{
	return state->id ? state->id : state->name;
}

static unsigned port_of(const struct state *state)
{
	return zookeeper_server_port(state->server ? *state->server : server);
}

/* As this process reaches it. */
static void use_registry(const struct state *state)
{
	if (on_zookeeper)
		snprintf(uri, sizeof(uri), "zookeeper://127.0.0.1:%u/idle/%s", port_of(state),
			id_of(state));
	else
		snprintf(uri, sizeof(uri), "sqlite:%s/%s.db", netns_directory(), id_of(state));
}

static void make_fleet_of(const struct fleet_settings *settings, const char *credentials)
{
	struct registry_config config = { .uri = uri,
		.session_timeout_ms = TIMEOUT_MS,
		.initial = settings,
		.credentials = credentials };
	struct fleet_settings none;
	struct error error = { 0 };
	struct host host;

	try_open(&host, &config);
	ck_assert_msg(registry_fleet(host.registry, &none, WAIT_MS, &error) >= 0, "%s", error.text);
	if (credentials) /* and what of it is missing */
		take(&host, "somebody");
	host_close(&host);
}

static void make_fleet(__attribute__((unused)) const char *at)
{
	struct fleet_settings settings = initial(SUBNET);

	make_fleet_of(&settings, NULL);
}

static void make_deaf_fleet(__attribute__((unused)) const char *at)
{
	struct fleet_settings settings = initial(SUBNET);

	make_fleet_of(&settings, "admin:secret");
}

static void raw_write(enum store_operation_kind kind, const char *path, const char *bytes)
{
	struct raw raw;
	char full[600];
	size_t size = bytes ? strlen(bytes) : 0;
	struct store_operation operation = { kind, full, bytes, size, .version = -1 };

	raw_open(&raw);
	snprintf(full, sizeof(full), "%s%s", raw.root, path);
	ck_assert_int_eq(raw.store->backend->multi(raw.store, &operation, 1, raw_done, &raw), 0);
	raw_pump(&raw, &raw.answered);
	ck_assert_int_eq(raw.result, 0);
	raw_close(&raw);
}

static void raw_write_fleet(enum store_operation_kind kind, unsigned shards)
{
	struct fleet_settings settings = initial(SUBNET);
	struct buffer json = { 0 };

	settings.shards = shards;
	ck_assert_int_eq(fleet_settings_print(&settings, &json), 0);
	raw_write(kind, "/fleet", buffer_text(&json));
	buffer_clear(&json);
}

/* The settings are everybody's, the shards another one's. */
static void make_deaf_shards(const char *at)
{
	raw_write(STORE_CREATE, "", NULL);
	raw_write_fleet(STORE_CREATE, SHARDS);
	make_deaf_fleet(at);
}

static void lose_fleet(const char *at)
{
	make_fleet(at);
	raw_write(STORE_DELETE, "/fleet", NULL);
}

static void change_shards(void)
{
	raw_write_fleet(STORE_SET, SHARDS / 2);
}

static void exhaust(__attribute__((unused)) const char *at)
{
	struct host host;

	host_open(&host, "192.168.5.0/30");
	take(&host, "one");
	take(&host, "two");
	host_close(&host);
}

/* What the agent had is another's. */
static void lease_away(const char *at)
{
	struct fleet_settings settings = initial(SUBNET);
	struct member_list members = { 0 };
	struct member member = self("leased-away", "10.0.0.9");
	struct member *known;
	struct error error;
	struct host host;
	char path[300];

	host_open(&host, SUBNET);
	member.overlay = take(&host, "another");
	host_close(&host);
	ck_assert_int_eq(member_new(&known, &member), 0);
	ck_assert_int_eq(member_list_add(&members, known), 0);
	member_unref(known);
	snprintf(path, sizeof(path), "%s/state", at);
	ck_assert_int_eq(state_save(path, &settings, &members, NULL, &error), 0);
	member_list_clear(&members);
}

static const char stays[] = "/ip-map/01/192.168.0.65|10.0.0.77||vpc|stays";

/* A member that no session owns, and a guard that lets nobody go. */
static void add_member(__attribute__((unused)) const char *at)
{
	struct fleet_settings settings = initial(SUBNET);

	settings.max_removals = settings.max_removals_percent = 0;
	settings.removal_delay_ms = 100;
	make_fleet_of(&settings, NULL);
	raw_write(STORE_CREATE, stays, "{}");
}

static void remove_member(void)
{
	raw_write(STORE_DELETE, stays, NULL);
}

static void fill_disk(const char *at)
{
	netns_do("mount --make-rprivate / && mount -t tmpfs -o size=64k tmpfs %s/state && "
		 "{ dd if=/dev/zero of=%s/state/full bs=4k || true; }",
		at, at);
}

static void hold_lock(const char *at)
{
	char path[300];
	int fd; /* to the end of the test */

	snprintf(path, sizeof(path), "%s/xtables.lock", at);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
}

/* In the agent's own namespace. */
static void overlap(__attribute__((unused)) const char *at)
{
	netns_do("ip addr add 192.168.0.77/24 dev eth0");
}

static void freeze_server(void)
{
	zookeeper_server_freeze(to_freeze);
}

static void kill_server(void)
{
	zookeeper_server_kill(to_kill);
}

#define JOINED "is in the fleet"
#define APPLIED "rules applied"
#define SILENT_PORT 2199 /* takes connections and says nothing */

/* Those of one registry stand behind each other. */
/* clang-format off */
static const struct state states[] = {
	{ .name = "well", .sign = APPLIED },
	{ .name = "member-without-rules", .sign = JOINED, .no_rules = true },
	{ .name = "rules-without-member", .sign = APPLIED, .no_member = true, .prepare = make_fleet },
	{ .name = "watcher", .sign = "registry connected", .no_member = true, .no_rules = true,
		.prepare = make_fleet },
	{ .name = "twin-holder", .sign = APPLIED, .id = "twin" },
	{ .name = "twin", .sign = "the id twin", .id = "twin" },
	{ .name = "elsewhere-holder", .sign = APPLIED, .id = "elsewhere" },
	{ .name = "elsewhere", .sign = "the id elsewhere", .id = "elsewhere", .last = 6 },
	{ .name = "leased-away", .sign = "is leased to another id", .prepare = lease_away },
	{ .name = "exhausted", .sign = "no free overlay address", .prepare = exhaust },
	{ .name = "no-fleet", .sign = "there is no fleet", .no_member = true, .prepare = lose_fleet },
	{ .name = "foreign-fleet", .sign = "another fleet", .first = APPLIED, .disturb = change_shards },
	{ .name = "held", .sign = "removals are held", .prepare = add_member, .first = APPLIED,
		.disturb = remove_member },
	{ .name = "disk-full", .sign = "cannot write", .prepare = fill_disk },
	{ .name = "lock-held", .sign = "xtables.lock", .iptables = true, .prepare = hold_lock },
	{ .name = "overlap", .sign = "192.168.0.77", .prepare = overlap },
};

static const struct state zookeeper_states[] = {
	{ .name = "nobody-listens", .sign = "registry connecting", .registry = "zookeeper://127.0.0.1:9/idle" },
	{ .name = "name-unknown", .sign = "registry connecting",
		.registry = "zookeeper://nowhere.invalid:2181/idle" },
	{ .name = "says-nothing", .sign = "registry connecting", .registry = "zookeeper://10.9.0.254:2199/idle" },
	{ .name = "denied", .sign = "access is denied", .no_member = true, .prepare = make_deaf_fleet },
	{ .name = "shards-denied", .sign = "while reading shard", .no_member = true, .prepare = make_deaf_shards },
	{ .name = "killed", .sign = "registry suspended", .server = &to_kill, .first = APPLIED,
		.disturb = kill_server },
	{ .name = "frozen", .sign = "registry suspended", .server = &to_freeze, .first = APPLIED,
		.disturb = freeze_server },
};
/* clang-format on */
/* --- running them ---------------------------------------------------------------------------- */

struct run {
	const struct state *state;
	bool on_zookeeper;
	char folder[200];
	struct netns_host netns;
	pid_t pid;
	bool disturbed;
};

static bool has_file(const struct run *run, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", run->folder, name);
	return access(path, F_OK) == 0;
}

/* A cable to the servers: 10.9.0.254 for all, each in a subnet of its own. */
static void make_host(struct run *run, unsigned number)
{
	netns_host(&run->netns, run->state->name);
	netns_do("ip link add v%u type veth peer name eth0 netns /proc/self/fd/%d && "
		 "ip link set v%u up && ip route add 10.9.0.%u dev v%u",
		number, run->netns.fd, number, number, number);
	netns_enter(&run->netns);
	netns_do("ip link set eth0 up && ip addr add 10.9.0.%u/32 dev eth0 && "
		 "ip route add default dev eth0",
		number);
}

static void write_settings(const struct run *run)
{
	const struct state *state = run->state;
	char registry[300], text[900];

	if (state->registry)
		snprintf(registry, sizeof(registry), "%s", state->registry);
	else if (on_zookeeper)
		snprintf(registry, sizeof(registry), "zookeeper://10.9.0.254:%u/idle/%s",
			port_of(state), id_of(state));
	else
		snprintf(registry, sizeof(registry), "%s", uri);
	snprintf(text, sizeof(text),
		"registry: %s\nid: %s\nnetwork: vpc\nprivate_ip: 10.0.0.%u\nstate_dir: %s/state\n"
		"session_timeout: 2s\nreject_all: true\nengine: %s\n",
		registry, id_of(state), state->last ? state->last : 5, run->folder,
		state->iptables ? "iptables" : "auto");
	write_text(run->folder, "neti.yml", text);
}

static void execute(const struct run *run, pid_t parent)
{
	const struct state *state = run->state;
	char task[700], program[500] = "";

	snprintf(task, sizeof(task), "%s;%d;%d;%s;%s", run->folder, !state->no_member,
		!state->no_rules, state->first ? state->first : state->sign, state->sign);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		_exit(127);
	setenv(VARIABLE, task, 1);
	snprintf(task, sizeof(task), "%s/xtables.lock", run->folder);
	setenv("XTABLES_LOCKFILE", task, 1);
	execl(program, program, (char *)NULL);
	_exit(127);
}

static void start_agent(struct run *run, unsigned number)
{
	pid_t parent = getpid();

	snprintf(run->folder, sizeof(run->folder), "%s/%s%s", netns_directory(), run->state->name,
		on_zookeeper ? "-zookeeper" : "");
	netns_do("mkdir -p %s/state", run->folder);
	make_host(run, number);
	use_registry(run->state);
	netns_enter(&outside);
	if (run->state->prepare && run->state->prepare != overlap)
		run->state->prepare(run->folder);
	netns_enter(&run->netns);
	if (run->state->prepare == overlap)
		overlap(run->folder);
	write_settings(run);
	run->pid = fork();
	if (run->pid == 0)
		execute(run, parent);
	netns_enter(&outside);
}

static void await(const struct run *run, const char *name)
{
	for (int64_t end = now_ms() + 2 * PATIENCE_MS; !has_file(run, name);) {
		ck_assert_msg(now_ms() < end && waitpid(run->pid, NULL, WNOHANG) == 0, "%s: no %s",
			run->state->name, name);
		poll(NULL, 0, 20);
	}
}

static void disturb(struct run *runs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (runs[i].state->disturb) {
			await(&runs[i], "ready");
			on_zookeeper = runs[i].on_zookeeper;
			use_registry(runs[i].state);
			runs[i].state->disturb();
		}
}

/* What is wrong, or "". */
static void judge(const struct run *run, char wrong[700])
{
	char path[300], last[400] = "";
	unsigned lines = 0;
	double cpu = 0;
	int there = 0;
	FILE *file;

	await(run, "result");
	on_zookeeper = run->on_zookeeper;
	snprintf(path, sizeof(path), "%s/result", run->folder);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fscanf(file, "%d %u %lf %399[^\n]", &there, &lines, &cpu, last), 3);
	fclose(file);
	printf("%-10s %-22s %6.2f %% of a core, %.1f lines/s: %s\n",
		on_zookeeper ? "zookeeper" : "sqlite", run->state->name, cpu * 100 / MEASURE_MS,
		lines * 1e3 / MEASURE_MS, last);
	wrong[0] = '\0';
	if (!there || cpu > CPU_MOST_MS || lines > LINES_MOST)
		snprintf(wrong, 700, "%s: %s, %.1f ms and %u lines in %d ms; %s\n",
			run->state->name, there ? "is there" : "never got there", cpu, lines,
			MEASURE_MS, last);
}

static unsigned add_runs(struct run *runs, unsigned n, const struct state *from, size_t n_from)
{
	for (size_t i = 0; i < n_from; i++) {
		runs[n] = (struct run){ .state = &from[i], .on_zookeeper = on_zookeeper };
		if (n > 0 && runs[n].state->id && runs[n - 1].state->id &&
			strcmp(runs[n].state->id, runs[n - 1].state->id) == 0)
			await(&runs[n - 1], "ready");
		start_agent(&runs[n], n + 1);
		n++;
	}
	return n;
}

static bool begin(void)
{
	if (!netns_start(&outside))
		return false;
	zookeeper_servers_listen_on("0.0.0.0");
	server = zookeeper_server_start();
	if (!server) {
		test_note_skip("%s", zookeeper_server_missing());
		return false;
	}
	to_kill = zookeeper_server_start();
	to_freeze = zookeeper_server_start();
	netns_do("ip addr add 10.9.0.254/32 dev lo");
	netns_listen("10.9.0.254", SILENT_PORT);
	return true;
}

static void end(struct run *runs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		end_process(runs[i].pid, SIGKILL);
		if (runs[i].state->prepare == fill_disk)
			netns_do("umount %s/state", runs[i].folder);
	}
	zookeeper_server_stop(to_freeze);
	zookeeper_server_stop(to_kill);
	zookeeper_server_stop(server);
}

START_TEST(no_state_burns_a_core)
{
	struct run runs[2 * N(states) + N(zookeeper_states)];
	char wrong[700], all[N(runs) * 200] = "";
	unsigned n;

	if (!begin())
		return;
	on_zookeeper = true;
	n = add_runs(runs, 0, states, N(states)); /* first: they leave the root open to all */
	n = add_runs(runs, n, zookeeper_states, N(zookeeper_states));
	on_zookeeper = false;
	n = add_runs(runs, n, states, N(states));
	disturb(runs, n);
	for (unsigned i = 0; i < n; i++, strncat(all, wrong, sizeof(all) - strlen(all) - 1))
		judge(&runs[i], wrong);
	end(runs, n);
	ck_assert_msg(all[0] == '\0', "%s", all);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("idle");
	const struct test_frame frame = { .timeout = 120 };
	const char *text = getenv(VARIABLE);
	struct task task;

	if (text) {
		if (sscanf(text, "%199[^;];%d;%d;%99[^;];%99[^;]", task.folder, &task.member,
			    &task.rules, task.first, task.sign) == 5)
			exit(be_agent(&task));
		exit(1);
	}
	test_case(suite, &frame, "processor");
	test_add(no_state_burns_a_core);
	return suite;
}
