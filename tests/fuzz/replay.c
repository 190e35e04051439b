/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A target without libFuzzer: every file of its corpus is a test, named like the file.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "../test.h"
#include "fuzz.h"

static struct dirent **files;
static char folder[PATH_MAX];

START_TEST(replays)
{
	char path[PATH_MAX + NAME_MAX + 2];
	uint8_t *data;
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", folder, files[_i]->d_name);
	file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s cannot be read", path);
	fseek(file, 0, SEEK_END);
	size = (size_t)ftell(file);
	rewind(file);
	data = malloc(size); /* no byte more: reading past its end is seen */
	ck_assert_uint_eq(fread(data, 1, size, file), size);
	fclose(file);
	ck_assert_int_eq(LLVMFuzzerTestOneInput(data, size), 0);
	free(data);
}
END_TEST

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* tests/corpus_entry replays tests/fuzz/corpus/entry. */
Suite *test_suite(void)
{
	const char *target = strrchr(program_invocation_short_name, '_') + 1;
	Suite *suite = suite_create(target);
	char name[NAME_MAX];
	int n;

	snprintf(name, sizeof(name), "tests/fuzz/corpus/%s", target);
	snprintf(folder, sizeof(folder), "%s", test_source_path(name));
	n = scandir(folder, &files, is_visible, alphasort);
	for (int i = 0; i < n; i++) {
		test_case(suite, NULL, files[i]->d_name);
		test_add_loop(replays, (size_t)i, (size_t)i + 1);
	}
	return suite;
}
