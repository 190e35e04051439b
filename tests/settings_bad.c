/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bad settings: the exact sentence, and that nothing was changed.
 */
#include <errno.h>
#include <fcntl.h>
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
static char before[65536];
static char path[64];

static void setup(void)
{
	int fd;

	strcpy(path, "/tmp/neti-settings-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(settings_new(&settings), 0);
	ck_assert_int_eq(settings_load(settings, test_source_path("tests/data/settings/full.yml"),
				 NULL, &error),
		0);
	strcpy(before, settings_dump(settings));
	memset(&error, 0, sizeof(error));
}

static void teardown(void)
{
	settings = settings_free(settings);
	unlink(path);
}

static void expect(const char *sentence, int result, int expected)
{
	ck_assert_str_eq(error.text, sentence);
	ck_assert_int_eq(result, expected);
	ck_assert_int_eq(error.result, expected);
	ck_assert_int_eq(error.reason, NETI_REASON_SETTINGS);
	ck_assert_str_eq(settings_dump(settings), before);
}

struct bad {
	const char *text, *sentence;
};

static const struct bad structure[] = {
	{ "# x\n\nopen_port: [80]", "3: unknown key \"open_port\": did you mean \"open_ports\"?" },
	{ "open-ports: [80]", "1: unknown key \"open-ports\": did you mean \"open_ports\"?" },
	{ "ip: 10.0.0.1", "1: unknown key \"ip\": did you mean \"id\"?" },
	{ "colour: red", "1: unknown key \"colour\"" },
	{ "\"\": red", "1: unknown key \"\"" },
	{ "\"two\\nlines\": red", "1: unknown key \"two?lines\"" },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1",
		"1: unknown key "
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"" },
	{ "id: changed\nid: again", "2: duplicate key \"id\", already on line 1" },
	{ "zk_hosts:\n  a: [h:1]\n  a: [i:1]",
		"3: zk_hosts: duplicate key \"a\", already on line 2" },
	{ "nat_overrides:\n  10.0.0.1: 10.1.0.1\n  10.0.0.1: 10.1.0.2\n",
		"3: nat_overrides: duplicate key \"10.0.0.1\", already on line 2" },
	{ "- id", "1: a mapping is expected, this is a list" },
	{ "hello", "1: a mapping is expected, this is a single value" },
	{ "? [id]\n: x", "1: a key is a list, and must be a text" },
	{ "id: changed\nopen_ports: {a: b}",
		"2: open_ports: a list is expected, this is a mapping" },
	{ "open_ports: 80", "1: open_ports: a list is expected, this is a single value" },
	{ "open_ports: [80,\n  [81]]",
		"2: open_ports: a single value is expected, this is a list" },
	{ "open_ports:\n  -\n", "2: open_ports: a single value is expected, this is empty" },
	{ "nat_overrides: [a]", "1: nat_overrides: a mapping is expected, this is a list" },
	{ "zk_hosts: [h:1]", "1: zk_hosts: a mapping is expected, this is a list" },
	{ "zk_hosts:\n  a: h:1", "2: zk_hosts: a list is expected, this is a single value" },
	{ "zk_hosts:\n  a: []", "2: zk_hosts: the list of \"a\" is empty" },
	{ "zk_hosts: {a: }", "1: zk_hosts: a list is expected, this is empty" },
	{ "id: [x]", "1: id: a single value is expected, this is a list" },
	{ "trusted:\n  - 2001:db8::\n",
		"2: trusted: a single value is expected, this is a mapping (a text "
		"with a colon may need quotes)" },
	{ "id: \"a\\0b\"", "1: id: the value holds a NUL character" },
	{ "id: x\n---\nid: y", "2: a second document begins: only one is read" },
	{ "id: [[[[[[[[[x]]]]]]]]]", "1: lists and mappings are nested too deep" },
	{ "id: x\nopen_ports:\n\t- 80", "3: a tab stands where YAML wants spaces" },
	{ "id: x\nopen_ports: [80",
		"2: not YAML: did not find expected ',' or ']' while parsing a flow "
		"sequence" },
	{ "open_ports: [80\nid: x\nnetwork: y\n",
		"2: not YAML: did not find expected ',' or ']' while parsing a flow "
		"sequence that begins on line 1" },
	{ "id: \"x", "1: not YAML: found unexpected end of stream while scanning a quoted "
		     "scalar" },
	{ "id: *nobody", "1: not YAML: found undefined alias" },
	{ "trusted: [2001:db8::]", "1: not YAML: a text that ends in a colon needs quotes" },
	{ "id: x\nnetwork: \xe9t\xe9\n", "2: not plain UTF-8 text: invalid trailing UTF-8 octet" },
	{ "\xff\xfei\n", "1: not plain UTF-8 text: invalid leading UTF-8 octet" },
	{ "id: x\n\x01", "2: not plain UTF-8 text: control characters are not allowed" },
};

static const struct bad values[] = {
	{ "registry: ''", "1: registry: an empty text is no value" },
	{ "registry: a b", "1: registry: \"a b\" holds a space or a control character" },
	{ "zk_prefix: neti", "1: zk_prefix: \"neti\" is not a ZooKeeper path, such as /neti: it "
			     "begins with a slash and ends without one" },
	{ "zk_prefix: /neti/",
		"1: zk_prefix: \"/neti/\" is not a ZooKeeper path, such as /neti: it "
		"begins with a slash and ends without one" },
	{ "zk_prefix: /a//b", "1: zk_prefix: \"/a//b\" is not a ZooKeeper path: a part of it is "
			      "empty or dots" },
	{ "zk_prefix: /a/..", "1: zk_prefix: \"/a/..\" is not a ZooKeeper path: a part of it is "
			      "empty or dots" },
	{ "zk_hosts: {a: [localhost]}",
		"1: zk_hosts: \"localhost\" is not a host and a port, such as "
		"zk1.example.com:2181" },
	{ "zk_hosts: {a: ['h:1/neti']}",
		"1: zk_hosts: \"h:1/neti\" is not a host and a port, such as "
		"zk1.example.com:2181" },
	{ "zk_hosts: {a: ['[::1:2181']}",
		"1: zk_hosts: \"[::1:2181\" is not a host and a port, such as "
		"zk1.example.com:2181" },
	{ "zk_hosts: {a: ['h:0']}",
		"1: zk_hosts: \"h:0\" has a port out of range: ports are 1 to 65535" },
	{ "zk_hosts: {a: ['h:1'], b c: ['h:1']}",
		"1: zk_hosts: \"b c\" is not a network name: 1 to 32 letters, digits, "
		"\"-\", \"_\" and \".\"" },
	{ "id: two words", "1: id: \"two words\" is not an id: 1 to 128 printable ASCII "
			   "characters without a space" },
	{ "network: a/b", "1: network: \"a/b\" is not a network name: 1 to 32 letters, digits, "
			  "\"-\", \"_\" and \".\"" },
	{ "private_ip: 10.1.2", "1: private_ip: \"10.1.2\" is not an address, such as 10.1.2.3" },
	{ "private_ip: 127.0.0.1", "1: private_ip: \"127.0.0.1\" is not the address of one host" },
	{ "private_ip: 224.0.0.9", "1: private_ip: \"224.0.0.9\" is not the address of one host" },
	{ "public_ip: 2001:db8::1",
		"1: public_ip: \"2001:db8::1\" is an IPv6 address: only IPv4 is "
		"supported here yet" },
	{ "identity: gce", "1: identity: \"gce\" is not known: there are host and ec2" },
	{ "overlay_subnet: 192.168.0.0/33",
		"1: overlay_subnet: \"192.168.0.0/33\" is not a prefix, such as "
		"192.168.0.0/18" },
	{ "overlay_subnet: 192.168.65.0/18",
		"1: overlay_subnet: \"192.168.65.0/18\" has host bits set: the prefix "
		"is 192.168.64.0/18" },
	{ "overlay_subnet: 10.0.0.0/31",
		"1: overlay_subnet: \"10.0.0.0/31\" is too small: a fleet needs at "
		"least 2 usable addresses, a /30 or shorter prefix" },
	{ "overlay_subnet: 10.0.0.1",
		"1: overlay_subnet: \"10.0.0.1\" is too small: a fleet needs at least "
		"2 usable addresses, a /30 or shorter prefix" },
	{ "overlay_subnet: fd00::/64",
		"1: overlay_subnet: \"fd00::/64\" is an IPv6 prefix: an IPv6 overlay "
		"is not supported yet" },
	{ "overlay_subnet: 0.0.0.0/0",
		"1: overlay_subnet: \"0.0.0.0/0\" holds addresses that no host can have" },
	{ "overlay_subnet: 64.0.0.0/2",
		"1: overlay_subnet: \"64.0.0.0/2\" holds addresses that no host can "
		"have" },
	{ "overlay_exclude: [192.168.0.256]",
		"1: overlay_exclude: \"192.168.0.256\" is not an address or a prefix, "
		"such as 10.0.0.0/8" },
	{ "trusted:\n- 10.0.0.0/8\n- 10.0.0.0/99",
		"3: trusted: \"10.0.0.0/99\" is not an address or a prefix, such as "
		"10.0.0.0/8" },
	{ "open_ports: [http]",
		"1: open_ports: \"http\" is not a port, such as 80, 53/udp or 8000-8100" },
	{ "open_ports: [80-]",
		"1: open_ports: \"80-\" is not a port, such as 80, 53/udp or 8000-8100" },
	{ "open_ports: ['80:90']", "1: open_ports: \"80:90\" is not a port, such as 80, 53/udp or "
				   "8000-8100" },
	{ "open_ports:\n  - 80\n  - 65536",
		"3: open_ports: \"65536\" is out of range: ports are 1 to 65535" },
	{ "open_ports: [0]", "1: open_ports: \"0\" is out of range: ports are 1 to 65535" },
	{ "open_ports: [1-18446744073709551696]",
		"1: open_ports: \"1-18446744073709551696\" is out of range: ports are "
		"1 to 65535" },
	{ "open_ports: [8100-8000/udp]",
		"1: open_ports: \"8100-8000/udp\" is reversed: the lower port comes "
		"first" },
	{ "open_ports: [80/sctp]",
		"1: open_ports: \"80/sctp\" names a protocol that is neither tcp nor "
		"udp" },
	{ "nat_overrides: {10.0.0.1: here}",
		"1: nat_overrides: \"here\" is not an address, such as 10.1.2.3" },
	{ "nat_overrides: {10.0.0.0/8: 10.1.1.1}",
		"1: nat_overrides: \"10.0.0.0/8\" is not an address, such as 10.1.2.3" },
	{ "icmp: maybe", "1: icmp: \"maybe\" is neither true nor false" },
	{ "conntrack_max: 4294967296",
		"1: conntrack_max: \"4294967296\" is out of range: 0 to 4294967295" },
	{ "engine: ip tables",
		"1: engine: \"ip tables\" is not the name of an engine, such as auto or iptables" },
	{ "conntrack_max: 1e6", "1: conntrack_max: \"1e6\" is not a whole number" },
	{ "session_timeout: 10 s",
		"1: session_timeout: \"10 s\" is not a duration, such as 10s, 500ms or "
		"5m" },
	{ "session_timeout: 0", "1: session_timeout: \"0\" is out of range: 100ms to 1h" },
	{ "session_timeout: 61m", "1: session_timeout: \"61m\" is out of range: 100ms to 1h" },
	{ "session_timeout: 99999999999999999999d",
		"1: session_timeout: \"99999999999999999999d\" is out of range: 100ms "
		"to 1h" },
	{ "state_dir: run/neti", "1: state_dir: \"run/neti\" is not an absolute path" },
	{ "on_register: sh -c 'x",
		"1: on_register: \"sh -c 'x\" has a quotation mark without its other one" },
	{ "on_register: '\"\" x'", "1: on_register: \"\"\" x\" names no program" },
	{ "listen: 0", "1: listen: \"0\" is out of range: ports are 1 to 65535" },
	{ "listen: 80/udp", "1: listen: \"80/udp\" is not a port, such as 2181" },
	{ "to: [10.8.0.5]",
		"1: to: \"10.8.0.5\" is not a host and a port, such as zk1.example.com:2181" },
	{ "on_register: ' '", "1: on_register: an empty text is no command" },
};

static void check_bad(const struct bad *bad)
{
	char sentence[ERROR_TEXT_MAX];
	int result =
		settings_parse(settings, "neti.yml", bad->text, strlen(bad->text), NULL, &error);

	snprintf(sentence, sizeof(sentence), "neti.yml:%s", bad->sentence);
	expect(sentence, result, strstr(sentence, "UTF-8") ? -EILSEQ : -EINVAL);
}

START_TEST(bad_structure)
{
	check_bad(&structure[_i]);
}
END_TEST

START_TEST(bad_values)
{
	check_bad(&values[_i]);
}
END_TEST

/* A quoted piece of the file is cut between characters. */
START_TEST(quotes_stay_utf8)
{
	char text[256] = "", sentence[ERROR_TEXT_MAX];

	for (int i = 0; i < 40; i++)
		strcat(text, "\xc3\xa9");
	snprintf(sentence, sizeof(sentence), "unknown key \"%.66s...\"", text);
	expect(sentence, settings_set(settings, text, "1", &error), -EINVAL);
	memmove(text + 1, text, strlen(text) + 1);
	text[0] = 'x';
	snprintf(sentence, sizeof(sentence), "unknown key \"%.65s...\"", text);
	expect(sentence, settings_set(settings, text, "1", &error), -EINVAL);
}
END_TEST

START_TEST(bad_set)
{
	static const char *const cases[][3] = {
		{ "open_port", "[80]", "unknown key \"open_port\": did you mean \"open_ports\"?" },
		{ "open_ports", "[80",
			"open_ports: not YAML: did not find expected ',' or ']' while "
			"parsing a flow sequence" },
		{ "open_ports", "80", "open_ports: a list is expected, this is a single value" },
		{ "id", "a\n---\nb", "id: a second document begins: only one is read" },
		{ "log_file", "/x",
			"log_file means nothing any more: messages go to standard error, "
			"and from there to the journal" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		expect(cases[i][2], settings_set(settings, cases[i][0], cases[i][1], &error),
			-EINVAL);
}
END_TEST

START_TEST(too_many_servers)
{
	char text[8192] = "{a: [", *end = text + strlen(text);

	for (int i = 0; i < 500; i++)
		end += sprintf(end, "'host%d:2181',", i);
	strcpy(end, "]}");
	expect("zk_hosts: too many servers for network \"a\"",
		settings_set(settings, "zk_hosts", text, &error), -E2BIG);
}
END_TEST

START_TEST(bad_files)
{
	char sentence[ERROR_TEXT_MAX];

	expect("/nowhere/neti.yml: cannot be read: No such file or directory",
		settings_load(settings, "/nowhere/neti.yml", NULL, &error), -ENOENT);
	expect("/: cannot be read: Is a directory", settings_load(settings, "/", NULL, &error),
		-EISDIR);
	ck_assert_int_eq(truncate(path, (1 << 20) + 1), 0);
	snprintf(sentence, sizeof(sentence), "%s: larger than 1 MiB: not a settings file", path);
	expect(sentence, settings_load(settings, path, NULL, &error), -EFBIG);
}
END_TEST

/* What would never come to its end, or never begin, as neti.yml and as the credentials. */
START_TEST(no_files)
{
	static const char *const places[] = { "pipe", "link", "/dev/zero", "/dev/tty",
		"/dev/ptmx" };
	char at[200], sentence[ERROR_TEXT_MAX], *text = NULL;

	snprintf(at, sizeof(at), "%s-pipe", path);
	ck_assert_int_eq(mkfifo(at, 0600), 0);
	snprintf(sentence, sizeof(sentence), "%s-link", path);
	ck_assert_int_eq(symlink(at, sentence), 0);
	alarm(10);
	for (size_t i = 0; i < COUNT(places); i++) {
		snprintf(at, sizeof(at), "%s%s%s", *places[i] == '/' ? "" : path,
			*places[i] == '/' ? "" : "-", places[i]);
		snprintf(sentence, sizeof(sentence),
			"%s: cannot be read: "
			"it is a pipe, a socket or a device, not a file",
			at);
		expect(sentence, settings_load(settings, at, NULL, &error), -ENXIO);
		free(settings->credentials_file);
		settings->credentials_file = strdup(at);
		strcpy(before, settings_dump(settings));
		snprintf(sentence, sizeof(sentence),
			"credentials_file: %s: cannot be read: "
			"it is a pipe, a socket or a device, not a file",
			at);
		expect(sentence, settings_credentials(settings, &text, &error), -ENXIO);
	}
	alarm(0);
	snprintf(at, sizeof(at), "%s-pipe", path);
	unlink(at);
	snprintf(at, sizeof(at), "%s-link", path);
	unlink(at);
}
END_TEST

/* It is read no further than the settings are. */
START_TEST(huge_credentials)
{
	char sentence[ERROR_TEXT_MAX], *text = NULL;

	ck_assert_int_eq(truncate(path, (off_t)1 << 40), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
	free(settings->credentials_file);
	settings->credentials_file = strdup(path);
	strcpy(before, settings_dump(settings));
	snprintf(sentence, sizeof(sentence),
		"credentials_file: %s: cannot be read: it is too large", path);
	expect(sentence, settings_credentials(settings, &text, &error), -EFBIG);
}
END_TEST

START_TEST(unreadable_file)
{
	char sentence[ERROR_TEXT_MAX];
	uid_t uid = geteuid();
	int result;

	ck_assert_int_eq(chmod(path, 0), 0);
	if (uid == 0 && seteuid(65534) < 0)
		test_skip("root here cannot become another user");
	result = settings_load(settings, path, NULL, &error);
	ck_assert_int_eq(seteuid(uid), 0);
	snprintf(sentence, sizeof(sentence), "%s: cannot be read: Permission denied", path);
	expect(sentence, result, -EACCES);
}
END_TEST

START_TEST(one_mebibyte_is_read)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs("id: big\n", file);
	for (int i = 8; i < 1 << 20; i++)
		putc('\n', file);
	fclose(file);
	ck_assert_int_eq(settings_load(settings, path, NULL, &error), 0);
	ck_assert_str_eq(settings->id, "big");
}
END_TEST

static void write_credentials(const char *text, size_t size)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
	close(fd);
	free(settings->credentials_file);
	settings->credentials_file = strdup(path);
	strcpy(before, settings_dump(settings));
}

START_TEST(credentials)
{
	static const char *const good[] = { "user:pass", "user:pass\n", "user:pass\r\nmore\n" };
	char *text = before;

	for (size_t i = 0; i < COUNT(good); i++) {
		write_credentials(good[i], strlen(good[i]));
		ck_assert_int_eq(settings_credentials(settings, &text, &error), 0);
		ck_assert_str_eq(text, "user:pass");
		free(text);
	}
	free(settings->credentials_file);
	settings->credentials_file = NULL;
	ck_assert_int_eq(settings_credentials(settings, &text, &error), 0);
	ck_assert_ptr_null(text);
}
END_TEST

START_TEST(bad_credentials)
{
	static const char *const bad[] = { "", "\nuser:pass", "user", "user:", ":pass" };
	char sentence[ERROR_TEXT_MAX], longest[2000], *text = NULL;

	for (size_t i = 0; i < COUNT(bad); i++) {
		write_credentials(bad[i], strlen(bad[i]));
		snprintf(sentence, sizeof(sentence),
			"credentials_file: %s: the first line is not user:password", path);
		expect(sentence, settings_credentials(settings, &text, &error), -EINVAL);
	}
	write_credentials("user\0:pass", 10);
	snprintf(sentence, sizeof(sentence),
		"credentials_file: %s: the first line holds a NUL character", path);
	expect(sentence, settings_credentials(settings, &text, &error), -EINVAL);
	memset(longest, ':', sizeof(longest));
	write_credentials(longest, sizeof(longest));
	snprintf(sentence, sizeof(sentence), "credentials_file: %s: the first line is too long",
		path);
	expect(sentence, settings_credentials(settings, &text, &error), -EINVAL);
	ck_assert_ptr_null(text);
}
END_TEST

START_TEST(credentials_are_private)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0777 };
	char sentence[ERROR_TEXT_MAX], *text = NULL;

	write_credentials("user:pass", 9);
	for (size_t i = 0; i < COUNT(modes); i++) {
		ck_assert_int_eq(chmod(path, modes[i]), 0);
		snprintf(sentence, sizeof(sentence),
			"credentials_file: %s: its mode is %04o, so that others may use "
			"it; it must "
			"be 0600 or less",
			path, (unsigned)modes[i]);
		expect(sentence, settings_credentials(settings, &text, &error), -EACCES);
	}
	ck_assert_int_eq(chmod(path, 0400), 0);
	ck_assert_int_eq(settings_credentials(settings, &text, &error), 0);
	free(text);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("settings_bad");
	const struct test_frame frame = { 0, setup, teardown };

	test_case(suite, &frame, "structure");
	test_add_loop(bad_structure, 0, COUNT(structure));
	test_case(suite, &frame, "values");
	test_add_loop(bad_values, 0, COUNT(values));
	test_add(quotes_stay_utf8, bad_set, too_many_servers);
	test_case(suite, &frame, "files");
	test_add(bad_files, no_files, unreadable_file, one_mebibyte_is_read);
	test_case(suite, &frame, "credentials");
	test_add(credentials, bad_credentials, huge_credentials, credentials_are_private);
	return suite;
}
