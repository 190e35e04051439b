/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status: what the agent of this host wrote last, and whether it lives.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "output.h"
#include "status.h"

#define STATUS_MAX ((size_t)16 << 20)

/* The file has points in time; people and scripts get how long ago that was. */
static void make_age(json_t *json, const char *at_name, const char *age_name)
{
	json_int_t at = json_integer_value(json_object_get(json, at_name));

	json_object_del(json, at_name);
	json_object_set_new(json, age_name, at ? json_integer(time(NULL) - at) : json_null());
}

/* The wall clock can be set, also back; the clock of the machine's uptime cannot, and begins anew
 * with it: a beat from before is older than any. */
static void make_written_age(json_t *json)
{
	json_t *beat = json_object_get(json, "beat");
	int64_t beat_age = clock_ms_of(CLOCK_BOOTTIME) - json_integer_value(beat);
	json_int_t age;

	make_age(json, "written_at", "age");
	age = json_integer_value(json_object_get(json, "age"));
	if (json_is_integer(beat) && beat_age < 0)
		beat_age = INT32_MAX * INT64_C(1000);
	if (json_is_integer(beat) && beat_age / 1000 > age)
		json_object_set_new(json, "age", json_integer(beat_age / 1000));
	json_object_del(json, "beat");
}

static json_t *read_status_file(const char *path)
{
	int fd = file_open(path, O_RDONLY, 0);
	char *text = NULL;
	size_t length = 0;
	json_t *json = NULL;

	if (fd < 0)
		return NULL;
	if (file_read_up_to(fd, STATUS_MAX, &text, &length) == 0)
		json = json_loadb(text, length, 0, NULL);
	close(fd);
	free(text);
	return json;
}

/* The lock is the agent's own and asked for with its rights; without them the word of its status
 * counts, while that is young. */
bool agent_runs(const char *state_dir)
{
	int held = file_is_locked(state_dir, "lock");
	const char *registry;
	json_t *status;
	bool runs;

	if (held != -EACCES)
		return held == 1;
	status = status_read(state_dir);
	registry = json_string_value(json_object_get(status, "registry"));
	runs = registry && strcmp(registry, "left") != 0 &&
	       json_integer_value(json_object_get(status, "age")) <= STATUS_SILENT_S;
	json_decref(status);
	return runs;
}

json_t *status_read(const char *state_dir)
{
	char path[PATH_MAX];
	json_t *json;

	snprintf(path, sizeof(path), "%s/status", state_dir);
	json = read_status_file(path);
	make_age(json_object_get(json, "applied"), "at", "age");
	make_age(json, "behind_since", "behind");
	make_age(json, "repaired_at", "repaired");
	make_written_age(json);
	return json;
}

static void print_tables(json_t *tables)
{
	const char *name;
	json_t *table;

	json_object_foreach (tables, name, table) {
		json_int_t entries = json_integer_value(json_object_get(table, "entries"));
		json_int_t max = json_integer_value(json_object_get(table, "max"));

		printf("table %s  %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT "\n", name,
			entries, max);
	}
}

static void print_value(const char *name, json_t *value)
{
	if (json_is_string(value))
		printf("%-9s %s\n", name,
			*json_string_value(value) ? json_string_value(value) : "-");
	else if (strcmp(name, "session_timeout_ms") == 0)
		printf("%-9s %g s\n", "time-out", (double)json_integer_value(value) / 1e3);
	else if (json_is_integer(value))
		printf("%-9s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
	else if (json_is_boolean(value))
		printf("%-9s %s\n", name, json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		for (size_t i = 0; i < json_array_size(value); i++)
			printf("%-9s %s\n", "skipped", json_string_value(json_array_get(value, i)));
}

static void print_applied(json_t *applied)
{
	json_t *age = json_object_get(applied, "age");

	if (!json_is_integer(age)) {
		printf("%-9s %s\n", "applied", "not yet");
		return;
	}
	printf("%-9s revision %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
	       " s ago, in %.1f ms\n",
		"applied", json_integer_value(json_object_get(applied, "revision")),
		json_integer_value(age),
		json_real_value(json_object_get(applied, "seconds")) * 1e3);
}

static void print_denied(json_t *denied)
{
	printf("%-9s %" JSON_INTEGER_FORMAT " sources, %" JSON_INTEGER_FORMAT " packets\n",
		"denied", json_integer_value(json_object_get(denied, "sources")),
		json_integer_value(json_object_get(denied, "packets")));
}

static void print_status(json_t *status)
{
	const char *name;
	json_t *value;

	json_object_foreach (status, name, value) {
		if (strcmp(name, "applied") == 0)
			print_applied(value);
		else if (strcmp(name, "denied") == 0)
			print_denied(value);
		else if (strcmp(name, "tables") == 0)
			print_tables(value);
		else
			print_value(name, value);
	}
}

int command_status(struct netictl *netictl)
{
	const char *state_dir = neti_settings_state_dir(netictl->settings);
	json_t *status;

	if (!agent_runs(state_dir))
		return say_error("no agent runs on this host (state_dir %s)", state_dir);
	status = status_read(state_dir);
	if (!status)
		return say_error("the agent has not written %s/status yet", state_dir);
	if (netictl->line.json)
		return print_json(status);
	print_status(status);
	json_decref(status);
	return EXIT_DONE;
}
