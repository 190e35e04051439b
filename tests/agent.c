/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Agents that make rules: several hosts in namespaces, one process, the public calls, the
 * embedded registry and the real kernel.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "neti/neti.h"
#include "netns.h"
#include "test.h"

#define HUDSON "10.9.1.1"
#define SIERRA "10.9.1.2"
#define STRANGER "10.9.1.3"

/* What one agent has told. */
struct host {
	struct netns_host netns;
	const char *id, *address;
	struct neti_context *context;
	struct neti_agent *agent;
	char overlay[NETI_ADDRESS_MAX];
	const char *engine; /* NULL: the one that auto takes */
	int applied, joined, drift, troubles;
	size_t held;
	char trouble[512];
};

static struct netns_host outside;
static struct netns_host stranger;
static struct host hudson = { .id = "hudson", .address = HUDSON };
static struct host sierra = { .id = "sierra", .address = SIERRA };

static void see(void *data, const struct neti_event *event)
{
	struct host *host = data;

	printf("%s: %s\n", host->id, neti_event_text(event));
	switch (neti_event_get_type(event)) {
	case NETI_EVENT_REGISTERED:
		neti_member_overlay(neti_event_member(event), host->overlay);
		break;
	case NETI_EVENT_APPLIED:
		host->applied++;
		break;
	case NETI_EVENT_HELD:
		host->held = neti_event_count(event);
		break;
	case NETI_EVENT_DRIFT:
		host->drift++;
		break;
	case NETI_EVENT_TROUBLE:
		host->troubles++;
		snprintf(host->trouble, sizeof(host->trouble), "%s", neti_event_text(event));
		break;
	case NETI_EVENT_JOINED:
		host->joined++;
		break;
	case NETI_EVENT_LOST:
	case NETI_EVENT_REGISTRY:
	case NETI_EVENT_MEMBERS:
		break;
	}
}

static const char *subnet = "192.168.0.0/18";

static void set(struct neti_settings *settings, const char *key, const char *value)
{
	ck_assert_int_eq(neti_settings_set(settings, key, value), 0);
}

static struct neti_settings *settings_of(struct host *host)
{
	struct neti_settings *settings;
	char registry[256];

	if (!host->context)
		ck_assert_int_eq(neti_context_new(&host->context), 0);
	ck_assert_int_eq(neti_settings_new(&settings, host->context), 0);
	snprintf(registry, sizeof(registry), "sqlite:%s/registry.db", netns_directory());
	set(settings, "registry", registry);
	snprintf(registry, sizeof(registry), "%s/%s", netns_directory(), host->id);
	set(settings, "state_dir", registry);
	set(settings, "id", host->id);
	set(settings, "network", "ec2");
	set(settings, "private_ip", host->address);
	set(settings, "session_timeout", "1s");
	set(settings, "reject_all", "true");
	set(settings, "overlay_subnet", subnet);
	if (host->engine)
		set(settings, "engine", host->engine);
	return settings;
}

static void start(struct host *host)
{
	struct neti_settings *settings = settings_of(host);

	host->applied = host->joined = host->drift = host->troubles = 0;
	netns_enter(&host->netns);
	ck_assert_int_eq(neti_agent_new(&host->agent, settings), 0);
	neti_agent_set_callback(host->agent, see, host);
	ck_assert_msg(neti_agent_start(host->agent) == 0, "%s",
		neti_context_message(host->context));
	neti_settings_unref(settings);
	netns_enter(&outside);
}

static void stop(struct host *host)
{
	neti_agent_unref(host->agent);
	host->agent = NULL;
}

static void dispatch(void)
{
	poll(NULL, 0, 20);
	if (hudson.agent)
		neti_agent_dispatch(hudson.agent);
	if (sierra.agent)
		neti_agent_dispatch(sierra.agent);
}

/* Dispatches until the condition holds; a busy machine is given time. */
#define DISPATCH_UNTIL(condition)                                                                  \
	for (time_t end_at = time(NULL) + 20; !(condition) && time(NULL) < end_at;)                \
	dispatch()

/* Dispatches until the shell command succeeds on the host. */
static bool becomes(struct host *host, const char *command, int seconds)
{
	char *output, *line;
	bool done = false;

	for (time_t end_at = time(NULL) + seconds + 1; !done && time(NULL) < end_at;) {
		dispatch();
		netns_enter(&host->netns);
		output = netns_output("if %s >/dev/null 2>&1; then echo yes; fi", command);
		netns_enter(&outside);
		line = strstr(output, "yes");
		done = line != NULL;
		free(output);
	}
	return done;
}

static int connect_from(struct host *host, const char *address, uint16_t port)
{
	int result;

	netns_enter(&host->netns);
	result = netns_connect(address, port, 5000);
	netns_enter(&outside);
	return result;
}

static struct neti_registry *registry_of(struct host *host)
{
	struct neti_settings *settings = settings_of(host);
	struct neti_registry *registry;

	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	neti_settings_unref(settings);
	return registry;
}

static void fleet_set(const char *key, const char *value)
{
	struct neti_registry *registry = registry_of(&hudson);

	ck_assert_int_ge(neti_registry_fleet_init(registry), 0);
	ck_assert_msg(neti_registry_fleet_set(registry, key, value) == 0, "%s",
		neti_context_message(hudson.context));
	neti_registry_unref(registry);
}

/* hudson, sierra and the stranger on one bridge. */
static bool begin(void)
{
	static const struct {
		struct netns_host *host;
		const char *name, *address;
	} hosts[] = {
		{ &hudson.netns, "hudson", HUDSON "/24" },
		{ &sierra.netns, "sierra", SIERRA "/24" },
		{ &stranger, "stranger", STRANGER "/24" },
	};

	if (!netns_start(&outside))
		return false;
	netns_do("ip link add bridge type bridge && ip link set bridge up");
	for (size_t i = 0; i < 3; i++) {
		netns_host(hosts[i].host, hosts[i].name);
		netns_do("ip link add port%zu type veth peer name eth0 netns /proc/self/fd/%d && "
			 "ip link set port%zu master bridge up",
			i, hosts[i].host->fd, i);
		netns_enter(hosts[i].host);
		netns_do(
			"ip link set eth0 up && ip addr add %s dev eth0 && ip route add default dev eth0",
			hosts[i].address);
		netns_enter(&outside);
	}
	return true;
}

static void end(void)
{
	stop(&hudson);
	stop(&sierra);
	neti_context_unref(hudson.context);
	neti_context_unref(sierra.context);
}

/* Both are up and have each other's path. */
static void start_both(void)
{
	start(&hudson);
	start(&sierra);
	ck_assert(becomes(&hudson, "nft get element inet neti peers '{ " SIERRA " }'", 20));
	ck_assert(becomes(&sierra, "nft get element inet neti peers '{ " HUDSON " }'", 20));
	ck_assert(becomes(&hudson, "nft list map inet neti overlay | grep ' : " SIERRA "[ ,]'",
		20));
}

START_TEST(members_reach_each_other_and_nobody_else)
{
	char source[NETI_ADDRESS_MAX];
	int listener;

	if (!begin())
		return;
	fleet_set("removal_delay", "100ms");
	start_both();
	netns_enter(&sierra.netns);
	listener = netns_listen("0.0.0.0", 8080);
	netns_enter(&hudson.netns);
	ck_assert_int_eq(netns_seen(listener, sierra.overlay, 8080, source), 0);
	ck_assert_str_eq(source, HUDSON);
	netns_enter(&stranger);
	ck_assert_int_eq(netns_connect(SIERRA, 8080, 300), -ETIMEDOUT);
	netns_enter(&outside);
	stop(&sierra);
	ck_assert(becomes(&hudson, "! nft get element inet neti peers '{ " SIERRA " }'", 20));
	ck_assert_int_eq(connect_from(&hudson, sierra.overlay, 8080), -EHOSTUNREACH);
	start(&sierra);
	ck_assert(becomes(&hudson, "nft get element inet neti peers '{ " SIERRA " }'", 20));
	ck_assert_int_eq(connect_from(&hudson, sierra.overlay, 8080), 0);
	end();
}
END_TEST

/* The ruleset in state_dir and that of the registry. */
static bool keeps_what_is_wanted(struct host *host)
{
	struct neti_registry *registry = registry_of(host);
	struct neti_ruleset *wanted, *kept;
	char folder[256], *text = NULL;
	int differs = 1;

	netns_enter(&host->netns);
	ck_assert_int_ge(neti_ruleset_fetch(&wanted, registry), 0);
	netns_enter(&outside);
	snprintf(folder, sizeof(folder), "%s/%s", netns_directory(), host->id);
	if (neti_ruleset_load(&kept, host->context, folder) == 0) {
		differs = neti_ruleset_diff(kept, wanted, &text);
		neti_ruleset_unref(kept);
	}
	free(text);
	neti_ruleset_unref(wanted);
	neti_registry_unref(registry);
	return differs == 0;
}

/* What few changes add to the files is what a boot puts up: with an engine that changes its rules in
 * place, and with one that cannot. */
START_TEST(few_changes_are_kept)
{
	if (!begin())
		return;
	hudson.engine = _i ? "iptables" : "nftables";
	fleet_set("removal_delay", "100ms");
	start(&hudson);
	DISPATCH_UNTIL(hudson.joined && keeps_what_is_wanted(&hudson));
	for (int i = 0; i < 4; i++) {
		sierra.address = i % 2 ? SIERRA : "10.9.1.12";
		start(&sierra);
		DISPATCH_UNTIL(sierra.joined && keeps_what_is_wanted(&hudson));
		ck_assert(sierra.joined && keeps_what_is_wanted(&hudson));
		stop(&sierra);
		DISPATCH_UNTIL(keeps_what_is_wanted(&hudson));
		ck_assert(keeps_what_is_wanted(&hudson));
	}
	netns_do("%s test -s %s/hudson/ruleset.changes && test -s %s/hudson/fleet.changes",
		_i ? "!" : "", netns_directory(), netns_directory());
	sierra.address = SIERRA;
	ck_assert_int_eq(hudson.drift, 0);
	end();
}
END_TEST

START_TEST(restart_changes_nothing)
{
	char *before, *after;

	if (!begin())
		return;
	start_both();
	netns_enter(&hudson.netns);
	ck_assert_int_eq(netns_connect(sierra.overlay, 9, 5000), -ECONNREFUSED); /* counts */
	before = netns_output("nft -a list ruleset");
	netns_enter(&outside);
	stop(&hudson);
	start(&hudson);
	DISPATCH_UNTIL(hudson.applied > 0);
	ck_assert_int_eq(hudson.applied, 1);
	netns_enter(&hudson.netns);
	after = netns_output("nft -a list ruleset");
	netns_enter(&outside);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	end();
}
END_TEST

START_TEST(drift_is_repaired)
{
	if (!begin())
		return;
	start_both();
	netns_enter(&hudson.netns);
	netns_do("nft 'flush chain inet neti input; flush map inet neti overlay;"
		 " flush set inet neti peers'");
	netns_enter(&outside);
	ck_assert(becomes(&hudson,
		"nft get element inet neti peers '{ " SIERRA " }' &&"
		"nft list chain inet neti input | grep @peers",
		15));
	DISPATCH_UNTIL(hudson.drift > 0);
	ck_assert_int_eq(hudson.drift, 1);
	end();
}
END_TEST

START_TEST(removals_are_held_until_accepted)
{
	struct neti_registry *registry;

	if (!begin())
		return;
	fleet_set("max_removals", "0");
	fleet_set("max_removals_percent", "0");
	fleet_set("removal_delay", "100ms");
	start_both();
	stop(&sierra);
	for (int i = 0; i < 100; i++)
		dispatch();
	ck_assert_uint_eq(hudson.held, 1);
	ck_assert(becomes(&hudson, "nft get element inet neti peers '{ " SIERRA " }'", 1));
	stop(&hudson); /* the guard counts across a restart */
	hudson.held = 0;
	start(&hudson);
	for (int i = 0; i < 100; i++)
		dispatch();
	ck_assert_uint_eq(hudson.held, 1);
	ck_assert(becomes(&hudson, "nft get element inet neti peers '{ " SIERRA " }'", 1));
	registry = registry_of(&hudson);
	ck_assert_int_eq(neti_registry_fleet_accept(registry), 0);
	neti_registry_unref(registry);
	ck_assert(becomes(&hudson, "! nft get element inet neti peers '{ " SIERRA " }'", 20));
	ck_assert_uint_eq(hudson.held, 0);
	end();
}
END_TEST

START_TEST(kernel_is_not_touched_before_the_list_is_read)
{
	struct neti_settings *settings;

	if (!begin())
		return;
	settings = settings_of(&hudson);
	set(settings, "reject_all", "false");
	set(settings, "registry", "zookeeper://127.0.0.1:1/neti");
	netns_enter(&hudson.netns);
	ck_assert_int_eq(neti_agent_new(&hudson.agent, settings), 0);
	neti_settings_unref(settings);
	neti_agent_set_callback(hudson.agent, see, &hudson);
	ck_assert_int_eq(neti_agent_start(hudson.agent), 0);
	for (int i = 0; i < 100; i++)
		dispatch();
	netns_enter(&hudson.netns);
	netns_do("test -z \"$(nft list ruleset)\"");
	end();
}
END_TEST

/* Two members fill a subnet of two addresses. */
START_TEST(full_tables_are_told)
{
	char status[256];

	if (!begin())
		return;
	subnet = "192.168.5.0/30";
	fleet_set("removal_delay", "100ms");
	snprintf(status, sizeof(status), "%s/hudson/status", netns_directory());
	setenv("status", status, 1);
	netns_enter(&hudson.netns);
	/* As an agent left it, but that all else of the table has gone. */
	netns_do(
		"nft 'table inet neti { set denied { flags dynamic,timeout; timeout 1h; size 65536;"
		" type ipv4_addr . inet_proto . inet_service; }; }'; seq 60000 |"
		"sed 's/.*/1.2.3.4 . tcp . &,/' | xargs -d '\\n' -n 2000 sh -c '"
		"echo \"add element inet neti denied { $* }\" | nft -f -' .");
	netns_enter(&outside);
	start(&hudson);
	for (int i = 0; i < 200 && !strstr(hudson.trouble, "denied"); i++)
		dispatch();
	ck_assert_ptr_nonnull(strstr(hudson.trouble, "the set of denied is 91 % full"));
	start(&sierra);
	DISPATCH_UNTIL(strstr(hudson.trouble, "overlay"));
	ck_assert_ptr_nonnull(strstr(hudson.trouble, "the overlay subnet is 100 % full, 2 of 2"));
	ck_assert_int_eq(hudson.troubles, 2); /* each once */
	ck_assert(becomes(&hudson,
		"jq -e '.tables | .overlay.max == 2 and .denied.entries == 60000 and "
		".peers.max > 60000 and .conntrack.max > 0' $status",
		5));
	end();
}
END_TEST

/* Files are laid over the kernel's numbers, which are the machine's. */
START_TEST(full_table_of_connections_is_told)
{
	if (!begin())
		return;
	netns_enter(&hudson.netns);
	netns_do(
		"cd %s && echo 4000000 > count && echo 4194304 > max && mount --make-rprivate / &&"
		"for n in count max; do mount --bind $n /proc/sys/net/netfilter/nf_conntrack_$n; done",
		netns_directory());
	start(&hudson);
	DISPATCH_UNTIL(hudson.troubles > 0);
	ck_assert_msg(strstr(hudson.trouble,
			      "table of connections is 95 % full, 4000000 of 4194304"),
		"%s", hudson.trouble);
	end();
}
END_TEST

START_TEST(overlay_that_is_in_use_here_is_told)
{
	if (!begin())
		return;
	netns_enter(&hudson.netns);
	netns_do("ip addr add 192.168.0.77/24 dev eth0");
	netns_enter(&outside);
	start(&hudson);
	DISPATCH_UNTIL(hudson.troubles > 0);
	ck_assert_ptr_nonnull(strstr(hudson.trouble, "192.168.0.77"));
	DISPATCH_UNTIL(hudson.applied > 0);
	netns_enter(&hudson.netns);
	netns_do("nft list chain inet neti output | grep 'ip daddr 192.168.0.0/24 return' &&"
		 "nft list chain inet neti input | grep drop");
	end();
}
END_TEST

START_TEST(same_id_elsewhere_is_refused)
{
	if (!begin())
		return;
	start(&hudson);
	ck_assert(becomes(&hudson, "nft list set inet neti peers", 20));
	for (int i = 0; i < 500 && !*hudson.overlay; i++)
		dispatch();
	sierra.id = "hudson";
	sierra.address = SIERRA;
	netns_do("mkdir -p %s/other", netns_directory());
	netns_enter(&sierra.netns);
	{
		struct neti_settings *settings = settings_of(&sierra);
		char folder[256];

		snprintf(folder, sizeof(folder), "%s/other", netns_directory());
		set(settings, "state_dir", folder);
		ck_assert_int_eq(neti_agent_new(&sierra.agent, settings), 0);
		neti_settings_unref(settings);
	}
	neti_agent_set_callback(sierra.agent, see, &sierra);
	ck_assert_int_eq(neti_agent_start(sierra.agent), 0);
	netns_enter(&outside);
	DISPATCH_UNTIL(sierra.troubles > 0);
	ck_assert_msg(strstr(sierra.trouble, "hudson") && strstr(sierra.trouble, HUDSON), "%s",
		sierra.trouble);
	end();
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("agent");
	const struct test_frame frame = { .timeout = 60 };

	test_case(suite, &frame, "members");
	test_add(members_reach_each_other_and_nobody_else, same_id_elsewhere_is_refused);
	test_case(suite, &frame, "kernel");
	test_add(restart_changes_nothing, drift_is_repaired,
		kernel_is_not_touched_before_the_list_is_read);
	test_case(suite, &frame, "files");
	test_add_loop(few_changes_are_kept, 0, 2);
	test_case(suite, &frame, "removals");
	test_add(removals_are_held_until_accepted);
	test_case(suite, &frame, "troubles");
	test_add(full_tables_are_told, full_table_of_connections_is_told,
		overlay_that_is_in_use_here_is_told);
	return suite;
}
