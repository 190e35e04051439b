/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One id and more than one agent, over each of the stores: who was killed and is back at once, and
 * who is another that lives.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "registry/entry.h"
#include "registry_fixture.h"

static void note_owner(void *data, const struct store_answer *answer)
{
	*(uint64_t *)data = answer->result == 0 ? answer->owner : 0;
}

/* The session that holds the entry of a member that the watcher sees. */
static uint64_t owner_of(const struct host *watcher, const char *id)
{
	char name[ENTRY_NAME_MAX], path[700];
	const struct member *member = sees(watcher, id);
	uint64_t owner = UINT64_MAX;
	struct error error;
	struct raw raw;

	raw_open(&raw);
	ck_assert_int_eq(entry_format(member, name, &error), 0);
	snprintf(path, sizeof(path), "%s/ip-map/%02x/%s", raw.root,
		address_modulo(&member->overlay, SHARDS), name);
	ck_assert_int_eq(raw.store->backend->get(raw.store, path, false, note_owner, &owner), 0);
	while (owner == UINT64_MAX) {
		raw.store->backend->process(raw.store);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	raw_close(&raw);
	return owner;
}

/* The old entry is still there, its session too: the new process, which knows that session, replaces
 * it, and the watcher never sees the member twice; when the old session dies, the entry stays. */
START_TEST(quick_restart_replaces_the_old_entry)
{
	static const char *const addresses[] = { "10.0.0.1",
		"10.0.0.2" }; /* also with another one */
	struct host watcher, host;
	uint64_t before[2] = { 4711 };
	pid_t pid;

	NEED_STORE();
	watcher_open(&watcher);
	for (size_t n = 0; n < N(addresses); n++) {
		pid = member_process("web-1", "10.0.0.1");
		UNTIL(sees(&watcher, "web-1"), &watcher);
		before[1] = owner_of(&watcher, "web-1");
		end_process(pid, SIGKILL);
		host_open(&host, "192.168.0.0/18");
		registry_remember(host.registry, before, N(before));
		join(&host, "web-1", addresses[n], false);
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
		UNTIL(seen(&watcher) == 0, &watcher);
	}
	host_close(&watcher);
}
END_TEST

/* Who knows nothing of that session waits for its end. */
START_TEST(restart_without_memory_waits)
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
	UNTIL(host.stands[REGISTRY_TROUBLE_ENTRY], &host);
	ck_assert_int_eq(host.trouble.reason, NETI_REASON_CONFLICT);
	UNTIL(host.joins == 1, &host);
	ck_assert(!host.stands[REGISTRY_TROUBLE_ENTRY]);
	host_close(&host);
	host_close(&watcher);
}
END_TEST

/* What this host's registry tells of its own sessions is what has to be remembered. */
START_TEST(sessions_are_told)
{
	const uint64_t before[REGISTRY_SESSIONS] = { 1, 2, 3, 4, 5, 6, 7, 8 }, *sessions;
	struct host host;

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	registry_remember(host.registry, before, N(before));
	UNTIL(host.state == STORE_CONNECTED, &host);
	ck_assert_uint_eq(registry_sessions(host.registry, &sessions), REGISTRY_SESSIONS);
	ck_assert_uint_eq(sessions[0], registry_session(host.registry));
	ck_assert_uint_eq(sessions[1], 1);
	ck_assert_uint_eq(sessions[7], 7);
	host_close(&host);
}
END_TEST

static void note_revision(void *data, const struct store_answer *answer)
{
	*(uint64_t *)data = answer->result == 0 ? answer->revision : 0;
}

/* How often the registry was written to: the store's own number of its last change. */
static uint64_t writes(struct raw *raw)
{
	uint64_t revision = UINT64_MAX;

	ck_assert_int_eq(raw_multi(raw, STORE_CREATE, "/counted"), 0);
	ck_assert_int_eq(raw_multi(raw, STORE_DELETE, "/counted"), 0);
	ck_assert_int_eq(raw->store->backend->children(raw->store, *raw->root ? raw->root : "/",
				 false, note_revision, &revision),
		0);
	while (revision == UINT64_MAX) {
		raw->store->backend->process(raw->store);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return revision;
}

#define TWINS_MS 15000
#define TWINS_WRITES 50

/* Two that live: the first stays, the second is refused, both know, and nobody else is bothered. */
static void check_twins(const char *first, const char *second, int ms)
{
	struct host watcher, a, b;
	struct host *all[] = { &a, &b, &watcher };
	uint64_t before, after;
	struct raw raw;
	unsigned reads;
	int64_t end;

	watcher_open(&watcher);
	host_open(&a, "192.168.0.0/18");
	host_open(&b, "192.168.0.0/18");
	join(&a, "web-1", first, false);
	UNTIL(a.joins == 1 && sees(&watcher, "web-1"), &a, &watcher);
	raw_open(&raw);
	before = writes(&raw);
	reads = watcher.reads;
	join(&b, "web-1", second, false);
	for (end = now_ms() + ms; now_ms() < end;)
		pump(all, 3, 50);
	raw_close(&raw);
	raw_open(&raw);
	after = writes(&raw);
	printf("%s, %s and %s: %llu writes in %d ms\n", on_zookeeper ? "zookeeper" : "sqlite",
		first, second, (unsigned long long)(after - before), ms);
	ck_assert_uint_lt(after - before, TWINS_WRITES * ms / TWINS_MS);
	ck_assert_uint_eq(watcher.reads, reads);
	ck_assert_uint_eq(a.joins, 1);
	ck_assert_uint_eq(b.joins, 0);
	ck_assert(b.stands[REGISTRY_TROUBLE_ENTRY] && !b.stands[REGISTRY_TROUBLE_TWIN]);
	ck_assert(a.stands[REGISTRY_TROUBLE_TWIN] && !a.stands[REGISTRY_TROUBLE_ENTRY]);
	ck_assert_uint_eq(a.troubles + b.troubles, 2); /* each once */
	ck_assert_int_eq(a.trouble.reason, NETI_REASON_CONFLICT);
	ck_assert_int_eq(b.trouble.reason, NETI_REASON_CONFLICT);
	ck_assert_ptr_nonnull(strstr(a.trouble.text, second));
	ck_assert_ptr_nonnull(strstr(b.trouble.text, first));
	host_close(&a);
	UNTIL(b.joins == 1 && !b.stands[REGISTRY_TROUBLE_ENTRY], &b, &watcher);
	raw_close(&raw);
	host_close(&b);
	host_close(&watcher);
}

START_TEST(twins_with_the_same_addresses)
{
	NEED_STORE();
	check_twins("10.0.0.1", "10.0.0.1", TWINS_MS);
}
END_TEST

START_TEST(twins_with_other_addresses)
{
	NEED_STORE();
	check_twins("10.0.0.1", "10.0.0.2", TWINS_MS / 3);
}
END_TEST

/* The holder knows when the other has given up, and what it publishes does not hide it before. */
START_TEST(twin_that_gave_up_is_forgotten)
{
	struct member_list members = { 0 };
	struct error error;
	struct host a, b;
	int64_t begin;

	NEED_STORE();
	host_open(&a, "192.168.0.0/18");
	host_open(&b, "192.168.0.0/18");
	join(&a, "web-1", "10.0.0.1", false);
	UNTIL(a.joins == 1, &a);
	join(&b, "web-1", "10.0.0.1", false);
	UNTIL(a.stands[REGISTRY_TROUBLE_TWIN], &a, &b);
	ck_assert_int_eq(registry_publish(a.registry, 4711, 0), 0);
	pump_for(500, &a);
	ck_assert(a.stands[REGISTRY_TROUBLE_TWIN]);
	ck_assert_int_eq(registry_members(a.registry, &members, true, WAIT_MS, &error), 0);
	ck_assert_uint_eq(members.items[0]->revision, 4711);
	member_list_clear(&members);
	host_close(&b);
	for (begin = now_ms(); a.stands[REGISTRY_TROUBLE_TWIN] && now_ms() < begin + 20000;)
		pump_for(100, &a);
	ck_assert(!a.stands[REGISTRY_TROUBLE_TWIN]);
	ck_assert_uint_eq(a.joins, 1);
	host_close(&a);
}
END_TEST

/* Nobody stands there yet, and each sees that: one of them joins. */
START_TEST(two_that_join_at_once)
{
	struct host watcher, a, b;
	struct host *both[] = { &a, &b, &watcher };

	NEED_STORE();
	watcher_open(&watcher);
	for (int i = 0; i < 10; i++) {
		host_open(&a, "192.168.0.0/18");
		host_open(&b, "192.168.0.0/18");
		UNTIL(a.state == STORE_CONNECTED && b.state == STORE_CONNECTED, &a, &b);
		join(&a, "web-1", "10.0.0.1", false);
		join(&b, "web-1", "10.0.0.2", false);
		UNTIL(a.joins + b.joins > 0, &a, &b);
		UNTIL(a.stands[REGISTRY_TROUBLE_ENTRY] || b.stands[REGISTRY_TROUBLE_ENTRY], &a, &b);
		for (int64_t end = now_ms() + 100; now_ms() < end;)
			pump(both, 3, 20);
		ck_assert_uint_eq(a.joins + b.joins, 1);
		ck_assert_uint_eq(seen(&watcher), 1);
		host_close(&a);
		host_close(&b);
		UNTIL(seen(&watcher) == 0, &watcher);
	}
	host_close(&watcher);
}
END_TEST

/* Whoever removes the entry again and again is told of, and not fought. */
START_TEST(entry_taken_over_and_over)
{
	char name[ENTRY_NAME_MAX], path[600];
	struct host watcher, host;
	struct error error;
	struct raw raw;

	NEED_STORE();
	watcher_open(&watcher);
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&watcher, "web-1"), &host, &watcher);
	ck_assert_int_eq(entry_format(sees(&watcher, "web-1"), name, &error), 0);
	snprintf(path, sizeof(path), "/ip-map/%02x/%s", address_modulo(&host.overlay, SHARDS),
		name);
	raw_open(&raw);
	ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, path), 0);
	UNTIL(host.joins == 2, &host, &watcher);
	ck_assert_uint_eq(host.troubles, 0);
	ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, path), 0);
	UNTIL(host.stands[REGISTRY_TROUBLE_ENTRY], &host, &watcher);
	ck_assert_ptr_nonnull(strstr(host.trouble.text, "taken away twice"));
	pump_for(1000, &host);
	ck_assert_uint_eq(host.joins, 2);
	UNTIL(host.joins == 3 && !host.stands[REGISTRY_TROUBLE_ENTRY], &host, &watcher);
	raw_close(&raw);
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
	ck_assert_int_eq(new.trouble.reason, NETI_REASON_CONFLICT);
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
	UNTIL(old.stands[REGISTRY_TROUBLE_ENTRY] && !old.stands[REGISTRY_TROUBLE_TWIN], &old, &new,
		&watcher);
	ck_assert_int_eq(old.trouble.reason, NETI_REASON_CONFLICT);
	ck_assert_uint_eq(old.joins, 1);
	/* It heals when the other leaves. */
	host_close(&new);
	UNTIL(old.joins == 2, &old, &watcher);
	host_close(&old);
	host_close(&watcher);
}
END_TEST

static void add_tests(void)
{
	test_add(quick_restart_replaces_the_old_entry, restart_without_memory_waits,
		sessions_are_told, twins_with_the_same_addresses, twins_with_other_addresses,
		twin_that_gave_up_is_forgotten, two_that_join_at_once, entry_taken_over_and_over,
		conflict_and_takeover);
}

Suite *test_suite(void)
{
	Suite *suite = fixture_suite("twins");

	fixture_sqlite(suite, add_tests);
	fixture_zookeeper(suite, add_tests);
	return suite;
}
