/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings: what is read from good text, the exact sentence for bad text, and that bad
 * text changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "settings/settings.h"
#include "settings_dump.h"
#include "test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct settings *settings;
static struct error error;
static char logged[8192];
static unsigned n_logged;

static void note(void *data, enum neti_log_level level, const char *text)
{
	(void)data;
	ck_assert_int_eq(level, NETI_LOG_WARNING);
	strncat(logged, text, sizeof(logged) - strlen(logged) - 2);
	strcat(logged, "\n");
	n_logged++;
}

static const struct log test_log = { .level = NETI_LOG_DEBUG, .write = note };

static void setup(void)
{
	ck_assert_int_eq(settings_new(&settings), 0);
	memset(&error, 0, sizeof(error));
	logged[0] = '\0';
	n_logged = 0;
}

static void teardown(void)
{
	settings = settings_free(settings);
}

static int load(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "tests/data/settings/%s.yml", name);
	return settings_load(settings, test_source_path(path), &test_log, &error);
}

static int parse(const char *text)
{
	return settings_parse(settings, "neti.yml", text, strlen(text), &test_log, &error);
}

#define DEFAULTS_BEFORE_POLICY "identity=0\noverlay_subnet=192.168.0.0/18\n"
#define DEFAULTS                                                                                   \
	"zk_prefix=/neti\n" DEFAULTS_BEFORE_POLICY                                                 \
	"reject_all=0\nforwarded=0\nicmp=1\nconntrack_max=0\n"                                     \
	"session_timeout=10000ms\nstate_dir=/var/lib/neti\n"

static const char full[] = "registry=zookeeper://zk1.example.com:2181,zk2.example.com:2181/neti\n"
			   "zk_hosts=ec2 zk1.example.com:2181,zk2.example.com:2181\n"
			   "zk_hosts=vpc 10.8.0.5:2181,[2001:db8::5]:2181\n"
			   "zk_hosts=lab 10.8.0.5:2181,[2001:db8::5]:2181\n"
			   "zk_prefix=/testing/neti\n"
			   "id=web-17\n"
			   "network=vpc\n"
			   "private_ip=10.8.1.17\n"
			   "public_ip=198.51.100.17\n"
			   "identity=0\n"
			   "overlay_subnet=192.168.64.0/18 given\n"
			   "overlay_exclude=192.168.64.1/32\n"
			   "overlay_exclude=192.168.65.0/24\n"
			   "open_ports=tcp 80-80\n"
			   "open_ports=udp 53-53\n"
			   "open_ports=tcp 8000-8100\n"
			   "open_ports=udp 9000-9100\n"
			   "open_ports=tcp 443-443\n"
			   "reject_all=1\n"
			   "ssh_whitelist=203.0.113.0/24\n"
			   "ssh_whitelist=2001:db8:7::/48\n"
			   "trusted=10.0.0.0/8\n"
			   "trusted=2001:db8::/128\n"
			   "trusted=192.0.2.7/32\n"
			   "nat_overrides=192.168.75.1 10.8.1.1\n"
			   "nat_overrides=192.168.75.2 10.8.1.2\n"
			   "forwarded=1\n"
			   "icmp=0\n"
			   "engine=iptables\n"
			   "xtables_lock=/run/neti-test/xtables.lock\n"
			   "conntrack_max=1048576\n"
			   "session_timeout=500ms\n"
			   "state_dir=/run/neti-test\n"
			   "credentials_file=/etc/neti/credentials\n"
			   "on_register=logger \"lease: $NETI_OVERLAY\"\n\n"
			   "metrics_file=/run/neti-test/neti.prom\n"
			   "listen=2181\n"
			   "to=10.8.0.5:2181\n"
			   "to=zk2.example.com:2181\n"
			   "from=10.0.0.0/8\n";

START_TEST(defaults_are_in_place)
{
	ck_assert_str_eq(settings_dump(settings), DEFAULTS);
	ck_assert_int_eq(load("empty"), 0);
	ck_assert_str_eq(settings_dump(settings), DEFAULTS);
	ck_assert_int_eq(parse(""), 0);
	ck_assert_str_eq(settings_dump(settings), DEFAULTS);
}
END_TEST

START_TEST(every_key_is_read)
{
	ck_assert_int_eq(load("full"), 0);
	ck_assert_str_eq(settings_dump(settings), full);
	ck_assert_uint_eq(n_logged, 0);
	/* Again: what was there is replaced, not added to. */
	ck_assert_int_eq(load("full"), 0);
	ck_assert_str_eq(settings_dump(settings), full);
}
END_TEST

/* The corpus holds every key, so that the test above cannot miss a new one. */
START_TEST(corpus_has_every_key)
{
	static char text[8192];
	char line[64];
	FILE *file = fopen(test_source_path("tests/data/settings/full.yml"), "r");

	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	for (size_t n = 0; settings_key(n); n++) {
		snprintf(line, sizeof(line), "\n%s:", settings_key(n));
		ck_assert_msg(strstr(text, line), "%s is not in full.yml", settings_key(n));
	}
}
END_TEST

START_TEST(null_means_default)
{
	ck_assert_int_eq(load("full"), 0);
	for (size_t n = 0; settings_key(n); n++)
		ck_assert_int_eq(settings_set(settings, settings_key(n), n % 2 ? "~" : "", &error),
			0);
	ck_assert_str_eq(settings_dump(settings), DEFAULTS);
}
END_TEST

START_TEST(null_list_is_empty)
{
	ck_assert_int_eq(load("full"), 0);
	ck_assert_int_eq(load("nulls"), 0);
	ck_assert_uint_eq(settings->policy.n_open_ports, 0);
	ck_assert_uint_eq(settings->policy.n_ssh_whitelist, 0);
	ck_assert_ptr_null(settings->id);
	ck_assert_ptr_null(settings->network);
	ck_assert(settings->policy.icmp);
	ck_assert(!settings->overlay_subnet_given);
	ck_assert_uint_eq(settings->policy.n_trusted, 3);
}
END_TEST

START_TEST(first_system_loads)
{
	static const char first[] =
		"first-system.yml:2: aws_key means nothing any more: identity: ec2 "
		"asks the metadata service, which wants no key\n";

	ck_assert_int_eq(load("first-system"), 0);
	ck_assert_str_eq(settings_dump(settings),
		"zk_hosts=ec2 localhost:27021\nzk_hosts=vpc localhost:27021\n"
		"zk_prefix=/testing/neti\nidentity=0\noverlay_subnet=192.168.0.0/16 "
		"given\n"
		"open_ports=tcp 80-80\nreject_all=0\nssh_whitelist=203.0.113.0/24\n"
		"nat_overrides=192.168.75.1 "
		"10.8.1.1\nforwarded=0\nicmp=1\nconntrack_max=0\n"
		"session_timeout=10000ms\nstate_dir=/var/lib/neti\n");
	ck_assert_uint_eq(n_logged, 9);
	ck_assert_ptr_nonnull(strstr(logged, first));
	for (size_t n = 0; settings_obsolete_key(n); n++)
		ck_assert_ptr_nonnull(strstr(logged, settings_obsolete_key(n)));
}
END_TEST

START_TEST(default_texts_are_the_defaults)
{
	ck_assert_int_eq(load("full"), 0);
	for (size_t n = 0; settings_key(n); n++)
		ck_assert_int_eq(settings_set(settings, settings_key(n),
					 settings_default(n) ? settings_default(n) : "", &error),
			0);
	settings->overlay_subnet_given = false;
	ck_assert_str_eq(settings_dump(settings), DEFAULTS);
}
END_TEST

START_TEST(booleans)
{
	static const struct {
		const char *text;
		bool value;
	} cases[] = {
		{ "true", true },
		{ "yes", true },
		{ "on", true },
		{ "True", true },
		{ "YES", true },
		{ "'on'", true },
		{ "false", false },
		{ "no", false },
		{ "off", false },
		{ "OFF", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		settings->policy.reject_all = !cases[i].value;
		ck_assert_int_eq(settings_set(settings, "reject_all", cases[i].text, &error), 0);
		ck_assert_int_eq(settings->policy.reject_all, cases[i].value);
	}
}
END_TEST

START_TEST(set_reads_as_the_file)
{
	static const char *const pairs[][2] = {
		{ "registry", "sqlite:/tmp/x.db" },
		{ "open_ports", "[80, 53/udp]" },
		{ "open_ports", "- 80\n- 53/udp\n" },
		{ "trusted", "[2001:db8::/32, '::1']" },
		{ "zk_hosts", "{ec2: [zk:1, '[::1]:65535']}" },
		{ "nat_overrides", "{192.0.2.1: 192.0.2.2}" },
		{ "session_timeout", "10" },
		{ "session_timeout", "1h" },
		{ "overlay_subnet", "10.0.0.0/30" },
		{ "conntrack_max", "4294967295" },
		{ "id", "'null'" },
		{ "zk_prefix", "/a.b/..c/d" },
	};
	struct settings *fresh;

	for (size_t i = 0; i < COUNT(pairs); i++)
		ck_assert_msg(settings_set(settings, pairs[i][0], pairs[i][1], &error) == 0, "%s",
			error.text);
	ck_assert_str_eq(settings_dump(settings),
		"registry=sqlite:/tmp/x.db\nzk_hosts=ec2 "
		"zk:1,[::1]:65535\nzk_prefix=/a.b/..c/d\n"
		"id=null\nidentity=0\noverlay_subnet=10.0.0.0/30 given\n"
		"open_ports=tcp 80-80\nopen_ports=udp 53-53\nreject_all=0\n"
		"trusted=2001:db8::/32\ntrusted=::1/128\nnat_overrides=192.0.2.1 "
		"192.0.2.2\n"
		"forwarded=0\nicmp=1\nconntrack_max=4294967295\nsession_timeout="
		"3600000ms\n"
		"state_dir=/var/lib/neti\n");
	ck_assert_int_eq(settings_new(&fresh), 0);
	ck_assert_str_eq(settings_dump(fresh), DEFAULTS);
	settings_free(fresh);
}
END_TEST

START_TEST(host_bits_are_cut_with_a_warning)
{
	ck_assert_int_eq(parse("trusted:\n  - 10.1.2.3/8\n"), 0);
	ck_assert_str_eq(logged, "neti.yml:2: trusted: \"10.1.2.3/8\" has host bits set "
				 "and is read as 10.0.0.0/8\n");
	ck_assert_ptr_nonnull(strstr(settings_dump(settings), "trusted=10.0.0.0/8\n"));
}
END_TEST

START_TEST(utf8)
{
	ck_assert_int_eq(parse("\xef\xbb\xbfid: x\n"), 0); /* byte order mark */
	ck_assert_str_eq(settings->id, "x");
	ck_assert_int_eq(parse("# \xc3\xa9\non_register: echo \xc3\xa9\r\n"), 0);
	ck_assert_str_eq(settings->on_register, "echo \xc3\xa9");
}
END_TEST

START_TEST(copy_is_deep)
{
	struct settings *copy;

	ck_assert_int_eq(load("full"), 0);
	ck_assert_int_eq(settings_copy(&copy, settings), 0);
	teardown();
	ck_assert_str_eq(settings_dump(copy), full);
	settings_free(copy);
}
END_TEST

START_TEST(registry_address)
{
	static const struct {
		const char *text, *registry, *error;
	} cases[] = {
		{ "registry: sqlite:/x.db\nzk_hosts: {a: [h:1]}", "sqlite:/x.db", NULL },
		{ "zk_hosts: {a: ['h:1', 'i:2']}", "zookeeper://h:1,i:2/neti", NULL },
		{ "zk_hosts: {a: ['h:1'], b: ['i:2']}\nnetwork: b\nzk_prefix: /x/y",
			"zookeeper://i:2/x/y", NULL },
		{ "id: x", NULL,
			"no registry is set: set registry, such as "
			"zookeeper://h1:2181,h2:2181/neti, "
			"or zk_hosts" },
		{ "zk_hosts: {a: ['h:1'], b: ['i:2']}", NULL,
			"network is not set, and zk_hosts has servers for several: a, b" },
		{ "zk_hosts: {a: ['h:1'], b: ['i:2']}\nnetwork: c", NULL,
			"zk_hosts: no servers for network \"c\" (there are some for: a, "
			"b)" },
		{ "zk_hosts: {a: ['h:1']}\nnetwork: c", NULL,
			"zk_hosts: no servers for network \"c\" (there are some for: a)" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char *registry = NULL;
		int result;

		teardown();
		setup();
		ck_assert_int_eq(parse(cases[i].text), 0);
		result = settings_registry(settings, &registry, &error);
		ck_assert_int_eq(result, cases[i].error ? -EINVAL : 0);
		ck_assert_pstr_eq(registry, cases[i].registry);
		if (cases[i].error)
			ck_assert_str_eq(error.text, cases[i].error);
		free(registry);
	}
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("settings");
	const struct test_frame frame = { 0, setup, teardown };

	test_case(suite, &frame, "defaults");
	test_add(defaults_are_in_place, null_means_default, null_list_is_empty,
		default_texts_are_the_defaults);
	test_case(suite, &frame, "file");
	test_add(every_key_is_read, corpus_has_every_key, first_system_loads, utf8);
	test_case(suite, &frame, "values");
	test_add(booleans, set_reads_as_the_file, host_bits_are_cut_with_a_warning);
	test_case(suite, &frame, "copy");
	test_add(copy_is_deep);
	test_case(suite, &frame, "registry");
	test_add(registry_address);
	return suite;
}
