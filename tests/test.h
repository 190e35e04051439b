/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_TEST_H
#define NETI_TESTS_TEST_H
/*
 * What every suite shares: main(), skips with a reason, and the closing count
 * "N passed, N failed, N skipped", which ./dev check adds up.
 */
#include <check.h>
#include <stddef.h>

/* Each suite program defines it. */
Suite *test_suite(void);

struct test_frame {
	double timeout; /* seconds; 0: Check's own */
	SFun setup, teardown;
};

/*
 * A case: tests about one thing, in a frame or NULL. CASE in the environment names the case, or
 * the one test, that is run alone. Tests are added to the case that was made last.
 */
TCase *test_case(Suite *suite, const struct test_frame *frame, const char *name);

#define test_add(...) test_add_each((const TTest *const[]){ __VA_ARGS__, NULL })

void test_add_each(const TTest *const tests[]);

/* Run with _i from the first number to before the other. */
void test_add_loop(const TTest *test, size_t from, size_t to);

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
