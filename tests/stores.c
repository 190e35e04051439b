/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stores themselves: the answers that both give alike, and what is one's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "registry/zookeeper/hosts.h"
#include "registry_fixture.h"

START_TEST(store_answers)
{
	struct store_operation check = { .kind = STORE_CHECK, .version = 7 };
	char path[600];
	struct raw raw;
	struct host host;

	NEED_STORE();
	watcher_open(&host); /* makes ROOT */
	raw_open(&raw);
	ck_assert_uint_ne(raw.store->backend->session(raw.store), 0);
	ck_assert_uint_eq(raw.store->backend->timeout(raw.store), TIMEOUT_MS);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/a"), 0);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/a"), -EEXIST);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/b/c"), -ENOENT);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/a/b"), 0);
	ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, "/a"), -ENOTEMPTY);
	ck_assert_int_eq(raw_multi(&raw, STORE_DELETE, "/b"), -ENOENT);
	ck_assert_int_eq(raw_multi(&raw, STORE_SET, "/b"), -ENOENT);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE_EPHEMERAL, "/e"), 0);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/e/f"), -EINVAL);
	snprintf(path, sizeof(path), "%s/a", raw.root);
	check.path = path;
	raw.answered = false;
	ck_assert_int_eq(raw.store->backend->multi(raw.store, &check, 1, raw_done, &raw), 0);
	raw_pump(&raw, &raw.answered);
	ck_assert_int_eq(raw.result, -EAGAIN);
	raw_close(&raw);
	host_close(&host);
}
END_TEST

/* --- SQLite's own ------------------------------------------------------------------------ */

static void sql(const char *statement)
{
	char command[1000];

	snprintf(command, sizeof(command), "sqlite3 -cmd '.timeout 5000' %s \"%s\" > /dev/null",
		uri + strlen("sqlite:"), statement);
	ck_assert_msg(system(command) == 0, "%s", command);
}

START_TEST(deleted_session_row_expires)
{
	struct host watcher, host;

	if (system("command -v sqlite3 > /dev/null") != 0)
		test_skip("the sqlite3 tool is not installed");
	watcher_open(&watcher);
	host_open(&host, "192.168.0.0/18");
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&watcher, "web-1"), &host, &watcher);
	sql("DELETE FROM session WHERE id = (SELECT session FROM node WHERE session IS NOT NULL)");
	UNTIL(!sees(&watcher, "web-1"), &watcher);
	UNTIL(host.joins == 2 && sees(&watcher, "web-1"), &host, &watcher);
	ck_assert_uint_eq(host.expiries, 1);
	ck_assert_uint_eq(watcher.expiries, 0);
	sql("SELECT overlay, id, taken, used FROM leases");
	sql("SELECT entry, data, joined, pid FROM members");
	host_close(&host);
	host_close(&watcher);
}
END_TEST

START_TEST(file_change_is_seen_quickly)
{
	struct host watcher, host;
	struct fleet_settings settings;
	struct error error;
	int64_t begin, spent = 0;

	watcher_open(&watcher);
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_ge(registry_fleet(host.registry, &settings, WAIT_MS, &error), 0);
	for (unsigned i = 1; i <= 10; i++) {
		settings.accepted = i;
		begin = now_ms();
		ck_assert_int_eq(registry_fleet_set(host.registry, &settings, WAIT_MS, &error), 0);
		UNTIL(watcher.fleet.accepted == i, &watcher);
		spent += now_ms() - begin;
	}
	ck_assert_int_lt(spent / 10, 50);
	host_close(&host);
	host_close(&watcher);
}
END_TEST

static void refused(const char *bad, const char *says)
{
	struct registry_config config = { .uri = bad, .session_timeout_ms = TIMEOUT_MS };
	struct registry *registry = NULL;
	struct error error = { 0 };

	ck_assert_int_lt(registry_open(&registry, &config, NULL, &error), 0);
	ck_assert_ptr_null(registry);
	ck_assert_msg(strstr(error.text, says), "%s: %s", bad, error.text);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(bad_files_are_refused)
{
	char bad[200], command[400];
	struct stat status;
	struct host host;

	refused("redis://x/y", "neither zookeeper://");
	refused("sqlite:", "address is missing");
	refused("zookeeper://h:2181", "root");
	refused("zookeeper://h:2181/", "root");
	refused("zookeeper://h:2181/a//b", "root");
	refused("zookeeper://h:2181/../b", "root");
	refused("zookeeper:///neti", "address is missing");
	snprintf(bad, sizeof(bad), "sqlite:%s", folder);
	refused(bad, "is a folder");
	snprintf(bad, sizeof(bad), "sqlite:%s/text", folder);
	write_file(bad + 7,
		"this is certainly not a database, but it is long enough to have a header\n"
		"this is certainly not a database, but it is long enough to have a header\n");
	refused(bad, "is not an SQLite database");
	snprintf(bad, sizeof(bad), "sqlite:%s/text/below", folder);
	refused(bad, "Not a directory");
	snprintf(bad, sizeof(bad), "sqlite:%s/other.db", folder);
	snprintf(command, sizeof(command), "sqlite3 %s 'CREATE TABLE a (b)' 2> /dev/null", bad + 7);
	if (system(command) == 0)
		refused(bad, "of another program");
	refused("sqlite:/proc/neti.db", "registry file /proc/neti.db");
	/* Folders are made, and the file is not for everybody. */
	snprintf(uri, sizeof(uri), "sqlite:%s/new/er/file.db", folder);
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_eq(stat(uri + 7, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777 & ~0640u, 0);
	host_close(&host);
}
END_TEST

/* --- ZooKeeper's own --------------------------------------------------------------------- */

START_TEST(unreachable_server_is_named)
{
	struct registry_config config = { .session_timeout_ms = TIMEOUT_MS };
	struct error error;
	struct host host;
	char both[200];

	NEED_STORE();
	/* One that is there is enough. */
	snprintf(both, sizeof(both), "zookeeper://name.invalid,127.0.0.1:1,127.0.0.1:%u/neti",
		zookeeper_server_port(server));
	config.uri = both;
	try_open(&host, &config);
	ck_assert_int_eq(registry_connect(host.registry, WAIT_MS, &error), 0);
	host_close(&host);
	config.uri = "zookeeper://127.0.0.1:1,name.invalid/neti";
	try_open(&host, &config);
	ck_assert_int_eq(registry_connect(host.registry, 500, &error), -ETIMEDOUT);
	ck_assert_msg(strstr(error.text, "127.0.0.1:1"), "%s", error.text);
	host_close(&host);
	config.uri = "zookeeper://name.invalid/neti";
	try_open(&host, &config);
	ck_assert_int_eq(registry_connect(host.registry, 500, &error), -ETIMEDOUT);
	ck_assert_msg(strstr(error.text, "resolves"), "%s", error.text);
	host_close(&host);
	refused("zookeeper://a, b/neti", "HOST:PORT");
	refused("zookeeper://a,,b/neti", "HOST:PORT");
}
END_TEST

/* With credentials nobody else reads or changes anything below the root. */
START_TEST(credentials_close_the_fleet)
{
	struct fleet_settings settings = initial("192.168.0.0/18");
	struct registry_config config = {
		.uri = uri,
		.session_timeout_ms = TIMEOUT_MS,
		.initial = &settings,
		.credentials = "neti:secret",
	};
	struct host owner, stranger;
	struct address address;
	struct error error;

	NEED_STORE();
	try_open(&owner, &config);
	take(&owner, "web-1");
	config.credentials = "neti:guess";
	try_open(&stranger, &config);
	ck_assert_int_eq(registry_lease_take(stranger.registry, "web-1", &address, WAIT_MS, &error),
		-EACCES);
	ck_assert_int_eq(error.reason, NETI_REASON_DENIED);
	ck_assert_uint_eq(stranger.troubles, 1);
	host_close(&stranger);
	config.credentials = NULL;
	try_open(&stranger, &config);
	ck_assert_int_eq(registry_lease_find(stranger.registry, "web-1", &address, WAIT_MS, &error),
		-EACCES);
	host_close(&stranger);
	config.credentials = "neti:secret";
	try_open(&stranger, &config);
	ck_assert_int_eq(registry_lease_find(stranger.registry, "web-1", &address, WAIT_MS, &error),
		0);
	host_close(&stranger);
	host_close(&owner);
}
END_TEST

static unsigned inherited(void)
{
	unsigned n = 0;

	for (int fd = 3; fd < 100; fd++) {
		struct stat status;

		n += fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) &&
		     !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	return n;
}

START_TEST(sockets_are_not_inherited)
{
	struct error error;
	struct host host;
	unsigned before = inherited();

	NEED_STORE();
	host_open(&host, "192.168.0.0/18");
	ck_assert_int_eq(registry_connect(host.registry, WAIT_MS, &error), 0);
	ck_assert_uint_eq(inherited(), before);
	host_close(&host);
}
END_TEST

static unsigned lines;

static void count_line(void *data, enum neti_log_level level, const char *text)
{
	(void)data;
	(void)level;
	lines += strstr(text, "zookeeper client") != NULL;
}

/* Thirty lines a second without the limit. */
START_TEST(client_log_is_thinned_out)
{
	struct log log = { NETI_LOG_INFO, count_line, NULL };
	struct registry_config config = {
		.uri = "zookeeper://127.0.0.1:1/neti", .session_timeout_ms = TIMEOUT_MS, .log = &log
	};
	struct error error;
	struct host host;

	try_open(&host, &config);
	ck_assert_int_eq(registry_connect(host.registry, 2000, &error), -ETIMEDOUT);
	ck_assert_uint_ge(lines, 1);
	ck_assert_uint_le(lines, 4);
	host_close(&host);
}
END_TEST

START_TEST(addresses_are_an_odd_number)
{
	static const struct {
		const char *hosts, *odd;
	} table[] = {
		{ "127.0.0.1:1", "127.0.0.1:1" },
		{ "127.0.0.1:1,127.0.0.2:2", "127.0.0.1:1,127.0.0.2:2,127.0.0.1:1" },
		{ "127.0.0.1:1,127.0.0.2:2,127.0.0.3:3", "127.0.0.1:1,127.0.0.2:2,127.0.0.3:3" },
		{ "127.0.0.1:1,no.such.host.invalid:2,127.0.0.3:3",
			"127.0.0.1:1,no.such.host.invalid:2,127.0.0.3:3,127.0.0.1:1" },
		{ "no.such.host.invalid:2", "no.such.host.invalid:2" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char *odd = zookeeper_hosts_odd(table[i].hosts);

		ck_assert_str_eq(odd, table[i].odd);
		free(odd);
	}
}
END_TEST

static unsigned refusing; /* by their ports, a bit each */

static void note_refusing(void *data, enum neti_log_level level, const char *text)
{
	(void)data;
	ck_assert_int_eq(level, NETI_LOG_WARNING);
	refusing |=
		(strstr(text, " 127.0.0.1:1 ") ? 1 : 0) | (strstr(text, " 127.0.0.1:9 ") ? 2 : 0);
}

/* An even number of them: the client does not wait by itself, and would take a whole core. */
START_TEST(refusing_servers_are_named_at_rest)
{
	struct log log = { NETI_LOG_WARNING, note_refusing, NULL };
	struct registry_config config = { .uri = "zookeeper://127.0.0.1:1,127.0.0.1:9/neti",
		.session_timeout_ms = TIMEOUT_MS,
		.log = &log };
	double before = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
	struct error error;
	struct host host;

	refusing = 0;
	try_open(&host, &config);
	ck_assert_int_eq(registry_connect(host.registry, 4000, &error), -ETIMEDOUT);
	ck_assert_uint_eq(refusing, 3);
	ck_assert_double_lt(clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - before, 1);
	host_close(&host);
}
END_TEST

static void write_fleet(struct raw *raw, const struct fleet_settings *settings)
{
	struct buffer json = { 0 };
	struct store_operation set = { .kind = STORE_SET, .path = "/fleet", .version = -1 };

	ck_assert_int_eq(fleet_settings_print(settings, &json), 0);
	set.bytes = json.text;
	set.size = json.length;
	raw->answered = false;
	ck_assert_int_eq(raw->store->backend->multi(raw->store, &set, 1, raw_done, raw), 0);
	raw_pump(raw, &raw->answered);
	ck_assert_int_eq(raw->result, 0);
	buffer_clear(&json);
}

/* Nor is it one again before it is there, and can be read. */
START_TEST(shard_that_is_no_more_is_no_trouble)
{
	struct fleet_settings settings = initial("192.168.0.0/18");
	struct host watcher;
	struct raw raw;

	watcher_open(&watcher);
	raw_open(&raw);
	ck_assert_int_eq(raw_multi(&raw, STORE_CREATE, "/ip-map/3f/no\001name"), 0);
	UNTIL(watcher.stands[REGISTRY_TROUBLE_SHARDS], &watcher);
	ck_assert_ptr_nonnull(strstr(watcher.trouble.text, "shard 3f"));
	settings.shards = SHARDS / 2;
	write_fleet(&raw, &settings);
	UNTIL(watcher.fleet.shards == SHARDS / 2 && !watcher.stands[REGISTRY_TROUBLE_SHARDS],
		&watcher);
	pump_for(300, &watcher);
	ck_assert(!watcher.stands[REGISTRY_TROUBLE_SHARDS]);
	settings.shards = SHARDS;
	write_fleet(&raw, &settings);
	UNTIL(watcher.stands[REGISTRY_TROUBLE_SHARDS], &watcher);
	raw_close(&raw);
	host_close(&watcher);
}
END_TEST

/* In a process of its own, and as somebody who may read alone: the exit status. */
static int looks_up(const char *id)
{
	struct member *found = NULL;
	struct error error;
	struct registry *registry;
	int result;

	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		return 2;
	registry = child_open("192.168.0.0/18");
	if (!registry)
		return 3;
	result = registry_lookup(registry, id, NULL, &found, WAIT_MS, &error);
	member_unref(found);
	registry_close(registry);
	return result == 0 ? 0 : 4;
}

/* By whoever cannot write it, and so cannot make what earlier releases did not. */
START_TEST(file_of_an_earlier_release_is_read)
{
	char command[900];
	struct host host;
	int status = -1;
	pid_t pid;

	if (system("command -v sqlite3 > /dev/null") != 0)
		test_skip("the sqlite3 tool is not installed");
	host_open(&host, "192.168.0.0/18");
	take(&host, "web-1");
	sql("DROP TABLE clock");
	snprintf(command, sizeof(command), "chmod 755 %s && chmod 444 %s*", folder,
		uri + strlen("sqlite:"));
	ck_assert_int_eq(system(command), 0);
	pid = fork();
	if (pid == 0)
		_exit(looks_up("web-1"));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	host_close(&host);
}
END_TEST

static void move_file(const char *from, const char *to)
{
	char a[300], b[300];

	snprintf(a, sizeof(a), "%s%s", uri + strlen("sqlite:"), from);
	snprintf(b, sizeof(b), "%s%s", uri + strlen("sqlite:"), to);
	ck_assert_int_eq(rename(a, b), 0);
}

/* Beside the test's own registry: one of another member, and closed. */
static void make_other_file(void)
{
	char own[sizeof(uri)];
	struct host other;

	strcpy(own, uri);
	ck_assert_int_lt(snprintf(uri, sizeof(uri), "%.190s.other", own), (int)sizeof(uri));
	host_open(&other, "192.168.0.0/18");
	take(&other, "other");
	host_close(&other);
	strcpy(uri, own);
}

START_TEST(file_that_is_exchanged_is_noticed)
{
	struct host host;
	struct address overlay;
	struct error error;
	char command[300];

	if (system("command -v sqlite3 > /dev/null") != 0)
		test_skip("the sqlite3 tool is not installed");
	make_other_file();
	watcher_open(&host);
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&host, "web-1"), &host);
	move_file(".other", "");
	UNTIL(host.replaced > 0 && host.joins == 2 && sees(&host, "web-1"), &host);
	ck_assert_int_eq(registry_lease_find(host.registry, "other", &overlay, WAIT_MS, &error), 0);
	ck_assert(!host.stands[REGISTRY_TROUBLE_FLEET]);
	snprintf(command, sizeof(command), "sqlite3 %s 'PRAGMA integrity_check' | grep -qx ok",
		uri + strlen("sqlite:"));
	ck_assert_int_eq(system(command), 0);
	host_close(&host);
}
END_TEST

/* Nobody leaves, and it is not made anew. */
START_TEST(file_that_is_gone_is_told_and_waited_for)
{
	struct host host;
	struct address overlay;
	struct error error;

	watcher_open(&host);
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1 && sees(&host, "web-1"), &host);
	take(&host, "kept"); /* stands in the log alone */
	move_file("", ".away");
	UNTIL(host.stands[REGISTRY_TROUBLE_FLEET], &host);
	ck_assert_ptr_nonnull(strstr(host.trouble.text, "is not there"));
	pump_for(2500, &host);
	ck_assert_uint_eq(host.troubles, 1);
	ck_assert_ptr_nonnull(sees(&host, "web-1"));
	ck_assert_int_ne(access(uri + strlen("sqlite:"), F_OK), 0);
	move_file(".away", "");
	UNTIL(!host.stands[REGISTRY_TROUBLE_FLEET] && host.joins == 2 && sees(&host, "web-1"),
		&host);
	ck_assert_int_eq(registry_lease_find(host.registry, "kept", &overlay, WAIT_MS, &error), 0);
	host_close(&host);
}
END_TEST

/* At once the first time. */
START_TEST(sessions_that_are_ended_are_followed_slowly)
{
	struct host host;
	int64_t begin;

	if (system("command -v sqlite3 > /dev/null") != 0)
		test_skip("the sqlite3 tool is not installed");
	watcher_open(&host);
	join(&host, "web-1", "10.0.0.1", false);
	UNTIL(host.joins == 1, &host);
	begin = now_ms();
	sql("DELETE FROM session");
	UNTIL(host.joins == 2, &host);
	ck_assert_int_lt(now_ms() - begin, 600);
	for (begin = now_ms(); now_ms() - begin < 6000; pump_for(20, &host))
		sql("DELETE FROM session");
	ck_assert_uint_le(host.expiries, 10);
	ck_assert(host.stands[REGISTRY_TROUBLE_FLEET]);
	UNTIL(host.state == STORE_CONNECTED && registry_joined(host.registry) &&
			!host.stands[REGISTRY_TROUBLE_FLEET],
		&host);
	host_close(&host);
}
END_TEST

static void add_sqlite(void)
{
	test_add(file_that_is_exchanged_is_noticed, file_that_is_gone_is_told_and_waited_for,
		sessions_that_are_ended_are_followed_slowly, file_of_an_earlier_release_is_read,
		shard_that_is_no_more_is_no_trouble);
	test_add(store_answers, deleted_session_row_expires, file_change_is_seen_quickly,
		bad_files_are_refused);
}

static void add_zookeeper(void)
{
	test_add(store_answers, sockets_are_not_inherited, credentials_close_the_fleet,
		unreachable_server_is_named, client_log_is_thinned_out, addresses_are_an_odd_number,
		refusing_servers_are_named_at_rest);
}

Suite *test_suite(void)
{
	Suite *suite = fixture_suite("stores");

	fixture_sqlite(suite, add_sqlite);
	fixture_zookeeper(suite, add_zookeeper);
	return suite;
}
