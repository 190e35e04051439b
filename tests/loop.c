/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The agent in somebody's event loop: dispatch waits for nothing, a callback may let go of
 * everything and begin anew, and who never dispatches loses neither view nor memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "neti/neti.h"
#include "registry/registry.h"
#include "simulated.h"
#include "test.h"
#include "zookeeper_server.h"

#define QUEUE 256 /* as neti.h says */

static struct neti_context *context;
static struct neti_settings *settings;
static struct neti_agent *agent;
static char folder[64];

static void set(const char *key, const char *value)
{
	ck_assert_msg(neti_settings_set(settings, key, value) == 0, "%s",
		neti_context_message(context));
}

static void setup(void)
{
	char uri[96];

	mallopt(M_PERTURB, 0x5a); /* what was freed is not what it was */
	strcpy(folder, "/tmp/neti-test-loop-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(uri, sizeof(uri), "sqlite:%s/registry.db", folder);
	ck_assert_int_eq(neti_context_new(&context), 0);
	ck_assert_int_eq(neti_settings_new(&settings, context), 0);
	set("registry", uri);
	set("state_dir", folder);
	set("id", "hudson");
	set("network", "ec2");
	set("private_ip", "10.0.0.11");
	agent = NULL;
}

static void teardown(void)
{
	char command[128];

	neti_agent_unref(agent);
	neti_settings_unref(settings);
	neti_context_unref(context);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void make_agent(neti_event_function function, void *data)
{
	ck_assert_int_eq(neti_agent_new(&agent, settings), 0);
	neti_agent_set_rules(agent, false);
	neti_agent_set_callback(agent, function, data);
}

static void start(void)
{
	ck_assert_msg(neti_agent_start(agent) == 0, "%s", neti_context_message(context));
}

static bool readable(int fd, int ms)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, ms) == 1;
}

/* --- dispatch waits for nothing ------------------------------------------------------------- */

/* Hangs, and is ended by Check, when it does. */
START_TEST(dispatch_never_waits)
{
	int fd, flags;

	set("registry", "zookeeper://127.0.0.1:1/nowhere");
	make_agent(NULL, NULL);
	fd = neti_agent_fd(agent);
	flags = fcntl(fd, F_GETFL);
	ck_assert(!readable(fd, 0));
	ck_assert_int_eq(neti_agent_dispatch(agent), 0);
	start();
	for (int i = 0; i < 1000; i++)
		ck_assert_int_ge(neti_agent_dispatch(agent), 0);
	ck_assert_int_eq(neti_agent_stop(agent), 0);
	ck_assert_int_ge(neti_agent_dispatch(agent), 0);
	ck_assert(!readable(fd, 0));
	ck_assert_int_eq(neti_agent_dispatch(agent), 0);
	ck_assert_int_eq(neti_agent_fd(agent), fd);
	ck_assert_int_eq(fcntl(fd, F_GETFL), flags);
}
END_TEST

/* --- callbacks ------------------------------------------------------------------------------- */

static int calls;

static void let_go_of_all(void *data, const struct neti_event *event)
{
	const struct neti_member *member = neti_event_member(event);

	(void)data;
	calls++;
	neti_agent_unref(agent);
	neti_settings_unref(settings);
	neti_context_unref(context);
	agent = NULL;
	settings = NULL;
	context = NULL;
	/* The event is there for as long as the callback runs. */
	ck_assert_str_ne(neti_event_text(event), "");
	ck_assert(!member || *neti_member_id(member));
}

/* More than one event waits when the first of them is told. */
START_TEST(callback_lets_go_of_all)
{
	struct neti_members *members = NULL;

	make_agent(let_go_of_all, NULL);
	start();
	for (int i = 0; i < 400 && !(members && neti_members_count(members)); i++) {
		neti_members_unref(members);
		members = NULL;
		if (neti_agent_members(agent, &members) < 0)
			members = NULL;
		poll(NULL, 0, 25);
	}
	ck_assert_ptr_nonnull(members);
	ck_assert_int_gt(neti_agent_dispatch(agent), 1);
	ck_assert_int_eq(calls, 1);
	ck_assert_uint_eq(neti_members_count(members), 1); /* it keeps what it was made from */
	neti_members_unref(members);
}
END_TEST

static void begin_anew(void *data, const struct neti_event *event)
{
	int *joined = data;

	if (neti_event_get_type(event) != NETI_EVENT_JOINED || ++*joined > 3)
		return;
	ck_assert_int_eq(neti_agent_stop(agent), 0);
	ck_assert_int_eq(neti_agent_stop(agent), 0);
	ck_assert_int_eq(neti_agent_start(agent), 0);
	ck_assert_int_eq(neti_agent_start(agent), -EALREADY);
	ck_assert_int_ge(neti_agent_dispatch(agent), 0); /* also inside itself */
}

START_TEST(callback_stops_and_starts)
{
	int joined = 0;

	make_agent(begin_anew, &joined);
	start();
	for (int i = 0; i < 400 && joined < 4; i++)
		if (readable(neti_agent_fd(agent), 50))
			ck_assert_int_ge(neti_agent_dispatch(agent), 0);
	ck_assert_int_eq(joined, 4);
}
END_TEST

static struct neti_registry *registry;

static void log_lets_go(void *data, enum neti_log_level level, const char *text)
{
	(void)data;
	(void)level;
	ck_assert_str_ne(text, "");
	calls++;
	neti_registry_unref(registry);
	neti_settings_unref(settings);
	registry = NULL;
	settings = NULL;
}

/* The log is a callback too: here it lets go of the registry that is being opened. */
START_TEST(log_lets_go_of_the_registry)
{
	char overlay[NETI_ADDRESS_MAX];

	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	neti_context_set_log(context, NETI_LOG_DEBUG, log_lets_go, NULL);
	ck_assert_int_eq(neti_registry_register(registry, NULL, 0, overlay), 1);
	ck_assert_int_ge(calls, 1);
	ck_assert_str_ne(overlay, "");
}
END_TEST

static void log_asks_again(void *data, enum neti_log_level level, const char *text)
{
	char overlay[NETI_ADDRESS_MAX];

	(void)data;
	(void)level;
	(void)text;
	calls++;
	ck_assert_int_eq(neti_registry_register(registry, "other", 0, overlay), -EDEADLK);
	ck_assert_int_eq(neti_registry_fleet_init(registry), -EDEADLK);
}

/* The call that is under way goes on as if nobody had asked: a call that looks is opened anew for
 * one that makes. */
START_TEST(log_asks_the_same_registry)
{
	struct neti_members *members;
	char overlay[NETI_ADDRESS_MAX];

	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	ck_assert_int_eq(neti_registry_register(registry, NULL, 0, overlay), 1);
	neti_registry_unref(registry);
	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	neti_context_set_log(context, NETI_LOG_DEBUG, log_asks_again, NULL);
	ck_assert_int_eq(neti_registry_list(registry, 0, &members), 0);
	neti_context_set_log(context, NETI_LOG_ERROR, NULL, NULL);
	ck_assert_int_ge(calls, 1);
	neti_members_unref(members);
	ck_assert_int_eq(neti_registry_fleet_init(registry), 0);
	neti_registry_unref(registry);
}
END_TEST

/* ... and the settings that are being read. */
START_TEST(log_lets_go_of_the_settings)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/neti.yml", folder);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fputs("ssh_whitelist: [10.1.2.3/8]\n", file); /* has host bits set */
	fclose(file);
	neti_context_set_log(context, NETI_LOG_DEBUG, log_lets_go, NULL);
	ck_assert_int_eq(neti_settings_load(settings, path), 0);
	ck_assert_int_ge(calls, 1);
}
END_TEST

/* --- nobody dispatches ------------------------------------------------------------------------ */

static void count_kinds(void *data, const struct neti_event *event)
{
	int *kinds = data;

	ck_assert(neti_event_get_type(event) != NETI_EVENT_LOST || calls == 0); /* the first */
	kinds[neti_event_get_type(event)]++;
	calls++;
}

static struct simulator *make_fleet(const char *uri)
{
	struct fleet_settings fleet;
	struct registry_config config = {
		.uri = uri, .session_timeout_ms = 20000, .initial = &fleet
	};
	struct registry *made;
	struct prefix subnet;
	struct error error;

	prefix_parse("192.168.0.0/18", &subnet);
	fleet_settings_default(&fleet, &subnet);
	ck_assert_msg(registry_open(&made, &config, NULL, &error) == 0, "%s", error.text);
	ck_assert_msg(registry_fleet(made, &fleet, 20000, &error) >= 0, "%s", error.text);
	registry_close(made);
	return simulator_open(uri, &fleet, 20000);
}

static size_t members_now(void)
{
	struct neti_members *members;
	size_t n = 0;

	if (neti_agent_members(agent, &members) == 0) {
		n = neti_members_count(members);
		neti_members_unref(members);
	}
	return n;
}

/* One event each: the next comes when the last has been seen. */
static void come_one_by_one(struct simulator *simulator, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		simulated_join(simulator, i, i);
		for (int waits = 0; waits < 20000 && members_now() <= i; waits++)
			poll(NULL, 0, 1);
		ck_assert_uint_eq(members_now(), i + 1);
	}
}

START_TEST(nobody_dispatches)
{
	struct zookeeper_server *server = zookeeper_server_start();
	int kinds[NETI_EVENT_TROUBLE + 1] = { 0 };
	struct simulator *simulator;
	char uri[64];

	if (!server)
		test_skip("%s", zookeeper_server_missing());
	snprintf(uri, sizeof(uri), "zookeeper://127.0.0.1:%u/loop", zookeeper_server_port(server));
	simulator = make_fleet(uri);
	set("registry", uri);
	make_agent(count_kinds, kinds);
	neti_agent_set_member(agent, false);
	start();
	come_one_by_one(simulator, QUEUE + 20);
	ck_assert(readable(neti_agent_fd(agent), 0));
	ck_assert_int_le(neti_agent_dispatch(agent), QUEUE + 1);
	ck_assert_int_eq(kinds[NETI_EVENT_LOST], 1);
	kinds[NETI_EVENT_MEMBERS] = 0;
	/* From here on nothing is missed. */
	simulated_join(simulator, QUEUE + 20, QUEUE + 20);
	for (int i = 0; i < 400 && kinds[NETI_EVENT_MEMBERS] == 0; i++)
		if (readable(neti_agent_fd(agent), 50))
			neti_agent_dispatch(agent);
	ck_assert_int_gt(kinds[NETI_EVENT_MEMBERS], 0);
	ck_assert_int_eq(kinds[NETI_EVENT_LOST], 1);
	ck_assert_uint_eq(members_now(), QUEUE + 21);
	simulator_close(simulator);
	zookeeper_server_stop(server);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("loop");
	const struct test_frame frame = { 60, setup, teardown };

	test_case(suite, &frame, "dispatch");
	test_add(dispatch_never_waits, nobody_dispatches);
	test_case(suite, &frame, "callback");
	test_add(callback_lets_go_of_all, callback_stops_and_starts);
	test_case(suite, &frame, "log");
	test_add(log_lets_go_of_the_registry, log_asks_the_same_registry,
		log_lets_go_of_the_settings);
	return suite;
}
