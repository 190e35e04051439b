/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host says of itself. Addresses and routes are set in a network namespace of
 * the test's own, on its loopback interface, which needs no tool and no module.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/refresh.h"
#include "settings/identity.h"
#include "test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct error error;
static struct settings *settings;

static void setup(void)
{
	memset(&error, 0, sizeof(error));
	ck_assert_int_eq(settings_new(&settings), 0);
}

static void teardown(void)
{
	settings = settings_free(settings);
}

static void expect_trouble(enum neti_reason reason, const char *sentence, int result, int expected)
{
	ck_assert_str_eq(error.text, sentence);
	ck_assert_int_eq(result, expected);
	ck_assert_int_eq(error.result, expected);
	ck_assert_int_eq(error.reason, reason);
}

static void expect(const char *sentence, int result, int expected)
{
	expect_trouble(NETI_REASON_SETTINGS, sentence, result, expected);
}

static bool own_network(void)
{
	return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

/* A program that an ordinary user starts in there has no capability to bind port 80. */
static void open_low_ports(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "we");

	ck_assert_ptr_nonnull(file);
	fputs("0", file);
	ck_assert_int_eq(fclose(file), 0);
}

static struct sockaddr inet(const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr address;

	ck_assert_int_eq(inet_pton(AF_INET, text, &in.sin_addr), 1);
	memcpy(&address, &in, sizeof(address));
	return address;
}

static void control(unsigned long request, void *argument)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_msg(ioctl(fd, request, argument) == 0, "ioctl %#lx: %m", request);
	close(fd);
}

static void add_address(const char *interface, const char *address, const char *mask)
{
	struct ifreq request = { .ifr_flags = IFF_UP };

	strcpy(request.ifr_name, "lo");
	control(SIOCSIFFLAGS, &request);
	strcpy(request.ifr_name, interface);
	request.ifr_addr = inet(address);
	control(SIOCSIFADDR, &request);
	request.ifr_netmask = inet(mask);
	control(SIOCSIFNETMASK, &request);
}

static void add_default_route(void)
{
	char device[] = "lo";
	struct rtentry route = { .rt_dst = inet("0.0.0.0"),
		.rt_genmask = inet("0.0.0.0"),
		.rt_flags = RTF_UP,
		.rt_dev = device };

	control(SIOCADDRT, &route);
}

START_TEST(network_must_be_set)
{
	expect("network is not set: set it to the name of this host's network, such as "
	       "network: vpc",
		identity_complete(settings, &error), -EINVAL);
	ck_assert_ptr_null(settings->id);
}
END_TEST

START_TEST(nothing_is_asked_when_all_is_set)
{
	ck_assert_int_eq(settings_set(settings, "network", "vpc", &error), 0);
	ck_assert_int_eq(settings_set(settings, "id", "web-17", &error), 0);
	ck_assert_int_eq(settings_set(settings, "private_ip", "10.1.2.3", &error), 0);
	if (!own_network())
		test_skip("no network namespace can be made: %s", strerror(errno));
	ck_assert_int_eq(identity_complete(settings, &error), 0);
	ck_assert_str_eq(settings->id, "web-17");
	ck_assert_uint_eq(settings->private_ip.bytes[3], 3);
}
END_TEST

START_TEST(no_default_route)
{
	ck_assert_int_eq(settings_set(settings, "network", "vpc", &error), 0);
	if (!own_network())
		test_skip("no network namespace can be made: %s", strerror(errno));
	expect_trouble(NETI_REASON_SYSTEM,
		"private_ip is not set, and this host has no default route (Network is "
		"unreachable): set private_ip in the settings",
		identity_complete(settings, &error), -ENETUNREACH);
	ck_assert_ptr_null(settings->id);
	ck_assert(!address_is_set(&settings->private_ip));
}
END_TEST

START_TEST(source_of_the_default_route)
{
	char text[ADDRESS_TEXT_MAX];

	ck_assert_int_eq(settings_set(settings, "network", "vpc", &error), 0);
	ck_assert_int_eq(settings_set(settings, "id", "web-17", &error), 0);
	if (!own_network())
		test_skip("no network namespace can be made: %s", strerror(errno));
	add_address("lo:1", "10.9.8.7", "255.255.255.0");
	add_default_route();
	ck_assert_msg(identity_complete(settings, &error) == 0, "%s", error.text);
	ck_assert_str_eq(address_format(&settings->private_ip, text), "10.9.8.7");
}
END_TEST

START_TEST(loopback_is_no_source)
{
	struct address address = { .family = 77 };

	if (!own_network())
		test_skip("no network namespace can be made: %s", strerror(errno));
	add_address("lo", "127.0.0.1", "255.0.0.0");
	add_default_route();
	expect_trouble(NETI_REASON_SYSTEM,
		"private_ip is not set, and the default route has no "
		"source address: set private_ip in the settings",
		identity_source_address(&address, &error), -EADDRNOTAVAIL);
	ck_assert_uint_eq(address.family, 77);
}
END_TEST

/* The address of the default route is looked at from time to time; one that was set never. */
START_TEST(address_changes)
{
	struct settings *fresh = NULL;
	char text[ADDRESS_TEXT_MAX];
	struct refresh refresh;

	if (!own_network())
		test_skip("no network namespace can be made: %s", strerror(errno));
	ck_assert_int_eq(settings_set(settings, "network", "vpc", &error), 0);
	ck_assert_int_eq(settings_set(settings, "id", "web-17", &error), 0);
	add_address("lo:1", "10.9.8.7", "255.255.255.0");
	add_default_route();
	ck_assert_int_eq(identity_complete(settings, &error), 0);
	ck_assert_uint_eq(settings->found, SETTINGS_FOUND_PRIVATE);
	refresh_init(&refresh, 1000);
	ck_assert_int_eq(refresh_turn(&refresh, settings, 1000 + REFRESH_MS, NULL, &fresh), 0);
	ck_assert_int_eq(refresh.due, 1000 + 2 * REFRESH_MS);
	add_address("lo:1", "10.9.8.99", "255.255.255.0");
	ck_assert_int_eq(refresh_turn(&refresh, settings, refresh.due - 1, NULL, &fresh), 0);
	ck_assert_int_eq(refresh_turn(&refresh, settings, refresh.due, NULL, &fresh), 1);
	ck_assert_str_eq(address_format(&fresh->private_ip, text), "10.9.8.99");
	ck_assert_str_eq(fresh->id, "web-17");
	settings->found = 0;
	ck_assert_int_eq(refresh_turn(&refresh, settings, refresh.due, NULL, &fresh), 0);
	ck_assert_int_eq(refresh.due, -1);
	settings_free(fresh);
}
END_TEST

/* The metadata service in small steps: no turn waits for it. */
START_TEST(address_changes_in_ec2)
{
	static const char *const files[][2] = { { "token", "t" }, { "local-ipv4", "10.1.1.1" },
		{ "public-ipv4", "198.51.100.1" } };
	char folder[] = "/tmp/neti-identity-XXXXXX", command[160], text[ADDRESS_TEXT_MAX];
	struct settings *fresh = NULL;
	struct refresh refresh;
	int result = 0;
	FILE *server;

	if (!own_network())
		test_skip("no network namespace can be made: %s", strerror(errno));
	open_low_ports();
	add_address("lo", "127.0.0.1", "255.0.0.0");
	add_address("lo:1", "169.254.169.254", "255.255.255.255");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(command, sizeof(command), "printf %s >%s/%s", files[i][1], folder,
			files[i][0]);
		ck_assert_int_eq(system(command), 0);
	}
	snprintf(command, sizeof(command), "exec tests/metadata_server %s", folder);
	server = popen(command, "r");
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), server));
	ck_assert_int_eq(settings_set(settings, "identity", "ec2", &error), 0);
	settings->found = SETTINGS_FOUND_PRIVATE | SETTINGS_FOUND_PUBLIC;
	refresh_init(&refresh, -REFRESH_MS);
	for (int64_t now = 0; result == 0 && now < 500; now += 10) {
		result = refresh_turn(&refresh, settings, now, NULL, &fresh);
		usleep(10000);
	}
	ck_assert_int_eq(result, 1);
	ck_assert_str_eq(address_format(&fresh->private_ip, text), "10.1.1.1");
	ck_assert_str_eq(address_format(&fresh->public_ip, text), "198.51.100.1");
	settings_free(fresh);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

static int read_machine_id(const char *content, char **id, char *path)
{
	FILE *file;
	int fd, result;

	strcpy(path, "/tmp/neti-identity-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	file = fdopen(fd, "w");
	fputs(content, file);
	fclose(file);
	result = identity_machine_id(path, id, &error);
	unlink(path);
	return result;
}

START_TEST(machine_id)
{
	char path[64], *id = NULL;

	ck_assert_int_eq(read_machine_id("0123456789abcdef0123456789abcdef\n", &id, path), 0);
	ck_assert_str_eq(id, "0123456789abcdef0123456789abcdef");
	free(id);
	ck_assert_int_eq(read_machine_id("0123456789abcdef0123456789abcdef", &id, path), 0);
	free(id);
}
END_TEST

START_TEST(bad_machine_id)
{
	static const char *const bad[] = { "", "\n", "uninitialized\n", "0123456789abcdef\n",
		"0123456789abcdef0123456789abcdef0\n", "0123456789abcdef0123456789abcdeg\n",
		"00000000000000000000000000000000\n" };
	char path[64], sentence[256], *id = NULL;
	int result;

	for (size_t i = 0; i < COUNT(bad); i++) {
		result = read_machine_id(bad[i], &id, path);
		snprintf(sentence, sizeof(sentence),
			"id is not set, and %s holds no machine id: set id in the "
			"settings",
			path);
		expect(sentence, result, -EINVAL);
	}
	expect("id is not set, and /nowhere/machine-id cannot be read (No such file or "
	       "directory): "
	       "set id in the settings",
		identity_machine_id("/nowhere/machine-id", &id, &error), -ENOENT);
	ck_assert_ptr_null(id);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("identity");
	const struct test_frame frame = { 0, setup, teardown };

	test_case(suite, &frame, "settings");
	test_add(network_must_be_set, nothing_is_asked_when_all_is_set);
	test_case(suite, &frame, "route");
	test_add(no_default_route, source_of_the_default_route, loopback_is_no_source);
	test_case(suite, &frame, "change");
	test_add(address_changes, address_changes_in_ec2);
	test_case(suite, &frame, "machine-id");
	test_add(machine_id, bad_machine_id);
	return suite;
}
