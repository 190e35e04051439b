/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leases over each of the stores: they last, none is given twice, and none is lost.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "registry_fixture.h"

START_TEST(lease_lasts)
{
	struct address first, second, found = { 0 }, other;
	char *holder = NULL, text[ADDRESS_TEXT_MAX];
	struct error error;
	struct host host;

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_eq(registry_lease_find(host.registry, "web-1", &found, WAIT_MS, &error),
		-ENOENT);
	ck_assert_int_eq(error.reason, NETI_REASON_NOT_FOUND);
	ck_assert_int_eq(registry_lease_take(host.registry, "web-1", &first, WAIT_MS, &error), 1);
	ck_assert_int_eq(registry_lease_take(host.registry, "web-1", &second, WAIT_MS, &error), 0);
	ck_assert(address_equal(&first, &second));
	host_close(&host);
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_eq(registry_lease_take(host.registry, "web-1", &second, WAIT_MS, &error), 0);
	ck_assert(address_equal(&first, &second));
	ck_assert_int_eq(registry_lease_find(host.registry, "web-1", &found, WAIT_MS, &error), 0);
	ck_assert(address_equal(&first, &found));
	ck_assert_int_eq(registry_lease_holder(host.registry, &first, &holder, WAIT_MS, &error), 0);
	ck_assert_str_eq(holder, "web-1");
	free(holder);
	address_parse(strcmp(address_format(&first, text), "192.168.0.9") ? "192.168.0.9" :
									    "192.168.0.8",
		&other);
	ck_assert_int_eq(registry_lease_holder(host.registry, &other, &holder, WAIT_MS, &error),
		-ENOENT);
	ck_assert_int_eq(registry_lease_take(host.registry, "a b", &second, WAIT_MS, &error),
		-EINVAL);
	host_close(&host);
}
END_TEST

START_TEST(odd_ids_have_leases)
{
	static const char *const ids[] = { "..", ".", "a/b", "a|b", "100%", "%2F", "~x:y@z" };
	struct member_list leases = { 0 };
	struct error error;
	struct host host;
	size_t found = 0;

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	for (size_t i = 0; i < N(ids); i++)
		take(&host, ids[i]);
	ck_assert_int_eq(registry_leases(host.registry, &leases, WAIT_MS, &error), 0);
	ck_assert_uint_eq(leases.length, N(ids));
	for (size_t i = 0; i < N(ids); i++)
		for (size_t n = 0; n < leases.length; n++)
			found += strcmp(leases.items[n]->id, ids[i]) == 0;
	ck_assert_uint_eq(found, N(ids));
	for (size_t n = 1; n < leases.length; n++)
		ck_assert_int_lt(member_compare_overlay(leases.items[n - 1], leases.items[n]), 0);
	ck_assert(!leases.items[0]->live);
	ck_assert_int_gt(leases.items[0]->since, 1600000000);
	member_list_clear(&leases);
	host_close(&host);
}
END_TEST

#define REGISTRARS 50
#define EACH 20

static void register_many(unsigned number, uint32_t *out)
{
	struct registry *registry = child_open("192.168.0.0/20");
	char id[32];

	for (unsigned i = 0; i < EACH; i++) {
		struct address address;
		struct error error;

		snprintf(id, sizeof(id), "host-%u", number * EACH + i);
		if (registry_lease_take(registry, id, &address, 3 * WAIT_MS, &error) < 0) {
			fprintf(stderr, "child: %s\n", error.text);
			_exit(1);
		}
		out[number * EACH + i] = address_to_ipv4(&address).s_addr;
	}
	registry_close(registry);
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

START_TEST(concurrent_registrations_share_nothing)
{
	size_t size = REGISTRARS * EACH * sizeof(uint32_t);
	uint32_t *out;

	NEED_STORE();
	out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < REGISTRARS; i++) {
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			register_many(i, out);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < REGISTRARS; i++) {
		int status;

		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	qsort(out, REGISTRARS * EACH, sizeof(*out), compare_numbers);
	ck_assert_uint_ne(out[0], 0);
	for (size_t i = 1; i < REGISTRARS * EACH; i++)
		ck_assert_uint_ne(out[i - 1], out[i]);
	munmap(out, size);
}
END_TEST

/* 14 addresses for 14 hosts: the last ones are found although nearly every draw meets a taken
 * one; the next host is told so. */
START_TEST(full_subnet)
{
	bool used[16] = { false };
	struct address address;
	struct error error;
	struct host host;
	char id[32];

	NEED_STORE();
	host_open(&host, "10.9.0.0/28");
	for (unsigned i = 0; i < 14; i++) {
		unsigned last;

		snprintf(id, sizeof(id), "host-%u", i);
		address = take(&host, id);
		last = address.bytes[3];
		ck_assert_uint_gt(last, 0);
		ck_assert_uint_lt(last, 15);
		ck_assert(!used[last]);
		used[last] = true;
	}
	address.family = 77;
	ck_assert_int_eq(registry_lease_take(host.registry, "late", &address, WAIT_MS, &error),
		-ENOSPC);
	ck_assert_int_eq(error.reason, NETI_REASON_EXHAUSTED);
	ck_assert_ptr_nonnull(strstr(error.text, "10.9.0.0/28"));
	ck_assert_int_eq(address.family, 77);
	ck_assert_int_eq(registry_lease_release(host.registry, "host-3", WAIT_MS, &error), 0);
	ck_assert_int_eq(registry_lease_take(host.registry, "late", &address, WAIT_MS, &error), 1);
	host_close(&host);
}
END_TEST

START_TEST(nearly_full_subnet)
{
	struct host host;
	char id[32];

	NEED_STORE();
	host_open(&host, "10.9.0.0/24");
	for (unsigned i = 0; i < 254; i++) {
		snprintf(id, sizeof(id), "host-%u", i);
		take(&host, id);
	}
	host_close(&host);
}
END_TEST

static unsigned fill_warnings;

static void count_fill(void *data, enum neti_log_level level, const char *text)
{
	(void)data;
	(void)level;
	fill_warnings += strstr(text, "are leased") != NULL;
}

/* The whole of a subnet, and then half of a wider one: what is excluded is not there to give. */
START_TEST(filling_subnet_is_spoken_of)
{
	struct fleet_settings settings = initial(_i ? "10.9.0.0/25" : "10.9.0.0/26"), grown;
	struct log log = { NETI_LOG_WARNING, count_fill, NULL };
	struct prefix exclude;
	struct registry_config config = { .uri = uri,
		.session_timeout_ms = TIMEOUT_MS,
		.initial = &settings,
		.log = &log,
		.exclude = &exclude,
		.n_exclude = _i ? 1 : 0 };
	unsigned before;
	struct error error;
	struct host host;
	char id[32];

	NEED_STORE();
	prefix_parse("10.9.0.64/26", &exclude);
	fill_warnings = 0;
	try_open(&host, &config);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "host-%u", i);
		take(&host, id);
	}
	ck_assert_uint_eq(fill_warnings, 0); /* below 80 of 100 */
	for (unsigned i = 50; i < 62; i++) {
		snprintf(id, sizeof(id), "host-%u", i);
		take(&host, id);
	}
	ck_assert_uint_gt(fill_warnings, 3);
	/* It grows under the living fleet. */
	before = fill_warnings;
	ck_assert_int_ge(registry_fleet(host.registry, &grown, WAIT_MS, &error), 0);
	ck_assert_int_eq(fleet_settings_set(&grown, "overlay_subnet", "10.9.0.0/20", &error), 0);
	ck_assert_int_eq(registry_fleet_set(host.registry, &grown, WAIT_MS, &error), 0);
	take(&host, "late");
	ck_assert_uint_eq(fill_warnings, before);
	host_close(&host);
}
END_TEST

START_TEST(excluded_addresses_are_not_given)
{
	struct fleet_settings settings = initial("10.9.0.0/28");
	struct prefix exclude[2];
	struct registry_config config = {
		.uri = uri,
		.session_timeout_ms = TIMEOUT_MS,
		.initial = &settings,
		.exclude = exclude,
		.n_exclude = 2,
	};
	struct address address;
	struct error error;
	struct host host;
	char id[32];

	NEED_STORE();
	prefix_parse("10.9.0.8/29", &exclude[0]);
	prefix_parse("10.9.0.1", &exclude[1]);
	try_open(&host, &config);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(id, sizeof(id), "host-%u", i);
		address = take(&host, id);
		ck_assert_uint_gt(address.bytes[3], 1);
		ck_assert_uint_lt(address.bytes[3], 8);
	}
	ck_assert_int_eq(registry_lease_take(host.registry, "late", &address, WAIT_MS, &error),
		-ENOSPC);
	host_close(&host);
}
END_TEST

START_TEST(live_lease_is_not_released)
{
	struct address address;
	struct host host, other;
	struct error error;

	NEED_STORE();
	watcher_open(&other);
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1, &host);
	ck_assert_int_eq(registry_lease_release(other.registry, "web-1", WAIT_MS, &error), -EBUSY);
	ck_assert_ptr_nonnull(strstr(error.text, "web-1"));
	host_close(&host);
	UNTIL(!sees(&other, "web-1"), &other);
	ck_assert_int_eq(registry_lease_release(other.registry, "web-1", WAIT_MS, &error), 0);
	ck_assert_int_eq(registry_lease_release(other.registry, "web-1", WAIT_MS, &error), -ENOENT);
	ck_assert_int_eq(registry_lease_find(other.registry, "web-1", &address, WAIT_MS, &error),
		-ENOENT);
	host_close(&other);
}
END_TEST

static void add_tests(void)
{
	test_add(lease_lasts, odd_ids_have_leases, concurrent_registrations_share_nothing,
		full_subnet, nearly_full_subnet);
	test_add_loop(filling_subnet_is_spoken_of, 0, 2);
	test_add(excluded_addresses_are_not_given, live_lease_is_not_released);
}

Suite *test_suite(void)
{
	Suite *suite = fixture_suite("leases");

	fixture_sqlite(suite, add_tests);
	fixture_zookeeper(suite, add_tests);
	return suite;
}
