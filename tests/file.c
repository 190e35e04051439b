/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small files of our own: written whole or not at all, and each failure names the file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "test.h"

static char folder[64], path[128];
static struct error error;

static void setup(void)
{
	strcpy(folder, "/tmp/neti-test-file-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static const char *below(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int entries(void)
{
	DIR *directory = opendir(folder);
	int n = -2; /* . and .. */

	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static void names(int result, int wanted, const char *what)
{
	ck_assert_int_eq(result, wanted);
	ck_assert_msg(strstr(error.text, what) != NULL, "%s", error.text);
}

START_TEST(written_is_read)
{
	size_t length;
	char *text;

	ck_assert_int_eq(file_replace(folder, "it", "old", 3, &error), 0);
	ck_assert_int_eq(file_replace_nosync(folder, "it", "new\0er", 6, &error), 0);
	ck_assert_int_eq(file_read(folder, "it", &text, &length, &error), 0);
	ck_assert_uint_eq(length, 6);
	ck_assert_int_eq(memcmp(text, "new\0er", 7), 0);
	free(text);
	ck_assert_int_eq(entries(), 1);
	ck_assert_int_eq(file_remove(folder, "it", &error), 0);
	ck_assert_int_eq(file_remove(folder, "it", &error), 0);
	ck_assert_int_eq(file_read(folder, "it", &text, &length, &error), -ENOENT);
}
END_TEST

START_TEST(no_file_of_ours_is_read)
{
	size_t length = 7;
	char *text = NULL;

	ck_assert_int_eq(mkdir(below("it"), 0700), 0);
	names(file_read(folder, "it", &text, &length, &error), -EINVAL,
		"/it is not a file of Neti");
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0); /* nobody writes to it, and nobody waits */
	names(file_read(folder, "it", &text, &length, &error), -EINVAL,
		"/it is not a file of Neti");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	names(file_read(folder, "it", &text, &length, &error), -ELOOP, "/it");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(file_replace(folder, "it", "", 0, &error), 0);
	ck_assert_int_eq(truncate(path, 1L << 30), 0);
	names(file_read(folder, "it", &text, &length, &error), -EINVAL,
		"/it is not a file of Neti");
	ck_assert_ptr_null(text);
	ck_assert_uint_eq(length, 7);
}
END_TEST

START_TEST(what_cannot_be_written_is_named)
{
	names(file_replace(below("nowhere"), "it", "x", 1, &error), -ENOENT, "/nowhere/it");
	ck_assert_int_eq(mkdir(below("it"), 0700), 0);
	names(file_replace(folder, "it", "x", 1, &error), -EISDIR, "/it");
	ck_assert_int_eq(entries(), 1); /* nothing half written beside it */
	ck_assert_int_lt(file_remove(folder, "it", &error), 0);
	ck_assert_msg(strstr(error.text, "cannot remove") && strstr(error.text, "/it"), "%s",
		error.text);
}
END_TEST

static void make_socket(const char *at)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, at);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

/* What is no file is none at once: nobody waits for its other end, or reads it without end. */
START_TEST(only_files_are_opened)
{
	uid_t uid = geteuid();
	int fd;

	ck_assert_int_eq(mkfifo(below("pipe"), 0600), 0);
	ck_assert_int_eq(file_open(path, O_RDONLY, 0), -ENXIO);
	ck_assert_int_eq(file_open(path, O_RDWR, 0), -ENXIO);
	ck_assert_ptr_nonnull(strstr(file_why(-ENXIO), "a pipe"));
	make_socket(below("socket"));
	ck_assert_int_eq(file_open(path, O_RDONLY, 0), -ENXIO);
	ck_assert_int_eq(file_open("/dev/zero", O_RDONLY, 0), -ENXIO);
	ck_assert_int_eq(file_open(folder, O_RDONLY, 0), -EISDIR);
	ck_assert_int_eq(symlink("pipe", below("link")), 0);
	ck_assert_int_eq(file_open(path, O_RDONLY, 0), -ENXIO);
	ck_assert_int_eq(file_open(path, O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
	ck_assert_int_eq(symlink("loop", below("loop")), 0);
	ck_assert_int_eq(file_open(path, O_RDONLY, 0), -ELOOP);
	fd = file_open(below("it"), O_RDWR | O_CREAT, 0);
	ck_assert_int_ge(fd, 0);
	close(fd);
	if (uid == 0 && seteuid(65534) == 0) {
		ck_assert_int_eq(chmod(folder, 0755), -1);
		ck_assert_int_lt(file_open(path, O_RDONLY, 0), 0);
		ck_assert_int_eq(seteuid(uid), 0);
	}
}
END_TEST

START_TEST(reading_ends)
{
	size_t length = 7;
	char *text = NULL;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "0123456789", 10), 10);
	ck_assert_int_eq(file_read_up_to(fds[0], 9, &text, &length), -EFBIG);
	ck_assert_ptr_null(text);
	ck_assert_uint_eq(length, 7);
	ck_assert_int_eq(write(fds[1], "0123456789", 10), 10);
	close(fds[1]);
	ck_assert_int_eq(file_read_up_to(fds[0], 10, &text, &length), 0);
	ck_assert_uint_eq(length, 10);
	ck_assert_str_eq(text, "0123456789");
	free(text);
	close(fds[0]);
	fds[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(file_read_up_to(fds[0], 1000000, &text, &length), -EFBIG);
	close(fds[0]);
}
END_TEST

static mode_t mode_of(const char *name)
{
	struct stat stat_of;

	ck_assert_int_eq(stat(below(name), &stat_of), 0);
	return stat_of.st_mode & 07777;
}

START_TEST(private_is_private)
{
	static const mode_t masks[] = { 0, 022, 077 };
	size_t length;
	char *text;

	for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
		umask(masks[i]);
		ck_assert_int_eq(file_replace(folder, "it", "x", 1, &error), 0);
		ck_assert_int_eq(mode_of("it"), 0600);
		ck_assert_int_eq(file_replace_nosync(folder, "all", "x", 1, &error), 0);
		ck_assert_int_eq(mode_of("all"), 0644);
	}
	umask(022);
	ck_assert_int_eq(chmod(below("it"), 0666),
		0); /* as an earlier release, or somebody, had it */
	ck_assert_int_eq(file_read(folder, "it", &text, &length, &error), 0);
	free(text);
	ck_assert_int_eq(mode_of("it"), 0600);
	ck_assert_int_eq(chmod(path, 0644), 0);
	file_make_private(folder, "it");
	ck_assert_int_eq(mode_of("it"), 0600);
	file_make_private(folder, "nothing");
	if (geteuid() == 0 && chown(path, 65534, 65534) == 0)
		names(file_read(folder, "it", &text, &length, &error), -EPERM, "another user");
}
END_TEST

/* In a folder of somebody else: pipes under all the names that could be foreseen, and in its place. */
START_TEST(nobody_waits_when_writing)
{
	char name[64];

	for (int i = -5; i < 5; i++) {
		snprintf(name, sizeof(name), "it.new-%d", getpid() + i);
		ck_assert_int_eq(mkfifo(below(name), 0600), 0);
	}
	ck_assert_int_eq(mkfifo(below("it.new"), 0600), 0);
	ck_assert_int_eq(mkfifo(below("it.tmp"), 0600), 0);
	ck_assert_int_eq(mkfifo(below("it"), 0600), 0);
	alarm(5);
	ck_assert_int_eq(file_replace_nosync(folder, "it", "x", 1, &error), 0);
	ck_assert_int_eq(file_replace(folder, "it", "x", 1, &error), 0);
	alarm(0);
	ck_assert_int_eq(entries(), 13);
	ck_assert_int_eq(symlink("/dev/null", below("link")), 0);
	/* the link, not the device */
	ck_assert_int_eq(file_replace_nosync(folder, "link", "x", 1, &error), 0);
	ck_assert_int_eq(mode_of("link"), 0644);
	if (mknod(below("null"), S_IFCHR | 0666, makedev(1, 3)) == 0)
		names(file_replace_nosync(folder, "null", "x", 1, &error), -ENXIO,
			"/null: it is a pipe");
}
END_TEST

static void make(const char *name)
{
	int fd = open(below(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

/* What a killed writer left goes, of one file or of all; nothing else does. */
START_TEST(leftovers_are_swept)
{
	static const char *const others[] = { "it.new-0123456789abcde", "it.new-0123456789abcdefg",
		"it.new-0123456789ABCDEF", "it.new", ".new-0123456789abcdef", "0123456789abcdef" };
	int fd;

	for (size_t i = 0; i < 6; i++)
		make(others[i]);
	ck_assert_int_eq(mkfifo(below("it.new-00000000000000ff"), 0600), 0);
	ck_assert_int_eq(symlink("it.new", below("it.new-00000000000000fe")), 0);
	ck_assert_int_eq(mkdir(below("it.new-00000000000000fd"), 0700), 0);
	make("it.new-0123456789abcdef");
	make("bit.new-0123456789abcdef");
	make("it.new-fedcba9876543210.new-0123456789abcdef");
	file_sweep(folder, "it");
	ck_assert_int_eq(access(below("it.new-0123456789abcdef"), F_OK), -1);
	ck_assert_int_eq(entries(), 11);
	make("it.new-0123456789abcdef");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	file_sweep(folder, NULL);
	ck_assert_int_eq(access(below("it.new-0123456789abcdef"), F_OK), 0);
	ck_assert_int_eq(entries(), 10);
	close(fd);
	file_sweep(folder, NULL);
	ck_assert_int_eq(entries(), 9);
	file_sweep(below("nowhere"), NULL);
}
END_TEST

/* However often somebody looks for leftovers meanwhile. */
START_TEST(living_writers_stay)
{
	pid_t sweeper = fork();

	if (sweeper == 0)
		for (;;)
			file_sweep(folder, NULL);
	for (int64_t end = clock_now() + 1000; clock_now() < end;)
		ck_assert_msg(file_replace_nosync(folder, "it", "x", 1, &error) == 0, "%s",
			error.text);
	kill(sweeper, SIGKILL);
	ck_assert_int_eq(waitpid(sweeper, NULL, 0), sweeper);
	ck_assert_int_eq(entries(), 1);
}
END_TEST

START_TEST(folders_are_made)
{
	struct stat stat_of;

	ck_assert_int_eq(file_make_folder(below("a/b/c"), &error), 0);
	ck_assert_int_eq(file_make_folder(path, &error), 0);
	ck_assert_int_eq(stat(path, &stat_of), 0);
	ck_assert(S_ISDIR(stat_of.st_mode));
	ck_assert_int_eq(file_make_parent(below("d/e/f"), &error), 0);
	ck_assert_int_lt(stat(path, &stat_of), 0);
	ck_assert_int_eq(stat(below("d/e"), &stat_of), 0);
	ck_assert_int_eq(file_replace(folder, "file", "", 0, &error), 0);
	names(file_make_folder(below("file/x/y"), &error), -ENOTDIR, "/file/x");
}
END_TEST

START_TEST(long_paths_are_refused)
{
	char name[PATH_MAX + 1];
	size_t length;
	char *text;

	memset(name, 'x', PATH_MAX);
	name[PATH_MAX] = '\0';
	ck_assert_int_eq(file_read(folder, name, &text, &length, &error), -ENAMETOOLONG);
	ck_assert_int_eq(file_replace(folder, name, "", 0, &error), -ENAMETOOLONG);
	ck_assert_int_eq(file_remove(folder, name, &error), -ENAMETOOLONG);
	ck_assert_int_eq(file_make_folder(name, &error), -ENAMETOOLONG);
	name[PATH_MAX - strlen(folder) - 3] =
		'\0'; /* itself it fits, with its ending it does not */
	ck_assert_int_eq(file_replace(folder, name, "", 0, &error), -ENAMETOOLONG);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("file");
	const struct test_frame frame = { 0, setup, teardown };

	test_case(suite, &frame, "reading");
	test_add(written_is_read, no_file_of_ours_is_read, only_files_are_opened, reading_ends);
	test_case(suite, &frame, "writing");
	test_add(what_cannot_be_written_is_named, private_is_private, nobody_waits_when_writing);
	test_case(suite, &frame, "leftovers");
	test_add(leftovers_are_swept, living_writers_stay);
	test_case(suite, &frame, "folders");
	test_add(folders_are_made);
	test_case(suite, &frame, "long-paths");
	test_add(long_paths_are_refused);
	return suite;
}
