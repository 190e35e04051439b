/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The common main of the suites. Tests run in forked children, so skips are counted through a
 * shared page.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "test.h"

static atomic_int *skipped;

/* The case that is being filled. It is in the suite once a test of it is to run. */
static struct {
	Suite *suite;
	TCase *tcase;
	const char *name;
} filled;
static FILE *names; /* of all cases, into names_text, for whoever asks for one that is none */
static char *names_text;
static size_t names_size;
static bool any;

/* NULL: all are to run. */
static const char *wanted(void)
{
	const char *name = getenv("CASE");

	return name && *name ? name : NULL;
}

static void note_name(const char *name)
{
	static Suite *left_out; /* what is not run stays in reach of it, and is no leak */

	if (!names) {
		names = open_memstream(&names_text, &names_size);
		left_out = suite_create("left out");
	}
	fprintf(names, "%s%s", ftell(names) > 0 ? ", " : "", name);
	suite_add_tcase(left_out, filled.tcase);
}

TCase *test_case(Suite *suite, const struct test_frame *frame, const char *name)
{
	filled.suite = suite;
	filled.tcase = tcase_create(name);
	filled.name = name;
	if (wanted())
		note_name(name);
	if (frame && frame->timeout > 0)
		tcase_set_timeout(filled.tcase, frame->timeout);
	if (frame && (frame->setup || frame->teardown))
		tcase_add_checked_fixture(filled.tcase, frame->setup, frame->teardown);
	return filled.tcase;
}

void test_add_loop(const TTest *test, size_t from, size_t to)
{
	const char *name = wanted();

	if (name && strcmp(name, filled.name) != 0 && strcmp(name, test->name) != 0)
		return;
	tcase_add_loop_test(filled.tcase, test, (int)from, (int)to);
	suite_add_tcase(filled.suite, filled.tcase);
	any = true;
}

void test_add_each(const TTest *const tests[])
{
	for (; *tests; tests++)
		test_add_loop(*tests, 0, 1);
}

static int nothing_matches(void)
{
	fclose(names);
	printf("%s has no case and no test \"%s\"; its cases are: %s\n",
		program_invocation_short_name, wanted(), names_text);
	free(names_text);
	return EXIT_FAILURE;
}

void test_note_skip(const char *format, ...)
{
	va_list arguments;

	fputs("skipped: ", stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
	atomic_fetch_add(skipped, 1);
}

const char *test_source_path(const char *name)
{
	static char path[4096];
	const char *srcdir = getenv("srcdir"); /* automake sets it */

	snprintf(path, sizeof(path), "%s/%s", srcdir ? srcdir : ".", name);
	return path;
}

int main(void)
{
	Suite *suite = test_suite();
	SRunner *runner;
	int run, failed;

	if (names && !any)
		return nothing_matches();
	runner = srunner_create(suite);
	skipped = mmap(NULL, sizeof(*skipped), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	if (skipped == MAP_FAILED)
		return EXIT_FAILURE;
	setvbuf(stdout, NULL, _IOLBF, 0); /* what a test printed before it died counts too */
	srunner_run_all(runner, CK_ENV);
	run = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	printf("%d passed, %d failed, %d skipped\n", run - failed - *skipped, failed, *skipped);
	return failed || run == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
