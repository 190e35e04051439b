/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an engine needs of a host, finds there, and leaves there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/effect.h"
#include "engine_fixture.h"

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

	if (!witness_start(&self))
		return;
	drop_capability(CAP_NET_RAW);
	ck_assert_int_eq(check_try_open(&engine), -EPERM);
	ck_assert_int_eq(check_error.reason, NETI_REASON_PRIVILEGE);
	ck_assert_ptr_nonnull(strstr(check_error.text, "CAP_NET_RAW"));
	drop_capability(CAP_NET_ADMIN);
	ck_assert_int_eq(check_try_open(&engine), -EPERM);
	ck_assert_ptr_nonnull(strstr(check_error.text, "CAP_NET_ADMIN"));
	ck_assert_ptr_null(engine);
}
END_TEST

START_TEST(test_peers)
{
	struct netns_host self;
	struct engine *engine;
	struct ruleset *rules = rules_new("192.168.0.0/18");
	struct address *peers = NULL;
	size_t n = 7;

	if (!witness_start(&self))
		return;
	engine = check_open();
	ck_assert_int_eq(engine_peers(engine, &peers, &n, &check_error), 0);
	ck_assert_uint_eq(n, 0);
	free(peers);
	rules_fill(rules, 16000); /* more than one batch of a user namespace */
	check_apply(engine, rules);
	ck_assert_int_eq(engine_peers(engine, &peers, &n, &check_error), 0);
	ck_assert_uint_eq(n, 16000);
	for (size_t i = 0; i < n; i++)
		ck_assert(address_equal(&peers[i], &rules->peers[i]));
	free(peers);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* What is known of one network namespace says nothing of another whose numbers are the same. */
START_TEST(test_other_namespace)
{
	struct netns_host self, other;
	struct engine *engine;
	struct ruleset *rules = check_rules();

	if (!witness_start(&self))
		return;
	rules->serial = ruleset_new_serial();
	netns_host(&other, "other");
	engine = check_open();
	check_apply(engine, rules); /* in two steps */
	netns_enter(&other);
	netns_do("for i in 1 2; do nft add table ip other$i || true; done");
	check_apply(engine, rules);
	ck_assert(check_report.changed);
	witness_do(witness->is_peer, "54.1.2.3");
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

	if (!witness_start(&self))
		return;
	before = count_descriptors();
	engine = check_open();
	check_apply(engine, rules);
	check_update(engine, rules, rules);
	ck_assert_uint_le(count_descriptors(), before + 1); /* that of its conversations */
	engine_close(engine);
	ck_assert_uint_eq(count_descriptors(), before);
	rules_free(rules);
}
END_TEST

/* That it is opened leaves no trace; looking at it does not bring anything into being. */
START_TEST(test_opening_leaves_no_trace)
{
	struct netns_host self;
	char *before, *after;

	if (!witness_start(&self))
		return;
	before = netns_output("nft -a list ruleset");
	engine_close(check_open());
	after = netns_output("nft -a list ruleset");
	ck_assert_str_eq(after, before);
	free(before);
	free(after);
}
END_TEST

/* --- a kernel that takes rules and does nothing --- */

static bool does_nothing;

/* Nothing refuses what is sent, and nobody has seen it. */
ssize_t sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to,
	socklen_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)to;

	if (does_nothing && to && to->sa_family == AF_INET && in->sin_port == htons(9))
		return (ssize_t)n;
	return syscall(SYS_sendto, fd, bytes, n, flags, to, size);
}

static int open_auto(struct engine **ret)
{
	struct settings *settings = check_settings();
	int r;

	strcpy(settings->engine, "auto");
	r = engine_open(ret, settings, NULL, &check_error);
	settings_free(settings);
	return r;
}

static void has_road(void)
{
	netns_do("ip link set lo up; ip route add default dev lo");
}

START_TEST(test_effect)
{
	struct netns_host self;
	struct ruleset *rules = check_rules();
	struct engine *engine;

	if (!witness_start(&self))
		return;
	engine = check_open();
	ck_assert_int_eq(effect_of(rules), -ENETUNREACH);
	check_apply(engine, rules); /* which cannot be told, and is well */
	has_road();
	ck_assert_int_eq(effect_of(rules), 1);
	ck_assert_int_eq(engine_flush(engine, NULL, &check_error), 0);
	ck_assert_int_eq(effect_of(rules), 0);
	does_nothing = true;
	ck_assert_int_eq(engine_apply(engine, rules, NULL, &check_error), -EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(check_error.text, "does nothing"));
	does_nothing = false;
	check_apply(engine, rules);
	engine_close(engine);
	rules_free(rules);
}
END_TEST

/* Nothing here refuses: the second one's apply says so, and stands when something does. */
START_TEST(test_auto_takes_the_next)
{
	struct netns_host self;
	struct ruleset *rules = check_rules();
	struct engine *engine = NULL;

	if (!witness_start(&self))
		return;
	has_road();
	ck_assert_int_eq(open_auto(&engine), 0);
	ck_assert_str_eq(engine_name(engine), "nftables");
	does_nothing = true;
	ck_assert_int_eq(engine_apply(engine, rules, NULL, &check_error), -EPROTONOSUPPORT);
	ck_assert_str_eq(engine_name(engine), "iptables");
	netns_do("! nft list table inet neti");
	does_nothing = false;
	check_apply(engine, rules);
	netns_do("iptables-legacy -S NETI-OUTPUT");
	engine_close(engine);
	rules_free(rules);
}
END_TEST

static void add_effect(void)
{
	test_add(test_effect);
}

static void add_auto(void)
{
	test_add(test_auto_takes_the_next);
}

static void add_privilege(void)
{
	test_add(test_privilege, test_opening_leaves_no_trace);
}

static void add_kernel(void)
{
	test_add(test_peers, test_other_namespace);
}

static void add_descriptors(void)
{
	test_add(test_no_descriptor_is_left);
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("engine_host");
	const struct test_frame frame = { .timeout = 60 };

	witness_cases(suite, &frame, "privilege", add_privilege);
	witness_cases(suite, &frame, "kernel", add_kernel);
	witness_cases(suite, &frame, "descriptors", add_descriptors);
	witness_cases(suite, &frame, "effect", add_effect);
	witness_own_cases(suite, &frame, "iptables", "auto", add_auto);
	return suite;
}
