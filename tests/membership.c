/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members over each of the stores: they come, move, die and quarrel, and everybody sees it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "registry/entry.h"
#include "registry_fixture.h"

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
	UNTIL(strcmp(address_format(&sees(&watcher, "web-1")->private_address, text), "10.0.0.2") ==
			0,
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

START_TEST(bad_entries_are_skipped_and_counted)
{
	static const char *const bad[] = { "nonsense", "1|2|3|4|5",
		"192.168.0.65|10.0.0.1||vpc|%61", "192.168.0.66|10.0.0.9||vpc|elsewhere",
		"10.0.0.1|10.0.0.1||vpc|outside" };
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
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE,
				 "/ip-map/01/192.168.0.65|10.0.0.1||vpc|good"),
		0);
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

static bool skips(const struct host *host, const char *words)
{
	const char *texts[REGISTRY_SKIPPED_NAMED];

	for (size_t i = registry_skipped(host->registry, texts); i-- > 0;)
		if (strstr(texts[i], words))
			return true;
	return false;
}

static void create_entry(struct raw *raw, const struct address *overlay, const char *id,
	unsigned last)
{
	char path[400], text[ADDRESS_TEXT_MAX];

	snprintf(path, sizeof(path), "/ip-map/%02x/%s|10.0.0.%u||vpc|%s",
		address_modulo(overlay, SHARDS), address_format(overlay, text), last, id);
	ck_assert_int_eq(raw_multi(raw, STORE_CREATE, path), 0);
}

/* Whoever came first, and whatever the order of the names. */
START_TEST(lease_decides_between_two)
{
	struct address address;
	struct host watcher;
	struct raw raw;

	NEED_STORE();
	watcher_open(&watcher);
	address = take(&watcher, "m-right");
	raw_open(&raw);
	create_entry(&raw, &address, "a-wrong", 1);
	UNTIL(sees(&watcher, "a-wrong"), &watcher); /* alone, nothing is known against it */
	create_entry(&raw, &address, "m-right", 2);
	UNTIL(sees(&watcher, "m-right") && !sees(&watcher, "a-wrong"), &watcher);
	create_entry(&raw, &address, "z-wrong", 3);
	UNTIL(skips(&watcher, "z-wrong"), &watcher);
	ck_assert_ptr_null(sees(&watcher, "z-wrong"));
	ck_assert(skips(&watcher, "a-wrong"));
	ck_assert_uint_eq(seen(&watcher), 1);
	raw_close(&raw);
	host_close(&watcher);
}
END_TEST

START_TEST(strange_nodes_are_named)
{
	static const char *const strange[] = { "/ip-map/zz", "/ip-map/40", "/ip-map/1" };
	char path[300] = "/ip-map/01/192.168.0.65|10.0.0.1||vpc|";
	struct host watcher;
	struct raw raw;

	NEED_STORE();
	watcher_open(&watcher);
	ck_assert_uint_eq(registry_strays(watcher.registry), 0);
	raw_open(&raw);
	for (size_t i = 0; i < N(strange); i++)
		ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, strange[i]), 0);
	UNTIL(registry_strays(watcher.registry) == N(strange), &watcher);
	ck_assert(skips(&watcher, "ip-map/zz") && skips(&watcher, "ip-map/40"));
	memset(path + strlen(path), 'x', 200);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, path), 0);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/ip-map/01/192.168.0.65|\xc3\xa4||vpc|a"),
		0);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/ip-map/01/192.168.0.65|224.0.0.1||vpc|a"),
		0);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/ip-map/01/192.168.0.65|0.0.0.0||vpc|a"),
		0);
	UNTIL(skips(&watcher, "0.0.0.0") && skips(&watcher, "224.0.0.1"), &watcher);
	ck_assert(skips(&watcher, "xxx") && skips(&watcher, "192.168.0.65|??|"));
	ck_assert_uint_eq(seen(&watcher), 0);
	raw_close(&raw);
	host_close(&watcher);
}
END_TEST

static void join_at(struct host *host, const char *id, const char *private, const char *public,
	const char *network)
{
	struct member member = self(id, private);
	struct error error;

	member.network = network;
	if (*public)
		ck_assert_int_eq(address_parse(public, &member.public_address), 0);
	host_open(host, "192.168.0.0/18");
	ck_assert_int_eq(registry_join(host->registry, &member, false, &error), 0);
	UNTIL(host->joins == 1, host);
}

/* The id that a key leads to from a network, or 0 and why not. */
static int finds(struct host *host, const char *key, const char *network, const char *id, bool live)
{
	struct member *member;
	struct error error;
	int result = registry_lookup(host->registry, key, network, &member, WAIT_MS, &error);

	if (result < 0)
		return result;
	ck_assert_str_eq(member->id, id);
	ck_assert_int_eq(member->live, live);
	ck_assert_int_gt(member->since, 1600000000);
	ck_assert(!live || strcmp(member->version, "0.1.0") == 0);
	member_unref(member);
	return 0;
}

START_TEST(lookup_by_every_name)
{
	char overlay[ADDRESS_TEXT_MAX], leased[ADDRESS_TEXT_MAX];
	struct address lease;
	struct host hosts[3];

	NEED_STORE();
	join_at(&hosts[0], "web-1", "10.0.0.1", "198.51.100.1", "ec2");
	join_at(&hosts[1], "web-10", "10.0.0.1", "", "vpc");
	join_at(&hosts[2], "10.0.0.9", "10.0.0.10", "", "vpc");
	lease = take(&hosts[0], "asleep");
	address_format(&hosts[0].overlay, overlay);
	address_format(&lease, leased);
	ck_assert_int_eq(finds(&hosts[0], "web-1", NULL, "web-1", true), 0);
	ck_assert_int_eq(finds(&hosts[0], overlay, NULL, "web-1", true), 0);
	ck_assert_int_eq(finds(&hosts[0], "198.51.100.1", NULL, "web-1", true), 0);
	ck_assert_int_eq(finds(&hosts[0], "10.0.0.10", NULL, "10.0.0.9", true), 0);
	ck_assert_int_eq(finds(&hosts[0], "10.0.0.9", "ec2", "10.0.0.9", true), 0);
	ck_assert_int_eq(finds(&hosts[0], "10.0.0.1", "ec2", "web-1", true), 0);
	ck_assert_int_eq(finds(&hosts[0], "10.0.0.1", "vpc", "web-10", true), 0);
	ck_assert_int_eq(finds(&hosts[0], "10.0.0.1", NULL, "", true), -ENOTUNIQ);
	ck_assert_int_eq(finds(&hosts[0], "10.0.0.1", "lab", "", true), -ENOTUNIQ);
	ck_assert_int_eq(finds(&hosts[0], "asleep", NULL, "asleep", false), 0);
	ck_assert_int_eq(finds(&hosts[0], leased, NULL, "asleep", false), 0);
	ck_assert_int_eq(finds(&hosts[0], "web", NULL, "", true), -ENOENT);
	ck_assert_int_eq(finds(&hosts[0], "0.0.0.1", NULL, "", true), -ENOENT);
	ck_assert_int_eq(finds(&hosts[0], "", NULL, "", true), -ENOENT);
	for (size_t i = 0; i < N(hosts); i++)
		host_close(&hosts[i]);
}
END_TEST

static void add_tests(void)
{
	test_add(lookup_by_every_name, join_and_leave_are_seen, revision_is_published,
		killed_process_is_seen, entry_is_made_again_after_expiry,
		moving_keeps_the_overlay_address, bad_members_do_not_join,
		bad_entries_are_skipped_and_counted, lease_decides_between_two,
		strange_nodes_are_named);
}

Suite *test_suite(void)
{
	Suite *suite = fixture_suite("membership");

	fixture_sqlite(suite, add_tests);
	fixture_zookeeper(suite, add_tests);
	return suite;
}
