/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The common main of the suites. Tests run in forked children, so skips are counted through a
 * shared page.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "test.h"

static atomic_int *skipped;

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
	SRunner *runner = srunner_create(test_suite());
	int run, failed;

	skipped = mmap(NULL, sizeof(*skipped), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
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
