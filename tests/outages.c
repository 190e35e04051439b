/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry while its ZooKeeper server is away, stands still or has lost its data; and a copy
 * that is put in the place of either store.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry_fixture.h"

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
	ck_assert_int_eq(registry_lease_take(host.registry, "web-1", &address, 300, &error),
		-ETIMEDOUT);
	ck_assert_int_eq(host.state, STORE_CONNECTING);
	zookeeper_server_restart(server);
	ck_assert_int_ge(registry_lease_take(host.registry, "web-1", &address, WAIT_MS, &error), 0);
	host_close(&host);
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

static void file_tool(const char *doing)
{
	char command[400];

	snprintf(command, sizeof(command), "sqlite3 -cmd '.timeout 5000' %s '%s %s/copy'",
		uri + strlen("sqlite:"), doing, folder);
	ck_assert_int_eq(system(command), 0);
}

static void keep_copy(void)
{
	if (!on_zookeeper) {
		file_tool(".backup");
		return;
	}
	zookeeper_server_kill(server);
	zookeeper_server_copy(server);
	zookeeper_server_restart(server);
}

static void restore_copy(void)
{
	if (!on_zookeeper) {
		file_tool(".restore");
		return;
	}
	zookeeper_server_kill(server);
	zookeeper_server_restore(server);
	zookeeper_server_restart(server);
}

/* Whether the sessions are known to the copy or not; and once more. */
START_TEST(older_copy_is_restored)
{
	struct host watcher, hosts[3];

	NEED_STORE();
	watcher_open(&watcher);
	host_open(&hosts[0], "192.168.0.0/18");
	join(&hosts[0], "web-0", "10.0.0.1", false);
	UNTIL(hosts[0].joins == 1 && sees(&watcher, "web-0"), &hosts[0], &watcher);
	keep_copy();
	for (unsigned i = 1; i < 3; i++) {
		unsigned before = watcher.replaced;
		const char *id = i == 1 ? "web-1" : "web-2";

		host_open(&hosts[i], "192.168.0.0/18");
		join(&hosts[i], id, "10.0.0.2", false);
		UNTIL(hosts[i].joins == 1 && sees(&watcher, id), &hosts[0], &hosts[i], &watcher);
		host_close(&hosts[i]);
		UNTIL(!sees(&watcher, id), &hosts[0], &watcher);
		restore_copy();
		UNTIL(watcher.replaced > before && watcher.state == STORE_CONNECTED, &hosts[0],
			&watcher);
	}
	host_close(&hosts[0]);
	host_close(&watcher);
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

static void add_copies(void)
{
	test_add(older_copy_is_restored);
}

static void add_tests(void)
{
	test_add(server_is_killed_and_restarted, server_comes_later, server_loses_its_data,
		older_copy_is_restored, frozen_server_does_not_hang_the_close);
}

Suite *test_suite(void)
{
	Suite *suite = fixture_suite("outages");

	fixture_outages(suite, add_tests);
	fixture_sqlite(suite, add_copies);
	return suite;
}
