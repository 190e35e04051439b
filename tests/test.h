/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_TEST_H
#define NETI_TESTS_TEST_H
/*
 * What every suite shares: main(), skips with a reason, and the closing count
 * "N passed, N failed, N skipped", which ./dev check adds up.
 */
#include <check.h>

/* Each suite program defines it. */
Suite *test_suite(void);

/* Ends the test at hand as skipped; the reason is printed. */
#define test_skip(...)                                                                             \
	do {                                                                                       \
		test_note_skip(__VA_ARGS__);                                                       \
		return;                                                                            \
	} while (0)
/* A file of the source tree by its name below it ("tests/data/x"); lasts until the next call. */
const char *test_source_path(const char *name);

void test_note_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
