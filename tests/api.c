/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The public calls, with nothing but the public header: what needs no root.
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "neti/neti.h"
#include "test.h"

static struct neti_context *context;
static struct neti_settings *settings;
static char folder[64], uri[96];

static void set(const char *key, const char *value)
{
	ck_assert_msg(neti_settings_set(settings, key, value) == 0, "%s",
		neti_context_message(context));
}

static void be(const char *id, const char *network, const char *private_ip, const char *public_ip)
{
	set("id", id);
	set("network", network);
	set("private_ip", private_ip);
	set("public_ip", public_ip);
}

static void setup(void)
{
	strcpy(folder, "/tmp/neti-test-api-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(uri, sizeof(uri), "sqlite:%s/registry.db", folder);
	ck_assert_int_eq(neti_context_new(&context), 0);
	ck_assert_int_eq(neti_settings_new(&settings, context), 0);
	set("registry", uri);
	set("state_dir", folder);
	set("session_timeout", "4s");
	be("hudson", "ec2", "10.0.0.11", "198.51.100.11");
}

static void teardown(void)
{
	char command[128];

	neti_settings_unref(settings);
	neti_context_unref(context);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static struct neti_members *three_members(void)
{
	struct neti_members *members;

	ck_assert_int_eq(neti_members_new(&members, context), 0);
	ck_assert_int_eq(neti_members_add(members, "walden", "vpc", "192.168.0.3", "10.0.0.11",
				 "203.0.113.11"),
		0);
	ck_assert_int_eq(neti_members_add(members, "hudson", "ec2", "192.168.0.1", "10.0.0.11",
				 "198.51.100.11"),
		0);
	ck_assert_int_eq(neti_members_add(members, "sierra", "ec2", "192.168.0.2", "10.0.0.12",
				 NULL),
		0);
	return members;
}

START_TEST(members_are_sorted_and_found)
{
	struct neti_members *members = three_members();
	char text[NETI_ADDRESS_MAX];

	ck_assert_uint_eq(neti_members_count(members), 3);
	ck_assert_str_eq(neti_member_id(neti_members_get(members, 0)), "hudson");
	ck_assert_ptr_null(neti_members_get(members, 3));
	ck_assert_str_eq(neti_member_id(neti_members_find(members, "203.0.113.11")), "walden");
	ck_assert_str_eq(neti_member_overlay(neti_members_find(members, "sierra"), text),
		"192.168.0.2");
	ck_assert_str_eq(neti_member_public(neti_members_find(members, "sierra"), text), "");
	ck_assert_ptr_null(neti_members_find(members, "nobody"));
	neti_members_unref(members);
}
END_TEST

START_TEST(bad_members_are_named)
{
	struct neti_members *members;

	ck_assert_int_eq(neti_members_new(&members, context), 0);
	ck_assert_int_eq(neti_members_add(members, "", "ec2", "192.168.0.1", "10.0.0.1", NULL),
		-EINVAL);
	ck_assert_int_eq(neti_members_add(members, "a", "e c", "192.168.0.1", "10.0.0.1", NULL),
		-EINVAL);
	ck_assert_int_eq(neti_members_add(members, "a", "ec2", "192.168.0.1", "127.0.0.1", NULL),
		-EINVAL);
	ck_assert_str_eq(neti_context_message(context),
		"private address \"127.0.0.1\" is not an address of a host");
	ck_assert_int_eq(neti_context_reason(context), NETI_REASON_SETTINGS);
	ck_assert_uint_eq(neti_members_count(members), 0);
	neti_members_unref(members);
}
END_TEST

START_TEST(ruleset_without_registry_or_root)
{
	struct neti_members *members = three_members();
	struct neti_ruleset *ruleset, *again;
	char *text;

	ck_assert_int_eq(neti_ruleset_build(&ruleset, settings, members), 0);
	ck_assert_int_eq(neti_ruleset_print(ruleset, &text), 0);
	ck_assert_ptr_nonnull(strstr(text, "192.168.0.3 : 203.0.113.11"));
	ck_assert_ptr_nonnull(strstr(text, "192.168.0.2 : 10.0.0.12"));
	ck_assert_ptr_nonnull(strstr(text, "elements = { 10.0.0.12"));
	free(text);
	ck_assert_int_eq(neti_members_add(members, "newton", "ec2", "192.168.0.4", "10.0.0.14",
				 NULL),
		0);
	ck_assert_int_eq(neti_ruleset_build(&again, settings, members), 0);
	ck_assert_int_eq(neti_ruleset_diff(ruleset, again, &text), 1);
	ck_assert_str_eq(text, "+ peer 10.0.0.14\n+ path 192.168.0.4 to 10.0.0.14\n");
	free(text);
	ck_assert_int_eq(neti_ruleset_diff(again, again, &text), 0);
	ck_assert_str_eq(text, "");
	free(text);
	neti_ruleset_unref(neti_ruleset_ref(ruleset));
	neti_ruleset_unref(ruleset);
	neti_ruleset_unref(again);
	neti_members_unref(members);
}
END_TEST

/* valgrind and the leak sanitizer look on: each is freed with its last reference, not before. */
START_TEST(references_are_counted)
{
	struct neti_members *members = three_members();
	struct neti_ruleset *ruleset, *loaded;
	struct neti_registry *registry;
	struct neti_agent *agent;

	neti_settings_unref(neti_settings_ref(settings));
	set("id", "hudson");
	ck_assert_int_eq(neti_ruleset_build(&ruleset, settings, members), 0);
	neti_members_unref(neti_members_ref(members));
	ck_assert_uint_eq(neti_members_count(members), 3);
	neti_members_unref(members);
	ck_assert_int_eq(neti_ruleset_save(ruleset, folder), 0);
	neti_ruleset_unref(ruleset);
	ck_assert_int_eq(neti_ruleset_load(&loaded, context, folder), 0);
	neti_ruleset_unref(loaded);
	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	neti_registry_unref(neti_registry_ref(registry));
	neti_registry_unref(registry);
	ck_assert_int_eq(neti_agent_new(&agent, settings), 0);
	neti_agent_unref(neti_agent_ref(agent));
	ck_assert_int_ge(neti_agent_fd(agent), 0);
	neti_agent_unref(agent);
}
END_TEST

START_TEST(nothing_may_be_let_go)
{
	neti_agent_unref(NULL);
	neti_denied_unref(NULL);
	neti_context_unref(NULL);
	neti_engine_unref(NULL);
	neti_members_unref(NULL);
	neti_registry_unref(NULL);
	neti_ruleset_unref(NULL);
	neti_settings_unref(NULL);
}
END_TEST

START_TEST(lease_lookup_and_release)
{
	struct neti_registry *registry;
	struct neti_members *members;
	char first[NETI_ADDRESS_MAX], second[NETI_ADDRESS_MAX];

	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	ck_assert_int_eq(neti_registry_register(registry, NULL, 0, first), 1);
	ck_assert_int_eq(neti_registry_register(registry, NULL, 0, second), 0);
	ck_assert_str_eq(first, second);
	ck_assert_int_eq(neti_registry_register(registry, "sierra", 0, second), 1);
	ck_assert_str_ne(first, second);
	ck_assert_int_eq(neti_registry_list(registry, 0, &members), 0);
	ck_assert_uint_eq(neti_members_count(members), 0);
	neti_members_unref(members);
	ck_assert_int_eq(neti_registry_list(registry, NETI_LIST_LEASES, &members), 0);
	ck_assert_uint_eq(neti_members_count(members), 2);
	ck_assert(!neti_member_live(neti_members_get(members, 0)));
	neti_members_unref(members);
	ck_assert_int_eq(neti_registry_lookup(registry, first, &members), 0);
	ck_assert_str_eq(neti_member_id(neti_members_get(members, 0)), "hudson");
	neti_members_unref(members);
	ck_assert_int_eq(neti_registry_lookup(registry, "nobody", &members), -ENOENT);
	ck_assert_str_eq(neti_context_message(context),
		"no member and no lease has the id or address \"nobody\"");
	ck_assert_int_eq(neti_registry_list(registry, 64, &members), -EINVAL);
	ck_assert_int_eq(neti_registry_register(registry, NULL, 64, second), -EINVAL);
	ck_assert_str_eq(neti_context_message(context), "flags 0x40 are not known");
	ck_assert_int_eq(neti_registry_release(registry, "hudson"), 0);
	ck_assert_int_eq(neti_registry_release(registry, "hudson"), -ENOENT);
	ck_assert_int_eq(neti_registry_reclaim(registry, 60000, 0, &members), 0);
	ck_assert_uint_eq(neti_members_count(members), 0);
	neti_members_unref(members);
	sleep(2); /* older than that is counted in seconds */
	ck_assert_int_eq(neti_registry_reclaim(registry, 0, NETI_RECLAIM_DRY, &members), 0);
	ck_assert_uint_eq(neti_members_count(members), 1);
	neti_members_unref(members);
	ck_assert_int_eq(neti_registry_reclaim(registry, 0, 64, &members), -EINVAL);
	ck_assert_int_eq(neti_registry_reclaim(registry, 0, 0, &members), 0);
	ck_assert_str_eq(neti_member_id(neti_members_get(members, 0)), "sierra");
	neti_members_unref(members);
	ck_assert_int_eq(neti_registry_release(registry, "sierra"), -ENOENT);
	neti_registry_unref(registry);
}
END_TEST

START_TEST(fleet_settings)
{
	struct neti_registry *registry;
	char *json;

	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	ck_assert_int_eq(neti_registry_fleet_init(registry), 1);
	ck_assert_int_eq(neti_registry_fleet_init(registry), 0);
	ck_assert_int_eq(neti_registry_fleet_set(registry, "max_removals", "7"), 0);
	ck_assert_int_eq(neti_registry_fleet_set(registry, "shards", "7"), -EINVAL);
	ck_assert_int_eq(neti_registry_fleet_show(registry, &json), 0);
	ck_assert_ptr_nonnull(strstr(json, "\"max_removals\""));
	free(json);
	neti_registry_unref(registry);
}
END_TEST

/* A handle that has looked already, too. */
START_TEST(fleet_begins_as_chosen)
{
	struct neti_registry *registry, *other;
	struct neti_members *members;
	char *json;

	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	ck_assert_int_eq(neti_registry_list(registry, 0, &members), -ENOENT);
	ck_assert_int_eq(neti_registry_set_initial(registry, "shards", "many"), -EINVAL);
	ck_assert_int_eq(neti_registry_set_initial(registry, "shards", "1024"), 0);
	ck_assert_int_eq(neti_registry_set_initial(registry, "max_removals", "7"), 0);
	ck_assert_int_eq(neti_registry_fleet_init(registry), 1);
	ck_assert_int_eq(neti_registry_fleet_init(registry), 0);
	ck_assert_int_eq(neti_registry_fleet_show(registry, &json), 0);
	ck_assert_ptr_nonnull(strstr(json, "\"shards\":1024,\"max_removals\":7,"));
	free(json);
	ck_assert_int_eq(neti_registry_open(&other, settings), 0);
	ck_assert_int_eq(neti_registry_fleet_init(other), 0);
	ck_assert_int_eq(neti_registry_set_initial(other, "shards", "64"), 0);
	ck_assert_int_eq(neti_registry_fleet_init(other), -EEXIST);
	ck_assert_int_eq(neti_context_reason(context), NETI_REASON_CONFLICT);
	ck_assert_str_eq(neti_context_message(context),
		"the fleet was there already, with shards 1024, "
		"which is fixed when a fleet is made");
	neti_registry_unref(registry);
	neti_registry_unref(other);
}
END_TEST

/* What the agents of a test have told. */
struct seen {
	int registered, joined, members;
	size_t added, moved, removed;
	struct neti_agent *unref; /* let go of inside the callback */
};

static void see(void *data, const struct neti_event *event)
{
	struct seen *seen = data;

	switch (neti_event_get_type(event)) {
	case NETI_EVENT_REGISTERED:
		seen->registered++;
		break;
	case NETI_EVENT_JOINED:
		seen->joined++;
		break;
	case NETI_EVENT_MEMBERS:
		seen->members++;
		seen->added += neti_members_count(neti_event_added(event));
		seen->moved += neti_members_count(neti_event_moved(event));
		seen->removed += neti_members_count(neti_event_removed(event));
		break;
	case NETI_EVENT_LOST:
	case NETI_EVENT_REGISTRY:
	case NETI_EVENT_APPLIED:
	case NETI_EVENT_HELD:
	case NETI_EVENT_DRIFT:
	case NETI_EVENT_TROUBLE:
		break;
	}
	neti_agent_unref(seen->unref);
	seen->unref = NULL;
}

static struct neti_agent *start(struct seen *seen, bool member)
{
	struct neti_agent *agent;

	ck_assert_int_eq(neti_agent_new(&agent, settings), 0);
	neti_agent_set_rules(agent, false);
	neti_agent_set_member(agent, member);
	neti_agent_set_callback(agent, see, seen);
	ck_assert_msg(neti_agent_start(agent) == 0, "%s", neti_context_message(context));
	return agent;
}

/* Dispatches until the counter has the value, at most five seconds. */
static bool wait_for(struct neti_agent *agent, const size_t *counter, size_t value)
{
	struct pollfd fd = { .fd = neti_agent_fd(agent), .events = POLLIN };

	for (int i = 0; i < 100 && *counter < value; i++) {
		poll(&fd, 1, 50);
		neti_agent_dispatch(agent);
	}
	return *counter >= value;
}

/* Of a fleet with somebody in it: the whole list is read twice before the answer is no. The agents'
 * threads have heaps of their own. */
static void looking_up_keeps_nothing(void)
{
	struct neti_registry *registry;
	struct neti_members *found;
	size_t before = 0;

	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	for (int i = 0; i < 40; i++) {
		if (i == 20)
			before = mallinfo2().uordblks;
		ck_assert_int_eq(neti_registry_lookup(registry, "nobody", &found), -ENOENT);
	}
	ck_assert_uint_lt(mallinfo2().uordblks, before + 1000);
	neti_registry_unref(registry);
}

START_TEST(agent_joins_and_watcher_sees_it)
{
	struct seen watched = { 0 }, own = { 0 };
	struct neti_agent *watcher, *agent;
	struct neti_registry *registry;
	struct neti_members *members;

	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	ck_assert_int_eq(neti_registry_fleet_init(registry), 1);
	ck_assert_int_eq(neti_registry_fleet_set(registry, "removal_delay", "100ms"), 0);
	neti_registry_unref(registry);
	watcher = start(&watched, false);
	agent = start(&own, true);
	ck_assert_int_eq(neti_agent_fd(agent), neti_agent_fd(agent));
	ck_assert(wait_for(agent, &own.added, 1));
	ck_assert_int_eq(own.registered, 1);
	ck_assert_int_eq(own.joined, 1);
	ck_assert(wait_for(watcher, &watched.added, 1));
	ck_assert_int_eq(neti_agent_members(watcher, &members), 0);
	ck_assert_uint_eq(neti_members_count(members), 1);
	neti_members_unref(members);
	looking_up_keeps_nothing();
	set("public_ip", "198.51.100.99");
	ck_assert_int_eq(neti_agent_reload(agent, settings), 0);
	ck_assert(wait_for(watcher, &watched.moved, 1));
	ck_assert_int_eq(neti_agent_stop(agent), 0);
	ck_assert(wait_for(watcher, &watched.removed, 1));
	neti_agent_unref(agent);
	neti_agent_unref(watcher);
}
END_TEST

/* How long its worker rests at the most, seen for a while: milliseconds. */
static unsigned longest_rest(struct neti_agent *agent)
{
	unsigned longest = 0;

	for (int i = 0; i < 500 && longest < 100; i++) {
		neti_agent_dispatch(agent);
		if (neti_agent_last_turn_ms(agent) > longest)
			longest = neti_agent_last_turn_ms(agent);
		poll(NULL, 0, 10);
	}
	return longest;
}

/* Also when all that could be written to disk would have been: it is not, without rules. */
START_TEST(quiet_agents_rest)
{
	struct seen watched = { 0 }, own = { 0 };
	struct neti_agent *agent = start(&own, true), *watcher;

	ck_assert(wait_for(agent, &own.added, 1));
	watcher = start(&watched, false);
	ck_assert(wait_for(watcher, &watched.added, 1));
	poll(NULL, 0, 3000);
	ck_assert_uint_ge(longest_rest(agent), 100);
	ck_assert_uint_ge(longest_rest(watcher), 100);
	neti_agent_unref(agent);
	neti_agent_unref(watcher);
}
END_TEST

START_TEST(one_agent_a_host)
{
	struct seen seen = { 0 };
	struct neti_agent *first = start(&seen, true), *second;
	char expected[128];

	ck_assert_int_eq(neti_agent_new(&second, settings), 0);
	neti_agent_set_rules(second, false);
	ck_assert_int_eq(neti_agent_start(second), -EBUSY);
	snprintf(expected, sizeof(expected), "an agent runs already: process %d holds %s/lock",
		getpid(), folder);
	ck_assert_str_eq(neti_context_message(context), expected);
	neti_agent_unref(second);
	neti_agent_unref(first);
}
END_TEST

static void note(void *data, enum neti_log_level level, const char *text)
{
	ck_assert_int_le(level, NETI_LOG_INFO);
	ck_assert_str_ne(text, "");
	++*(int *)data;
}

/* The log of the moment is used, also by what was opened before. */
START_TEST(log_can_be_changed)
{
	struct neti_registry *registry;
	char overlay[NETI_ADDRESS_MAX];
	int first = 0, second = 0;

	neti_context_set_log(context, NETI_LOG_INFO, note, &first);
	ck_assert_int_eq(neti_registry_open(&registry, settings), 0);
	ck_assert_int_eq(neti_registry_register(registry, NULL, 0, overlay), 1);
	ck_assert_int_gt(first, 0);
	neti_context_set_log(context, NETI_LOG_INFO, NULL, NULL);
	second = first;
	ck_assert_int_eq(neti_registry_register(registry, "sierra", 0, overlay), 1);
	neti_registry_unref(registry);
	ck_assert_int_eq(first, second);
}
END_TEST

START_TEST(callback_lets_go)
{
	struct seen seen = { 0 };
	struct neti_agent *agent = start(&seen, true);
	struct pollfd fd = { .fd = neti_agent_fd(agent), .events = POLLIN };

	seen.unref = agent;
	ck_assert_int_eq(poll(&fd, 1, 5000), 1);
	neti_agent_dispatch(agent);
	ck_assert_ptr_null(seen.unref);
}
END_TEST

START_TEST(nobody_dispatches)
{
	struct seen seen = { 0 };
	struct neti_agent *agent = start(&seen, true);
	struct neti_members *members = NULL;

	for (int i = 0; i < 100 && neti_agent_members(agent, &members) < 0; i++)
		poll(NULL, 0, 50);
	ck_assert_ptr_nonnull(members);
	neti_members_unref(members);
	ck_assert_uint_lt(neti_agent_last_turn_ms(agent), 2000);
	neti_agent_unref(agent);
}
END_TEST

START_TEST(settings_are_refused_with_a_sentence)
{
	struct neti_agent *agent;

	ck_assert_int_eq(neti_settings_set(settings, "open_port", "80"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(neti_context_message(context), "open_ports"));
	neti_settings_unref(settings);
	ck_assert_int_eq(neti_settings_new(&settings, context), 0);
	ck_assert_int_eq(neti_agent_new(&agent, settings), 0);
	ck_assert_int_lt(neti_agent_start(agent), 0);
	ck_assert_int_eq(neti_context_reason(context), NETI_REASON_SETTINGS);
	neti_agent_unref(agent);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("api");
	const struct test_frame frame = { 30, setup, teardown };

	test_case(suite, &frame, "members");
	test_add(members_are_sorted_and_found, bad_members_are_named);
	test_case(suite, &frame, "offline");
	test_add(ruleset_without_registry_or_root, lease_lookup_and_release);
	test_case(suite, &frame, "handles");
	test_add(references_are_counted, nothing_may_be_let_go);
	test_case(suite, &frame, "fleet");
	test_add(fleet_settings, fleet_begins_as_chosen);
	test_case(suite, &frame, "agents");
	test_add(agent_joins_and_watcher_sees_it, quiet_agents_rest, one_agent_a_host,
		nobody_dispatches);
	test_case(suite, &frame, "told");
	test_add(callback_lets_go, log_can_be_changed, settings_are_refused_with_a_sentence);
	return suite;
}
