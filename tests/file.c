/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small files of our own: written whole or not at all, and each failure names the file.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
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
	ck_assert_int_eq(file_show(folder, "it", "new\0er", 6, &error), 0);
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
	names(file_read(folder, "it", &text, &length, &error), -EINVAL, "/it is not a file of Neti");
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0); /* nobody writes to it, and nobody waits */
	names(file_read(folder, "it", &text, &length, &error), -EINVAL, "/it is not a file of Neti");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	names(file_read(folder, "it", &text, &length, &error), -ELOOP, "/it");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(file_replace(folder, "it", "", 0, &error), 0);
	ck_assert_int_eq(truncate(path, 1L << 30), 0);
	names(file_read(folder, "it", &text, &length, &error), -EINVAL, "/it is not a file of Neti");
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
	name[PATH_MAX - strlen(folder) - 3] = '\0'; /* itself it fits, with its ending it does not */
	ck_assert_int_eq(file_replace(folder, name, "", 0, &error), -ENAMETOOLONG);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("file");
	TCase *tests = tcase_create("all");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, written_is_read);
	tcase_add_test(tests, no_file_of_ours_is_read);
	tcase_add_test(tests, what_cannot_be_written_is_named);
	tcase_add_test(tests, folders_are_made);
	tcase_add_test(tests, long_paths_are_refused);
	suite_add_tcase(suite, tests);
	return suite;
}
