/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the engine needs of a host, finds there, and leaves there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/iptables/ipset_read.h"
#include "engine/iptables/table.h"
#include "engine_checks.h"
#include "netns.h"
#include "test.h"

static void drop_capability(unsigned capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~(1u << capability);
	ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
}

START_TEST(test_privilege)
{
	struct netns_host self;
	struct engine *engine = NULL;

	if (!netns_start(&self))
		return;
	drop_capability(CAP_NET_RAW);
	ck_assert_int_eq(engine_open(&engine, NULL, NULL, &check_error), -EPERM);
	ck_assert_int_eq(check_error.reason, NETI_REASON_PRIVILEGE);
	ck_assert_ptr_nonnull(strstr(check_error.text, "CAP_NET_RAW"));
	drop_capability(CAP_NET_ADMIN);
	ck_assert_int_eq(engine_open(&engine, NULL, NULL, &check_error), -EPERM);
	ck_assert_ptr_nonnull(strstr(check_error.text, "CAP_NET_ADMIN"));
	ck_assert_ptr_null(engine);
}
END_TEST

START_TEST(test_what_the_kernel_has)
{
	struct netns_host self;

	if (!netns_start(&self))
		return;
	ck_assert_int_eq(netlink_set_type(NULL), 0);
	ck_assert_int_eq(netlink_set_type("hash:ip"), 0);
	ck_assert_int_lt(netlink_set_type("hash:nothing"), 0);
	ck_assert_int_eq(xtables_check(&check_error), 0);
	ck_assert(!xtables_exists(TABLE_NAT));
	netns_do("iptables-legacy -t nat -S");
	ck_assert(xtables_exists(TABLE_NAT));
	ck_assert(!xtables_exists(TABLE_FILTER));
	ck_assert(!xtables_exists(TABLE_FILTER6));
}
END_TEST

START_TEST(test_peers)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = rules_new("192.168.0.0/18");
	struct address *peers = NULL;
	size_t n = 7;

	if (!netns_start(&self))
		return;
	engine = check_open();
	ck_assert_int_eq(engine_peers(engine, &peers, &n, &check_error), 0);
	ck_assert_uint_eq(n, 0);
	free(peers);
	rules_fill(rules, 3000);
	check_apply(engine, rules);
	ck_assert_int_eq(engine_peers(engine, &peers, &n, &check_error), 0);
	ck_assert_uint_eq(n, 3000);
	for (size_t i = 0; i < n; i++)
		ck_assert(address_equal(&peers[i], &rules->peers[i]));
	free(peers);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

static unsigned count_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(test_no_descriptor_is_left)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = check_rules();
	unsigned before;

	if (!netns_start(&self))
		return;
	before = count_descriptors();
	engine = check_open();
	check_apply(engine, rules);
	ck_assert_uint_eq(count_descriptors(), before);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("engine_host");
	const struct test_frame frame = { .timeout = 60 };

	test_case(suite, &frame, "privilege");
	test_add(test_privilege);
	test_case(suite, &frame, "kernel");
	test_add(test_what_the_kernel_has, test_peers);
	test_case(suite, &frame, "descriptors");
	test_add(test_no_descriptor_is_left);
	return suite;
}
