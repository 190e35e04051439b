/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings under ill will: every truncation, random bytes, deep nesting, and each
 * allocation failing in turn, those of libyaml too. Whatever happens, settings are whole:
 * as before, or new.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings/settings.h"
#include "settings_dump.h"
#include "test.h"

#define MUTATIONS 2000

/* Allocations until one fails; below zero none does. */
static long countdown = -1;

static bool fails(void)
{
	return countdown >= 0 && countdown-- == 0;
}

/* The linker's --wrap leads the library's calls here (Makefile.am). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

/* libyaml's own allocation functions, which it exports: ours come first. */
NETI_EXPORT void *yaml_malloc(size_t size);
NETI_EXPORT void *yaml_realloc(void *old, size_t size);
NETI_EXPORT char *yaml_strdup(const char *text);
static unsigned long by_yaml;

void *yaml_malloc(size_t size)
{
	by_yaml++;
	return malloc(size ? size : 1);
}

void *yaml_realloc(void *old, size_t size)
{
	by_yaml++;
	return realloc(old, size ? size : 1);
}

char *yaml_strdup(const char *text)
{
	return text ? strdup(text) : NULL;
}

static struct settings *settings;
static char text[16384];
static size_t size;

static void setup(void)
{
	FILE *file = fopen(test_source_path("tests/data/settings/full.yml"), "r");

	ck_assert_ptr_nonnull(file);
	size = fread(text, 1, sizeof(text), file);
	fclose(file);
	ck_assert_uint_gt(size, 0);
	ck_assert_uint_lt(size, sizeof(text));
	ck_assert_int_eq(settings_new(&settings), 0);
}

static void teardown(void)
{
	countdown = -1;
	settings = settings_free(settings);
}

/* From the heap, to its exact size, so that a read past its end is seen. */
static int parse_exactly(const char *bytes, size_t length)
{
	struct error error = { 0 };
	char *copy = malloc(length ? length : 1);
	char *before = strdup(settings_dump(settings));
	int result;

	memcpy(copy, bytes, length);
	result = settings_parse(settings, "neti.yml", copy, length, NULL, &error);
	ck_assert_int_le(result, 0);
	if (result < 0) {
		ck_assert_int_eq(error.result, result);
		ck_assert_int_eq(strncmp(error.text, "neti.yml:", 9), 0);
		ck_assert_str_eq(settings_dump(settings), before);
	}
	free(before);
	free(copy);
	return result;
}

START_TEST(truncations)
{
	unsigned good = 0;

	for (size_t length = 0; length <= size; length++)
		good += parse_exactly(text, length) == 0;
	ck_assert_uint_gt(good, 10);
	ck_assert_uint_lt(good, size);
}
END_TEST

/* Fixed seed (xorshift32): a failure comes again. */
static unsigned next_random(void)
{
	static unsigned state = 2463534242;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

START_TEST(mutations)
{
	static const char marks[] = "\0\t\n\"'#&*:-[]{},|>%@!?~\xff\xc3";
	char mutant[sizeof(text)];
	unsigned good = 0;

	for (unsigned i = 0; i < MUTATIONS; i++) {
		memcpy(mutant, text, size);
		for (unsigned k = next_random() % 4 + 1; k > 0; k--)
			mutant[next_random() % size] = next_random() % 2 ?
							       (char)next_random() :
							       marks[next_random() % sizeof(marks)];
		good += parse_exactly(mutant, size) == 0;
	}
	ck_assert_uint_gt(good, 0);
	ck_assert_uint_lt(good, MUTATIONS);
}
END_TEST

/* libyaml alone is busy with these for minutes. */
START_TEST(deep_nesting)
{
	static char deep[1 << 20];

	memset(deep, '[', sizeof(deep));
	ck_assert_int_eq(parse_exactly(deep, sizeof(deep)), -EINVAL);
	for (size_t i = 0; i + 1 < sizeof(deep); i += 2)
		memcpy(deep + i, "- ", 2);
	ck_assert_int_eq(parse_exactly(deep, sizeof(deep)), -EINVAL);
}
END_TEST

START_TEST(many_pairs)
{
	static char many[1 << 20];
	size_t length = (size_t)sprintf(many, "nat_overrides:\n");

	for (unsigned i = 0; i < 40000; i++)
		length += (size_t)sprintf(many + length, " 10.%u.%u.%u: 10.0.0.1\n", i >> 14,
			i >> 7 & 127, i & 127);
	ck_assert_int_eq(parse_exactly(many, length), 0);
	ck_assert_uint_eq(settings->policy.n_nat_overrides, 40000);
	length += (size_t)sprintf(many + length, " 10.0.0.0: 10.0.0.2\n");
	ck_assert_int_eq(parse_exactly(many, length), -EINVAL);
}
END_TEST

static int whole_life(struct error *error)
{
	struct settings *mine = NULL, *copy = NULL;
	char *registry = NULL;
	int result = settings_new(&mine);

	if (result == 0)
		result = settings_load(mine, test_source_path("tests/data/settings/full.yml"), NULL,
			error);
	if (result == 0)
		result = settings_set(mine, "registry", "~", error);
	if (result == 0)
		result = settings_copy(&copy, mine);
	if (result == 0)
		result = settings_registry(copy, &registry, error);
	free(registry);
	settings_free(copy);
	settings_free(mine);
	return result;
}

START_TEST(every_allocation_fails_once)
{
	struct error error;
	long n = 0;
	int result;

	do {
		memset(&error, 0, sizeof(error));
		countdown = n;
		result = whole_life(&error);
		ck_assert_int_eq(result, countdown < 0 ? -ENOMEM : 0);
		ck_assert(!error.result || error.reason == NETI_REASON_SYSTEM);
		n++;
	} while (result < 0);
	ck_assert_int_gt(n, 200);
	ck_assert_uint_gt(by_yaml, 100);
}
END_TEST

START_TEST(failed_allocations_change_nothing)
{
	struct error error;
	char *before = strdup(settings_dump(settings));
	int result = -ENOMEM;

	for (long n = 0; result < 0; n++) {
		ck_assert_str_eq(settings_dump(settings), before);
		countdown = n;
		result = settings_parse(settings, "neti.yml", text, size, NULL, &error);
		ck_assert(result == 0 || result == -ENOMEM);
	}
	ck_assert_str_eq(settings->id, "web-17");
	free(before);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("settings_hard");
	const struct test_frame frame = { 120, setup, teardown };

	test_case(suite, &frame, "damage");
	test_add(truncations, mutations);
	test_case(suite, &frame, "limits");
	test_add(deep_nesting, many_pairs);
	test_case(suite, &frame, "memory");
	test_add(every_allocation_fails_once, failed_allocations_change_nothing);
	return suite;
}
