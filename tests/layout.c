/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands below the root of a registry, over each of the stores: who makes it, who may change
 * it, and what happens when it is gone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "registry_fixture.h"

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
	ck_assert_int_eq(error.reason, NETI_REASON_NOT_FOUND);
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
	struct registry_config config = {
		.uri = uri, .session_timeout_ms = TIMEOUT_MS, .initial = &settings
	};
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

/* Up to the most there may be. */
START_TEST(fleet_with_other_shards)
{
	struct fleet_settings settings = initial("10.64.0.0/15");
	struct registry_config config = {
		.uri = uri, .session_timeout_ms = TIMEOUT_MS, .initial = &settings
	};
	struct host maker, host;

	NEED_STORE();
	settings.shards = FLEET_SHARDS_MAX;
	try_open(&maker, &config);
	take(&maker, "web-0");
	watcher_open(&host); /* would make it with 64 */
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&host, "web-1"), &host);
	ck_assert_uint_eq(host.fleet.shards, FLEET_SHARDS_MAX);
	/* Once each, and the own one again; one more each time that a slow machine was connected anew. */
	ck_assert_uint_gt(host.reads, FLEET_SHARDS_MAX);
	ck_assert_uint_lt(host.reads, FLEET_SHARDS_MAX + 16);
	ck_assert_uint_eq(host.overlay.bytes[0], 10);
	host_close(&maker);
	host_close(&host);
}
END_TEST

static void add_tests(void)
{
	test_add(no_fleet, settings_are_watched, settings_are_not_overwritten, many_make_one_fleet,
		emptied_registry_recovers, waiting_in_a_handler_is_refused,
		fleet_with_other_shards);
}

Suite *test_suite(void)
{
	Suite *suite = fixture_suite("layout");

	fixture_sqlite(suite, add_tests);
	fixture_zookeeper(suite, add_tests);
	return suite;
}
