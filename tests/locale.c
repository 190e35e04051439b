/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program around the library that has chosen a language with a decimal comma: what is written
 * for machines has a point, and what is read has one.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/events.h"
#include "agent/metrics.h"
#include "agent/status.h"
#include "base/json_text.h"
#include "base/log.h"
#include "fleet/fleet_settings.h"
#include "fleet/member.h"
#include "settings/settings.h"
#include "test.h"

static char folder[64];

/* The machine may have no such locale: it is made, of no more than the comma. */
static void choose_comma(void)
{
	char path[100], command[300];
	FILE *file;

	strcpy(folder, "/tmp/neti-test-locale-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/source", folder);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fputs("comment_char %\nescape_char /\nLC_NUMERIC\ndecimal_point \",\"\n"
	      "thousands_sep \".\"\ngrouping 3;3\nEND LC_NUMERIC\n",
		file);
	fclose(file);
	/* It complains of all that is not said, and makes the rest. */
	snprintf(command, sizeof(command), "localedef -c -i %s %s/xx_XX 2>/dev/null", path, folder);
	(void)!system(command);
	setenv("LOCPATH", folder, 1);
	ck_assert_ptr_nonnull(setlocale(LC_ALL, "xx_XX"));
	snprintf(path, sizeof(path), "%.1f", 0.5);
	ck_assert_str_eq(path, "0,5"); /* or nothing here means anything */
}

static void remove_folder(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void has(const char *text, const char *wanted)
{
	ck_assert_msg(strstr(text, wanted) != NULL, "%s", text);
	ck_assert_ptr_null(strstr(text, "0,0"));
	ck_assert_ptr_null(strstr(text, "1.234"));
}

START_TEST(metrics_and_status)
{
	struct status status = { .id = "a",
		.network = "b",
		.commit_seconds = 0.0125,
		.applied_seconds = 0.0625,
		.commits = 1234567,
		.applied_at = 1234567890 };
	struct buffer text = { 0 };
	struct error error;
	char path[100], content[8192] = "";
	FILE *file;

	ck_assert_int_eq(metrics_print(&status, 1234567890, &text), 0);
	has(text.text, "neti_commit_seconds_sum 0.012500\nneti_commit_seconds_count 1234567\n");
	buffer_clear(&text);
	ck_assert_int_eq(status_write(folder, &status, &error), 0);
	snprintf(path, sizeof(path), "%s/status", folder);
	file = fopen(path, "re");
	ck_assert_uint_gt(fread(content, 1, sizeof(content) - 1, file), 0);
	fclose(file);
	has(content, "\"seconds\": 0.0625");
}
END_TEST

static char told[200];

static void keep(void *data, enum neti_log_level level, const char *text)
{
	(void)data;
	(void)level;
	snprintf(told, sizeof(told), "%s", text);
}

START_TEST(sentences)
{
	struct log log = { NETI_LOG_INFO, keep, NULL };
	struct neti_event *event = event_new(NETI_EVENT_APPLIED, "%.1f ms", 0.0625);
	struct error error;

	error_set(&error, -EINVAL, NETI_REASON_SYSTEM, "within %g s", 0.0625);
	has(error.text, "0.0625 s");
	log_info(&log, "within %g s", 0.0625);
	has(told, "0.0625 s");
	ck_assert_str_eq(event->text, "0.1 ms");
	event_free(event);
	ck_assert_str_eq(setlocale(LC_NUMERIC, NULL), "xx_XX"); /* it is the program's own */
	snprintf(told, sizeof(told), "%.1f", 0.5);
	ck_assert_str_eq(told, "0,5");
}
END_TEST

START_TEST(numbers_are_read)
{
	static const char text[] = "{\"layout\":1,\"overlay_subnet\":\"10.0.0.0/8\",\"shards\":64,"
				   "\"ratio\":0.0625}";
	struct fleet_settings fleet;
	struct buffer json = { 0 };
	struct error error;

	ck_assert_msg(fleet_settings_parse(&fleet, text, strlen(text), &error) == 0, "%s",
		error.text);
	fleet_settings_print(&fleet, &json);
	has(json.text, "\"shards\":64");
	buffer_clear(&json);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("locale");
	const struct test_frame frame = { 0, choose_comma, remove_folder };

	test_case(suite, &frame, "written");
	test_add(metrics_and_status, sentences);
	test_case(suite, &frame, "read");
	test_add(numbers_are_read);
	return suite;
}
