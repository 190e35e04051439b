/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An agent that is killed at any moment while the fleet changes all the time, and probers that
 * watch: no packet of a member is refused, none of a stranger let in. NETI_TEST_DEEP=1 kills
 * 500 times.
 *
 * On one bridge: hudson, where the agent is "netictl run"; sierra, a member, which also is where
 * the member "roamer" is, now at one of its addresses and now at the other; and a stranger. The
 * crowd is one process outside: members that are nothing but entries in the registry.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "neti/neti.h"
#include "netns.h"
#include "probe.h"
#include "test.h"

#define HUDSON "10.9.1.1"
#define SIERRA "10.9.1.2"
#define SIERRA_TOO "10.9.1.3"
#define STRANGER "10.9.1.9"
#define CROWD 8
#define UDP_PORT 8081

static struct netns_host outside, hudson, sierra, stranger;
static char netictl[4096];

/* What the processes tell each other. */
static struct shared {
	atomic_bool end;
	atomic_bool crowd_stands;
	atomic_uint changes;	       /* of the crowd */
	char roamer[NETI_ADDRESS_MAX]; /* its overlay address */
	atomic_uint sent_member, sent_stranger, came_member, came_stranger;
} * shared;

static bool deep(void)
{
	const char *text = getenv("NETI_TEST_DEEP");

	return text && strcmp(text, "1") == 0;
}

static pid_t spawn(void)
{
	pid_t parent = getpid(), pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
	}
	return pid;
}

static void end_process(pid_t pid, int how)
{
	kill(pid, how);
	waitpid(pid, NULL, 0);
}

/*
 * The crowd. In its process nothing may be asserted: what goes wrong ends it.
 */
static struct neti_context *context;

static struct neti_settings *settings_of(const char *id, const char *address)
{
	char registry[128], folder[128];
	struct neti_settings *settings;
	const char *const values[][2] = {
		{ "registry", registry },
		{ "state_dir", folder },
		{ "id", id },
		{ "network", "ec2" },
		{ "private_ip", address },
		{ "session_timeout", "2s" },
	};

	snprintf(registry, sizeof(registry), "sqlite:%s/registry.db", netns_directory());
	snprintf(folder, sizeof(folder), "%s/%s", netns_directory(), id);
	if (neti_settings_new(&settings, context) < 0)
		_exit(1);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (neti_settings_set(settings, values[i][0], values[i][1]) < 0)
			_exit(1);
	return settings;
}

static void on_event(void *data, const struct neti_event *event)
{
	char *overlay = data;

	if (overlay && neti_event_get_type(event) == NETI_EVENT_REGISTERED)
		neti_member_overlay(neti_event_member(event), overlay);
}

static struct neti_agent *join(const char *id, const char *address, char *ret_overlay)
{
	struct neti_settings *settings = settings_of(id, address);
	struct neti_agent *agent;

	if (neti_agent_new(&agent, settings) < 0)
		_exit(1);
	neti_agent_set_rules(agent, false);
	neti_agent_set_callback(agent, on_event, ret_overlay);
	if (neti_agent_start(agent) < 0)
		_exit(1);
	neti_settings_unref(settings);
	return agent;
}

static void move(struct neti_agent *agent, const char *id, const char *address)
{
	struct neti_settings *settings = settings_of(id, address);

	if (neti_agent_reload(agent, settings) < 0)
		_exit(1);
	neti_settings_unref(settings);
}

static void change_one(struct neti_agent **member, unsigned n)
{
	char id[16], address[32];

	snprintf(id, sizeof(id), "crowd%u", n);
	snprintf(address, sizeof(address), "10.9.1.%d", 100 + rand() % 100);
	if (!*member) {
		*member = join(id, address, NULL);
	} else if (rand() % 2) {
		move(*member, id, address);
	} else {
		neti_agent_unref(*member);
		*member = NULL;
	}
}

static void be_crowd(void)
{
	struct neti_agent *members[CROWD] = { NULL }, *resident, *roamer;
	bool there = false;

	if (neti_context_new(&context) < 0)
		_exit(1);
	resident = join("sierra", SIERRA, NULL);
	roamer = join("roamer", SIERRA, shared->roamer);
	while (!*shared->roamer)
		neti_agent_dispatch(roamer);
	atomic_store(&shared->crowd_stands, true);
	for (unsigned round = 0; !atomic_load(&shared->end); round++) {
		poll(NULL, 0, 10 + rand() % 60);
		if (round % 4 == 0)
			move(roamer, "roamer", (there = !there) ? SIERRA_TOO : SIERRA);
		else
			change_one(&members[round % CROWD], round % CROWD);
		neti_agent_dispatch(resident);
		neti_agent_dispatch(roamer);
		for (unsigned i = 0; i < CROWD; i++)
			if (members[i])
				neti_agent_dispatch(members[i]);
		atomic_fetch_add(&shared->changes, 1);
	}
	_exit(0);
}

/*
 * Datagrams: each from a port of its own, so that the kernel sees a new flow every time.
 */
static int open_udp(const char *address, struct sockaddr_in *ret)
{
	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(UDP_PORT) };
	inet_pton(AF_INET, address, &ret->sin_addr);
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static void send_datagrams(atomic_uint *sent)
{
	struct sockaddr_in to;

	while (!atomic_load(&shared->end)) {
		int fd = open_udp(HUDSON, &to);

		if (sendto(fd, "x", 1, 0, (void *)&to, sizeof(to)) == 1)
			atomic_fetch_add(sent, 1);
		close(fd);
		poll(NULL, 0, 1);
	}
	_exit(0);
}

static void count_datagrams(void)
{
	struct sockaddr_in name, from;
	struct timeval short_while = { .tv_usec = 100000 };
	int fd = open_udp("0.0.0.0", &name), size = 1 << 24;
	in_addr_t unwanted = inet_addr(STRANGER);

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &short_while, sizeof(short_while));
	if (bind(fd, (void *)&name, sizeof(name)) < 0)
		_exit(1);
	for (;;) {
		socklen_t length = sizeof(from);
		char byte;

		if (recvfrom(fd, &byte, 1, 0, (void *)&from, &length) == 1)
			atomic_fetch_add(from.sin_addr.s_addr == unwanted ? &shared->came_stranger :
									    &shared->came_member,
				1);
	}
}

static pid_t in_host(const struct netns_host *host, void (*work)(atomic_uint *), atomic_uint *count)
{
	pid_t pid;

	netns_enter(host);
	pid = spawn();
	if (pid == 0 && work)
		work(count);
	else if (pid == 0)
		count_datagrams();
	netns_enter(&outside);
	return pid;
}

/*
 * The agent.
 */
static void write_settings(const char *engine)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/neti.yml", netns_directory());
	file = fopen(path, "we");
	fprintf(file,
		"registry: sqlite:%s/registry.db\nstate_dir: %s/hudson\nid: hudson\nnetwork: ec2\n"
		"private_ip: " HUDSON "\nreject_all: true\nsession_timeout: 2s\nengine: %s\n",
		netns_directory(), netns_directory(), engine);
	fclose(file);
}

static pid_t start_agent(void)
{
	char path[128];
	pid_t pid;
	int log;

	snprintf(path, sizeof(path), "%s/neti.yml", netns_directory());
	netns_enter(&hudson);
	pid = spawn();
	if (pid == 0) {
		log = open("agent.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		execl(netictl, netictl, "-v", "-c", path, "run", NULL);
		_exit(127);
	}
	netns_enter(&outside);
	return pid;
}

static bool becomes(const char *command, int seconds)
{
	char *output;
	bool done = false;

	netns_enter(&hudson);
	for (int64_t end_at = clock_now() + 1000 * seconds; !done && clock_now() < end_at;) {
		output = netns_output("if %s >/dev/null 2>&1; then echo yes; fi", command);
		done = strstr(output, "yes") != NULL;
		free(output);
		if (!done)
			poll(NULL, 0, 20);
	}
	netns_enter(&outside);
	return done;
}

/* How often the agents of all lives carried a change to the kernel. */
static unsigned changes_of_agents(void)
{
	char *text = netns_output("grep -c 'rules applied' agent.log");
	unsigned n = (unsigned)strtoul(text, NULL, 10);

	free(text);
	return n;
}

static bool begin(const char *engine)
{
	static const struct {
		struct netns_host *host;
		const char *name, *address;
	} hosts[] = { { &hudson, "hudson", HUDSON }, { &sierra, "sierra", SIERRA },
		{ &stranger, "stranger", STRANGER } };

	if (!realpath("netictl", netictl)) {
		test_note_skip("there is no netictl beside the tests");
		return false;
	}
	if (!netns_start(&outside))
		return false;
	ck_assert_int_eq(chdir(netns_directory()), 0);
	netns_do("ip link add bridge type bridge && ip link set bridge up");
	for (size_t i = 0; i < 3; i++) {
		netns_host(hosts[i].host, hosts[i].name);
		netns_do("ip link add port%zu type veth peer name eth0 netns /proc/self/fd/%d && "
			 "ip link set port%zu master bridge up",
			i, hosts[i].host->fd, i);
		netns_enter(hosts[i].host);
		netns_do("ip link set eth0 up && ip addr add %s/24 dev eth0 && "
			 "ip route add default dev eth0",
			hosts[i].address);
		netns_enter(&outside);
	}
	netns_enter(&sierra);
	netns_do("ip addr add " SIERRA_TOO "/24 dev eth0");
	netns_enter(&outside);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		0);
	write_settings(engine);
	/* A life that ends early leaves addresses behind that the crowd had, and on a slow machine soon
	 * more than the guard lets go at once. */
	netns_do("%s -c neti.yml fleet init && %s -c neti.yml fleet set removal_delay 100ms && "
		 "%s -c neti.yml fleet set max_removals 1000",
		netictl, netictl, netictl);
	return true;
}

static pid_t start_crowd(void)
{
	pid_t crowd = spawn();

	if (crowd == 0)
		be_crowd();
	for (int i = 0; i < 1000 && !atomic_load(&shared->crowd_stands); i++)
		poll(NULL, 0, 10);
	ck_assert(atomic_load(&shared->crowd_stands));
	return crowd;
}

static void start_probers(pid_t ret[3])
{
	ret[0] = in_host(&hudson, NULL, NULL);
	probe_listen(&hudson);
	probe_listen(&sierra);
	probe_member(&sierra, HUDSON);
	probe_member(&hudson, shared->roamer);
	probe_stranger(&stranger, HUDSON);
	ret[1] = in_host(&sierra, send_datagrams, &shared->sent_member);
	ret[2] = in_host(&stranger, send_datagrams, &shared->sent_stranger);
	netns_enter(&outside);
}

/* Every datagram that was sent is there by now, or never will be. */
static void judge(const struct probe_counts *counts)
{
	printf("members: %u connections, %u refused; %u datagrams, %u came; "
	       "strangers: %u connections, %u let in; %u datagrams, %u came\n",
		counts->members, counts->refused, shared->sent_member, shared->came_member,
		counts->strangers, counts->let_in, shared->sent_stranger, shared->came_stranger);
	ck_assert_uint_eq(counts->refused, 0);
	ck_assert_uint_eq(counts->let_in, 0);
	ck_assert_uint_eq(shared->came_member, shared->sent_member);
	ck_assert_uint_eq(shared->came_stranger, 0);
	ck_assert_uint_gt(counts->members, 500);
	ck_assert_uint_gt(counts->strangers, 500);
	ck_assert_uint_gt(shared->sent_member, 500);
	ck_assert_uint_gt(shared->sent_stranger, 500);
}

/* Shell commands: rules and member stand; its path is there; the crowd has gone. */
static const struct {
	const char *name, *stands, *leads, *gone;
} engines[] = {
	{ "nftables",
		"nft list chain inet neti input | grep drop && "
		"nft get element inet neti peers '{ " SIERRA " }'",
		"nft list map inet neti overlay | grep ' : " SIERRA "[ ,]'",
		"! nft list set inet neti peers | grep 10[.]9[.]1[.]1" },
	{ "iptables", "iptables-legacy -C NETI-INPUT -j DROP && ipset test neti-peers " SIERRA,
		"iptables-legacy-save -t nat | grep -qe '--to-destination " SIERRA "'",
		"! ipset list neti-peers | grep -q ^10.9.1.1" },
};

START_TEST(killed_at_any_moment)
{
	unsigned kills = deep() ? 500 : 40, seed = (unsigned)time(NULL), before;
	struct probe_counts counts;
	pid_t agent, crowd, probers[3];

	if (!begin(engines[_i].name))
		return;
	printf("seed %u\n", seed);
	srand(seed);
	crowd = start_crowd();
	agent = start_agent();
	ck_assert(becomes(engines[_i].stands, 10));
	ck_assert(becomes(engines[_i].leads, 10));
	start_probers(probers);
	before = atomic_load(&shared->changes);
	/* On a busy machine more lives are too short to change anything. */
	for (unsigned i = 0; i < kills || changes_of_agents() <= kills / 2; i++) {
		poll(NULL, 0, rand() % (i % 4 ? 400 : 800));
		end_process(agent, SIGKILL);
		agent = start_agent();
	}
	ck_assert_uint_gt(atomic_load(&shared->changes) - before, kills);
	atomic_store(&shared->end, true);
	waitpid(probers[1], NULL, 0);
	waitpid(probers[2], NULL, 0);
	waitpid(crowd, NULL, 0);
	poll(NULL, 0, 300);
	counts = probe_end();
	end_process(probers[0], SIGKILL);
	judge(&counts);
	printf("%u changes of the crowd, %u of the kernel\n", atomic_load(&shared->changes),
		changes_of_agents());
	/* The last agent has it all in order. The crowd's sessions have ended by now. */
	if (!becomes(engines[_i].gone, 15)) {
		printf("%s\n", netns_output("tail -n 40 agent.log"));
		ck_abort_msg("the crowd's addresses are still let in");
	}
	end_process(agent, SIGTERM);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("prober");
	const struct test_frame frame = { .timeout = 600 };

	test_case(suite, &frame, "killed");
	test_add_loop(killed_at_any_moment, 0, 2);
	return suite;
}
