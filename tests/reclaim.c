/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ages by the registry's clock, over each of the stores, while this program's own is a year off:
 * what is young stays, what is old goes, and the times that people read are right.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "registry/clock.h"
#include "registry/leases.h"
#include "registry_fixture.h"
#include "wrong_clock.h"

#define YEAR (365 * 86400)

static const int offsets[] = { YEAR, -YEAR, 0 };
static char clock_path[100];

static void set_clock(int seconds)
{
	snprintf(clock_path, sizeof(clock_path), "%s/clock-%d", folder, (int)getpid());
	wrong_clock_set(clock_path, seconds);
	wrong_clock_follow(clock_path);
}

static size_t reclaims(struct host *host, int64_t older_than, bool dry)
{
	struct member_list given = { 0 };
	struct error error;
	size_t n;

	ck_assert_msg(registry_lease_reclaim(host->registry, older_than, dry, &given, WAIT_MS,
			      &error) == 0,
		"%s", error.text);
	n = given.length;
	member_list_clear(&given);
	return n;
}

START_TEST(young_stays_and_old_goes)
{
	struct address before, after;
	struct error error;
	struct host host;

	NEED_STORE();
	set_clock(0);
	host_open(&host, "192.168.0.0/18");
	before = take(&host, "web-1");
	set_clock(offsets[_i]);
	ck_assert_uint_eq(reclaims(&host, 60, true), 0);
	ck_assert_uint_eq(reclaims(&host, 60, false), 0);
	ck_assert_uint_eq(reclaims(&host, 86400 * 30, false), 0);
	ck_assert_int_eq(registry_lease_find(host.registry, "web-1", &after, WAIT_MS, &error), 0);
	ck_assert(address_equal(&before, &after));
	sleep(3);
	ck_assert_uint_eq(reclaims(&host, 1, true), 1);
	ck_assert_uint_eq(reclaims(&host, 1, false), 1);
	ck_assert_int_eq(registry_lease_find(host.registry, "web-1", &after, WAIT_MS, &error),
		-ENOENT);
	host_close(&host);
}
END_TEST

/* One registers while its clock is off, another gives back while its own is right. */
START_TEST(wrong_when_it_registered)
{
	struct host host, other;

	NEED_STORE();
	set_clock(0);
	host_open(&host, "192.168.0.0/18");
	take(&host, "web-1");
	set_clock(offsets[_i]);
	watcher_open(&other);
	take(&other, "web-2");
	set_clock(0);
	ck_assert_uint_eq(reclaims(&host, 60, false), 0);
	sleep(3);
	ck_assert_uint_eq(reclaims(&host, 1, false), 2);
	host_close(&other);
	host_close(&host);
}
END_TEST

/* Somebody joined, and left, between the look at the leases and the giving back. */
START_TEST(joined_meanwhile_stays)
{
	struct deadline deadline = wait_deadline(WAIT_MS, "testing");
	struct host host, other;
	struct address address;
	struct error error;
	int64_t looked;

	NEED_STORE();
	watcher_open(&other);
	take(&other, "web-1");
	sleep(2);
	ck_assert_int_eq(registry_clock(other.registry, &looked, &deadline, &error), 0);
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1, &host);
	host_close(&host);
	UNTIL(!sees(&other, "web-1"), &other);
	ck_assert_int_eq(lease_release(other.registry, "web-1", looked / 1000, &deadline, &error),
		-EBUSY);
	ck_assert_ptr_nonnull(strstr(error.text, "web-1"));
	ck_assert_int_eq(registry_lease_find(other.registry, "web-1", &address, WAIT_MS, &error),
		0);
	ck_assert_int_eq(lease_release(other.registry, "web-1", looked / 1000 + 60, &deadline,
				 &error),
		0);
	host_close(&other);
}
END_TEST

/* Looking at the clock leaves nothing behind, and the clock goes on. */
START_TEST(clock_is_the_registrys)
{
	struct deadline deadline = wait_deadline(WAIT_MS, "testing");
	int64_t right = time(NULL), first, second;
	struct error error;
	struct host host;

	NEED_STORE();
	set_clock(0);
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_eq(registry_clock(host.registry, &first, &deadline, &error), 0);
	set_clock(offsets[_i]);
	ck_assert_int_eq(registry_clock(host.registry, &second, &deadline, &error), 0);
	ck_assert_int_le(first, second);
	ck_assert_int_lt(second - first, 10000);
	ck_assert_int_lt(first / 1000 - right, 20);
	ck_assert_int_gt(first / 1000 - right, -2);
	host_close(&host);
}
END_TEST

static int64_t since_of(struct host *host, const char *id)
{
	struct member *member;
	struct error error;
	int64_t since;

	ck_assert_int_eq(registry_lookup(host->registry, id, NULL, &member, WAIT_MS, &error), 0);
	ck_assert(member->live);
	since = member->since;
	member_unref(member);
	return since;
}

START_TEST(since_is_the_registrys)
{
	struct member_list members = { 0 };
	struct error error;
	struct host host, other;
	int64_t right, since;

	NEED_STORE();
	set_clock(0);
	right = time(NULL);
	watcher_open(&other);
	set_clock(offsets[_i]);
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&other, "web-1"), &host, &other);
	since = since_of(&other, "web-1");
	ck_assert_int_ge(since, right - 1);
	ck_assert_int_lt(since, right + 20);
	pump_for(2500, &host);
	join(&host, "web-1", "10.0.0.2", false); /* the entry is another, the member is not */
	UNTIL(host.joins == 2, &host);
	ck_assert_int_eq(since_of(&other, "web-1"), since);
	ck_assert_int_eq(registry_leases(other.registry, &members, WAIT_MS, &error), 0);
	ck_assert_uint_eq(members.length, 1);
	ck_assert_int_ge(members.items[0]->since, since);
	ck_assert_int_lt(members.items[0]->since, right + 20);
	member_list_clear(&members);
	host_close(&host);
	host_close(&other);
}
END_TEST

static void add_tests(void)
{
	test_add_loop(young_stays_and_old_goes, 0, N(offsets));
	test_add_loop(wrong_when_it_registered, 0, N(offsets));
	test_add(joined_meanwhile_stays);
	test_add_loop(clock_is_the_registrys, 0, N(offsets));
	test_add_loop(since_is_the_registrys, 0, N(offsets));
}

Suite *test_suite(void)
{
	Suite *suite = fixture_suite("reclaim");

	fixture_sqlite(suite, add_tests);
	fixture_zookeeper(suite, add_tests);
	return suite;
}
