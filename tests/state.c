/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state file and the lock: what was saved is loaded, anything else is named and ignored.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sessions.h"
#include "agent/state.h"
#include "base/sealed_file.h"
#include "agent/status.h"
#include "base/file.h"
#include "fleet/view.h"
#include "members.h"
#include "netns.h"
#include "ruleset/ruleset_file.h"
#include "ruleset/ruleset_text.h"
#include "test.h"

#define N 100

static char folder[] = "/tmp/neti-state-XXXXXX";
static struct fleet_settings fleet;
static struct member_list members;
static struct error error;

static void setup(void)
{
	struct prefix subnet;

	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	prefix_parse("192.168.0.0/18", &subnet);
	fleet_settings_default(&fleet, &subnet);
	fleet.accepted = 7;
	for (unsigned n = 1; n <= N; n++)
		test_list_add(&members, test_member_nth(n, "ec2"));
	ck_assert_int_eq(state_save(folder, &fleet, &members, NULL, &error), 0);
}

static void teardown(void)
{
	char command[100];

	member_list_clear(&members);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static int load(void)
{
	struct member_list loaded = { 0 };
	struct fleet_settings settings;
	int result = state_load(folder, &settings, &loaded, &error);

	if (result < 0)
		return result;
	ck_assert_uint_eq(settings.accepted, 7);
	ck_assert_uint_eq(loaded.length, N);
	for (size_t i = 0; i < N; i++)
		ck_assert(member_same(loaded.items[i], members.items[i]));
	member_list_clear(&loaded);
	return 0;
}

static char *whole(size_t *ret_length)
{
	char *text;

	ck_assert_int_eq(file_read(folder, "fleet", &text, ret_length, &error), 0);
	return text;
}

static void put(const char *text, size_t length)
{
	ck_assert_int_eq(file_replace(folder, "fleet", text, length, &error), 0);
}

static void is_ignored(const char *why)
{
	ck_assert_int_eq(load(), -EBADMSG);
	ck_assert_msg(strstr(error.text, folder) && strstr(error.text, why), "%s", error.text);
}

START_TEST(saved_is_loaded)
{
	ck_assert_int_eq(load(), 0);
	ck_assert_int_eq(file_remove(folder, "fleet", &error), 0);
	ck_assert_int_eq(load(), -ENOENT);
}
END_TEST

/* Wherever it ends, and wherever a bit has changed. */
START_TEST(torn_is_ignored)
{
	size_t length;
	char *text = whole(&length);
	size_t head = (size_t)(strchr(text, '\n') - text) + 1;

	for (size_t end = head; end < length; end += 97) {
		put(text, end);
		is_ignored("torn");
	}
	for (size_t at = head; at < length; at += 101) {
		text[at] ^= 4;
		put(text, length);
		is_ignored("torn");
		text[at] ^= 4;
	}
	put(text, length);
	ck_assert_int_eq(load(), 0);
	free(text);
}
END_TEST

START_TEST(foreign_and_newer_are_ignored)
{
	size_t length;
	char *text = whole(&length), *version = strchr(text, ' ') + 1;

	put("", 0);
	is_ignored("not a state file");
	put("hello\n", 6);
	is_ignored("not a state file");
	*version = '9';
	put(text, length);
	is_ignored("another version");
	free(text);
	ck_assert_int_eq(file_remove(folder, "fleet", &error), 0);
	strcat(strcpy(error.text, folder), "/fleet");
	ck_assert_int_eq(mkdir(error.text, 0700), 0);
	ck_assert_int_lt(load(), 0);
	ck_assert_msg(strstr(error.text, folder), "%s", error.text);
	strcat(strcpy(error.text, folder), "/fleet");
	ck_assert_int_eq(rmdir(error.text), 0);
}
END_TEST

/* --- changes of what was written whole --- */

static struct changes changes;
static struct fleet_delta fleet_delta;

static void note(struct member *added, struct member *moved, struct member *removed)
{
	if (added)
		test_list_add(&fleet_delta.added, added);
	if (moved)
		test_list_add(&fleet_delta.moved, moved);
	if (removed)
		test_list_add(&fleet_delta.removed, removed);
	ck_assert_int_eq(fleet_view_patch(&members, &fleet_delta), 0);
	state_note(&changes, &fleet_delta);
	fleet_delta_clear(&fleet_delta);
}

static void append(int result)
{
	ck_assert_msg(state_append(folder, &changes, &error) == result, "%s", error.text);
}

static struct member_list load_list(void)
{
	struct member_list loaded = { 0 };
	struct fleet_settings settings;

	ck_assert_msg(state_load(folder, &settings, &loaded, &error) == 0, "%s", error.text);
	return loaded;
}

static void loads_members(void)
{
	struct member_list loaded = load_list();

	ck_assert_uint_eq(loaded.length, members.length);
	for (size_t i = 0; i < loaded.length; i++)
		ck_assert(member_same(loaded.items[i], members.items[i]));
	member_list_clear(&loaded);
}

static void change_some(void)
{
	ck_assert_int_eq(state_save(folder, &fleet, &members, &changes, &error), 0);
	note(test_member_nth(N + 1, "vpc"), test_member_nth(50, "vpc"), test_member_nth(7, "ec2"));
	append(0);
	append(0); /* nothing more */
	loads_members();
	note(test_member_nth(7, "vpc"), NULL, test_member_nth(N + 1, "vpc"));
	note(NULL, test_member_nth(50, "ec2"), NULL);
	append(0);
}

START_TEST(changes_are_loaded)
{
	change_some();
	loads_members();
	ck_assert_int_eq(state_save(folder, &fleet, &members, &changes, &error), 0);
	loads_members();
	changes_void(&changes);
}
END_TEST

/* The first of two records counts or not, the second one only after it: whatever is torn. */
START_TEST(torn_changes_end_there)
{
	size_t length;
	struct member_list loaded;
	char *text;

	change_some();
	ck_assert_int_eq(file_read(folder, "fleet.changes", &text, &length, &error), 0);
	for (size_t end = 0; end <= length; end++) {
		ck_assert_int_eq(file_replace(folder, "fleet.changes", text, end, &error), 0);
		loaded = load_list();
		ck_assert_uint_eq(loaded.length, N);
		ck_assert_uint_le(strcmp(loaded.items[6]->network, "vpc") == 0, end == length);
		member_list_clear(&loaded);
	}
	for (size_t at = 0; at < length; at++) {
		text[at] ^= 4;
		ck_assert_int_eq(file_replace(folder, "fleet.changes", text, length, &error), 0);
		loaded = load_list();
		ck_assert_str_ne(loaded.items[6]->network, "vpc");
		member_list_clear(&loaded);
		text[at] ^= 4;
	}
	free(text);
	changes_void(&changes);
}
END_TEST

/* A file that somebody else wrote meanwhile: an operator's apply, an older version. */
START_TEST(changes_of_another_file)
{
	size_t length;
	char *text;

	change_some();
	ck_assert_int_eq(file_read(folder, "fleet.changes", &text, &length, &error), 0);
	note(test_member_nth(N + 2, "vpc"), NULL, NULL);
	ck_assert_int_eq(state_save(folder, &fleet, &members, NULL, &error), 0);
	append(-ESTALE);
	ck_assert(!changes_suffice(&changes));
	ck_assert_int_eq(file_replace(folder, "fleet.changes", text, length, &error), 0);
	loads_members();
	free(text);
}
END_TEST

START_TEST(many_changes_are_too_many)
{
	ck_assert(!changes_suffice(&changes));
	ck_assert_int_eq(state_save(folder, &fleet, &members, &changes, &error), 0);
	for (unsigned i = 0; i < 512; i++) {
		note(test_member_nth(N + 1, "vpc"), NULL, NULL);
		note(NULL, NULL, test_member_nth(N + 1, "vpc"));
		append(0);
		loads_members();
		ck_assert(changes_suffice(&changes));
	}
	note(test_member_nth(N + 1, "vpc"), NULL, NULL);
	ck_assert(!changes_suffice(&changes));
	ck_assert_int_eq(state_save(folder, &fleet, &members, &changes, &error), 0);
	fleet_delta.partial = true;
	note(NULL, test_member_nth(1, "vpc"), NULL);
	ck_assert(!changes_suffice(&changes));
	fleet_delta.partial = false;
}
END_TEST

/* --- the ruleset's --- */

static struct ruleset *build_ruleset(void)
{
	struct member *self = test_member_nth(1, "ec2");
	struct policy policy = { 0 };
	struct ruleset *built;

	ck_assert_int_eq(ruleset_build(&built, &policy, &fleet, self, &members, NULL), 0);
	member_unref(self);
	return built;
}

START_TEST(changes_of_a_ruleset)
{
	struct ruleset *before = build_ruleset(), *after, *loaded;
	struct ruleset_diff diff;
	size_t length;
	char *text;

	ck_assert_int_eq(ruleset_file_save(folder, before, &changes, &error), 0);
	note(test_member_nth(N + 1, "vpc"), test_member_nth(50, "vpc"), test_member_nth(7, "ec2"));
	after = build_ruleset();
	ck_assert_int_eq(ruleset_diff(&diff, before, after), 0);
	ck_assert_uint_eq(ruleset_diff_lines(&diff), 7);
	buffer_clear(&changes.lines);
	ruleset_diff_print(&diff, &changes.lines);
	ruleset_diff_clear(&diff);
	ck_assert_int_eq(ruleset_file_append(folder, &changes, &error), 0);
	ck_assert_msg(ruleset_file_load(folder, &loaded, &error) == 0, "%s", error.text);
	ck_assert_int_eq(ruleset_diff(&diff, loaded, after), 0);
	ck_assert(ruleset_diff_empty(&diff));
	ruleset_diff_clear(&diff);
	ruleset_free(loaded);

	/* Twice the same says nothing more; and it was somebody else who wrote it. */
	ck_assert_int_eq(file_read(folder, "ruleset.changes", &text, &length, &error), 0);
	ck_assert_int_eq(file_append(folder, "ruleset.changes", text, length, &error), 0);
	ck_assert_int_eq(ruleset_file_load(folder, &loaded, &error), 0);
	ck_assert_int_eq(ruleset_diff(&diff, loaded, after), 0);
	ck_assert(ruleset_diff_empty(&diff));
	ruleset_diff_clear(&diff);
	ruleset_free(loaded);
	buffer_print(&changes.lines, "- peer 10.0.0.1\n");
	ck_assert_int_eq(ruleset_file_append(folder, &changes, &error), -ESTALE);
	free(text);

	/* The same file again: what lies beside it counts no more. */
	ck_assert_int_eq(ruleset_file_save(folder, before, NULL, &error), 0);
	ck_assert_int_eq(ruleset_file_load(folder, &loaded, &error), 0);
	ck_assert_int_eq(ruleset_diff(&diff, loaded, before), 0);
	ck_assert(ruleset_diff_empty(&diff));
	ruleset_diff_clear(&diff);
	ruleset_free(loaded);
	changes = (struct changes){ .seal = 7, .lines = { 0 } };
	buffer_print(&changes.lines, "+ path nowhere to 10.0.0.1\n");
	ck_assert_int_eq(ruleset_file_save(folder, before, &changes, &error), 0);
	buffer_print(&changes.lines, "+ path nowhere to 10.0.0.1\n");
	ck_assert_int_eq(ruleset_file_append(folder, &changes, &error), 0);
	ck_assert_int_eq(ruleset_file_load(folder, &loaded, &error), -EBADMSG);
	ruleset_free(before);
	ruleset_free(after);
	changes_void(&changes);
}
END_TEST

/* One object, with peers and paths in it. */
START_TEST(ruleset_of_0_1)
{
	struct buffer body = { 0 };
	struct ruleset *loaded;

	buffer_print(&body, "{\"overlay\":\"192.168.0.0/18\",\"policy\":{\"reject_all\":true,"
			    "\"forwarded\":false,\"icmp\":true,\"open_ports\":[[6,80,80]],"
			    "\"ssh_whitelist\":[],\"trusted\":[],\"nat_overrides\":[]},"
			    "\"peers\":[\"10.0.0.2\",\"10.0.0.3\"],"
			    "\"paths\":[[\"192.168.0.2\",\"10.0.0.2\"]]}");
	ck_assert_int_eq(sealed_file_write(folder, "ruleset", &body, NULL, &error), 0);
	ck_assert_msg(ruleset_file_load(folder, &loaded, &error) == 0, "%s", error.text);
	ck_assert_uint_eq(loaded->n_peers, 2);
	ck_assert_uint_eq(loaded->n_paths, 1);
	ck_assert(loaded->policy.reject_all);
	ruleset_free(loaded);
	buffer_clear(&body);
}
END_TEST

typedef int (*load_doubts)(const char *state_dir, struct fleet_settings *ret_fleet,
	struct member_list *ret_members, struct error *error);

static void loads(load_doubts load_them, int result)
{
	struct fleet_settings settings = { 0 };
	struct member_list list = { 0 };

	ck_assert_int_eq(load_them(folder, &settings, &list, &error), result);
	ck_assert_uint_eq(list.length, result < 0 ? 0 : N);
	ck_assert_uint_eq(settings.accepted, result < 0 ? 0 : 7);
	member_list_clear(&list);
}

START_TEST(doubts_are_loaded)
{
	struct member_list none = { 0 };

	loads(state_load_held, -ENOENT);
	loads(state_load_doubted, -ENOENT);
	ck_assert_int_eq(state_save_doubts(folder, &fleet, &members, &none, &error), 0);
	loads(state_load_held, 0);
	loads(state_load_doubted, -ENOENT);
	ck_assert_int_eq(state_save_doubts(folder, &fleet, &none, &members, &error), 0);
	loads(state_load_held, -ENOENT);
	loads(state_load_doubted, 0);
	ck_assert_int_eq(state_save_doubts(folder, &fleet, &members, &members, &error), 0);
	ck_assert_int_eq(file_replace(folder, "doubted", "torn", 4, &error), 0);
	loads(state_load_doubted, -EBADMSG);
	ck_assert_msg(strstr(error.text, "/doubted is ignored"), "%s", error.text);
	loads(state_load_held, 0);
}
END_TEST

/* The old one stays, and the disk is left as full as it was. */
START_TEST(full_disk)
{
	struct netns_host outside;
	char path[100];

	if (!netns_start(&outside)) /* a mount namespace comes with it */
		return;
	ck_assert_int_eq(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("tmpfs", folder, "tmpfs", 0, "size=32k"), 0);
	ck_assert_int_eq(state_save(folder, &fleet, &members, NULL, &error), 0);
	for (unsigned n = N + 1; n <= 20 * N; n++)
		test_list_add(&members, test_member_nth(n, "ec2"));
	ck_assert_int_eq(state_save(folder, &fleet, &members, NULL, &error), -ENOSPC);
	ck_assert_msg(strstr(error.text, folder) && strstr(error.text, "No space left"), "%s",
		error.text);
	while (members.length > N)
		member_unref(members.items[--members.length]);
	ck_assert_int_eq(load(), 0);
	snprintf(path, sizeof(path), "ls %s | grep -v '^fleet$'", folder);
	ck_assert_int_ne(system(path), 0);
	ck_assert_int_eq(umount(folder), 0);
}
END_TEST

START_TEST(second_agent_is_told_who_has_it)
{
	char pid[32];
	int lock = status_lock(folder, &error);

	ck_assert_int_ge(lock, 0);
	ck_assert_int_eq(status_lock(folder, &error), -EBUSY);
	snprintf(pid, sizeof(pid), "process %d ", getpid());
	ck_assert_msg(strstr(error.text, pid) && strstr(error.text, folder), "%s", error.text);
	close(lock);
	lock = status_lock(folder, &error);
	ck_assert_int_ge(lock, 0);
	close(lock);
}
END_TEST

START_TEST(leftovers_of_the_killed_are_removed)
{
	char path[100];
	int lock;

	ck_assert_int_eq(file_replace(folder, "fleet.new-0123456789abcdef", "x", 1, &error), 0);
	lock = status_lock(folder, &error);
	ck_assert_int_ge(lock, 0);
	snprintf(path, sizeof(path), "test \"$(ls %s)\" = \"$(printf 'fleet\\nlock')\"", folder);
	ck_assert_int_eq(system(path), 0);
	close(lock);
}
END_TEST

static int load_sessions(const char *at, size_t expected)
{
	uint64_t sessions[REGISTRY_SESSIONS] = { 0 };
	size_t n = 0;
	int result = sessions_load(at, sessions, &n, &error);

	ck_assert_uint_eq(n, result < 0 ? 0 : expected);
	ck_assert_uint_eq(sessions[0], result < 0 ? 0 : 0x123456789abcdef0);
	return result;
}

/* The body edited, under a head that is right. */
static void seal_sessions(const char *sed)
{
	struct buffer body = { 0 };
	char command[300], *text;
	size_t length;

	snprintf(command, sizeof(command), "sed 1d %s/sessions | sed '%s' >%s/body", folder, sed,
		folder);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(file_read(folder, "body", &text, &length, &error), 0);
	buffer_append(&body, text, length);
	ck_assert_int_eq(sealed_file_write(folder, "sessions", &body, NULL, &error), 0);
	buffer_clear(&body);
	free(text);
}

START_TEST(sessions_are_bound_to_their_place)
{
	static const struct {
		const char *sed;
		int result;
		const char *says;
	} others[] = {
		{ "1s/^[^ ]*/0123/", -EBADMSG, "another machine" },
		{ "1s/ [^ ]* / 4567 /", -ENOENT, "another boot" },
		{ "1s/[0-9]*$/1/", -EBADMSG, "copied from another folder" },
		{ "1d", -EBADMSG, "first line cannot be read" },
		{ "2s/$/x/", -EBADMSG, "a session cannot be read" },
		{ "2s/.*/0/", -EBADMSG, "a session cannot be read" },
	};
	const uint64_t sessions[] = { 0x123456789abcdef0, 2 };
	char copy[100], command[300];

	ck_assert_int_eq(load_sessions(folder, 0), -ENOENT);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		ck_assert_int_eq(sessions_save(folder, sessions, 2, &error), 0);
		ck_assert_int_eq(load_sessions(folder, 2), 0);
		seal_sessions(others[i].sed);
		ck_assert_int_eq(load_sessions(folder, 2), others[i].result);
		ck_assert_msg(strstr(error.text, others[i].says) != NULL, "%s", error.text);
	}
	ck_assert_int_eq(sessions_save(folder, sessions, 2, &error), 0);
	snprintf(copy, sizeof(copy), "%s/copy", folder);
	snprintf(command, sizeof(command), "mkdir %s && cp %s/sessions %s", copy, folder, copy);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(load_sessions(copy, 2), -EBADMSG);
	ck_assert_int_eq(load_sessions(folder, 2), 0);
}
END_TEST

/* Whoever reads it besides goes on to do so. */
START_TEST(machine_id_is_left_alone)
{
	const uint64_t session = 1;
	struct netns_host outside;
	char path[100];
	struct stat stat;
	FILE *file;

	if (access("/etc/machine-id", F_OK) < 0 || !netns_start(&outside))
		return;
	snprintf(path, sizeof(path), "%s/machine-id", folder);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_gt(fprintf(file, "0123456789abcdef0123456789abcdef\n"), 0);
	ck_assert_int_eq(fchmod(fileno(file), 0444), 0);
	fclose(file);
	ck_assert_int_eq(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount(path, "/etc/machine-id", "none", MS_BIND, NULL), 0);
	ck_assert_int_eq(sessions_save(folder, &session, 1, &error), 0);
	ck_assert_int_eq(lstat(path, &stat), 0);
	ck_assert_int_eq(stat.st_mode & 0777, 0444);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("state");
	const struct test_frame frame = { 0, setup, teardown };

	test_case(suite, &frame, "load");
	test_add(saved_is_loaded, torn_is_ignored, foreign_and_newer_are_ignored,
		doubts_are_loaded);
	test_case(suite, &frame, "changes");
	test_add(changes_are_loaded, torn_changes_end_there, changes_of_another_file,
		many_changes_are_too_many, changes_of_a_ruleset, ruleset_of_0_1);
	test_case(suite, &frame, "sessions");
	test_add(sessions_are_bound_to_their_place, machine_id_is_left_alone);
	test_case(suite, &frame, "disk");
	test_add(full_disk);
	test_case(suite, &frame, "lock");
	test_add(second_agent_is_told_who_has_it, leftovers_of_the_killed_are_removed);
	return suite;
}
