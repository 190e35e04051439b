/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prometheus' text format, version 0.0.4: a family is its HELP and TYPE, then its samples. Names
 * carry the unit, counters end in _total, times are seconds.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "metrics.h"

static void family(struct buffer *text, const char *name, const char *type, const char *help)
{
	buffer_print(text, "# HELP neti_%s %s\n# TYPE neti_%s %s\n", name, help, name, type);
}

static void gauge(struct buffer *text, const char *name, int64_t value, const char *help)
{
	family(text, name, "gauge", help);
	buffer_print(text, "neti_%s %" PRId64 "\n", name, value);
}

static void label(struct buffer *text, const char *name, const char *value)
{
	buffer_print(text, "%s=\"", name);
	for (const char *c = value; *c; c++) {
		if (*c == '\\' || *c == '"')
			buffer_append(text, "\\", 1);
		buffer_append(text, *c == '\n' ? "\\n" : c, *c == '\n' ? 2 : 1);
	}
	buffer_append(text, "\"", 1);
}

static void print_info(const struct status *status, struct buffer *text)
{
	family(text, "info", "gauge", "Who this host is; always 1.");
	buffer_print(text, "neti_info{");
	label(text, "version", neti_version());
	buffer_append(text, ",", 1);
	label(text, "id", status->id);
	buffer_append(text, ",", 1);
	label(text, "network", status->network);
	buffer_append(text, ",", 1);
	label(text, "overlay", status->overlay);
	buffer_print(text, "} 1\n");
}

static void print_registry(const struct status *status, struct buffer *text)
{
	static const char *const states[] = { "connecting", "connected", "suspended", "expired",
		"refused", "left" };

	family(text, "registry_state", "gauge", "1 for the state of the registry session.");
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		buffer_print(text, "neti_registry_state{state=\"%s\"} %d\n", states[i],
			strcmp(states[i], status->registry) == 0);
}

static void print_trouble(const struct troubles *troubles, struct buffer *text)
{
	bool any = false;

	family(text, "trouble_cause", "gauge", "1 for each cause of trouble that stands.");
	for (enum trouble_cause cause = 0; cause < TROUBLE_CAUSES; cause++) {
		bool stands = *troubles->text[cause] != '\0';

		buffer_print(text, "neti_trouble_cause{cause=\"%s\"} %d\n", trouble_name(cause),
			stands);
		any |= stands;
	}
	gauge(text, "trouble", any, "1 while any of them stands.");
}

static void print_applied(const struct status *status, int64_t now, struct buffer *text)
{
	gauge(text, "registry_revision", (int64_t)status->newest,
		"Newest revision of the registry that was read.");
	gauge(text, "applied_revision", (int64_t)status->revision,
		"Revision of the registry that the kernel holds.");
	gauge(text, "behind_seconds", status->behind_since ? now - status->behind_since : 0,
		"How long the kernel has not held the newest revision.");
	if (status->applied_at) {
		gauge(text, "applied_timestamp_seconds", status->applied_at,
			"When the kernel was changed last.");
		gauge(text, "applied_age_seconds", now - status->applied_at,
			"How long ago that was when this file was written.");
	}
	family(text, "commit_seconds", "summary", "Time that changes of the kernel took.");
	buffer_print(text, "neti_commit_seconds_sum %.6f\nneti_commit_seconds_count %" PRIu64 "\n",
		status->commit_seconds, status->commits);
	family(text, "drift_repairs_total", "counter",
		"How often somebody else's changes to the own rules were undone.");
	buffer_print(text, "neti_drift_repairs_total %" PRIu64 "\n", status->repairs);
}

/* Whatever tables the status tells of. */
static void print_tables(json_t *tables, const char *name, const char *key, const char *help,
	struct buffer *text)
{
	const char *table;
	json_t *value;

	family(text, name, "gauge", help);
	json_object_foreach (tables, table, value) {
		buffer_print(text, "neti_%s{", name);
		label(text, "table", table);
		buffer_print(text, "} %" JSON_INTEGER_FORMAT "\n",
			json_integer_value(json_object_get(value, key)));
	}
}

int metrics_print(const struct status *status, int64_t now, struct buffer *text)
{
	json_t *json = status_json(status), *tables = json_object_get(json, "tables");

	if (!json)
		return -ENOMEM;
	print_info(status, text);
	gauge(text, "up", strcmp(status->registry, "left") != 0,
		"1 while the agent runs, 0 when it ended in order.");
	gauge(text, "written_timestamp_seconds", now, "When the agent wrote this file.");
	gauge(text, "members", (int64_t)status->members, "Live members of the fleet.");
	gauge(text, "skipped_entries", (int64_t)status->skipped,
		"Registry entries that are no members.");
	gauge(text, "held_removals", (int64_t)status->held, "Removals that are held back.");
	print_trouble(&status->troubles, text);
	gauge(text, "denied_sources", (int64_t)status->denied_sources,
		"Sources and ports that were, or would have been, refused within the last hour.");
	gauge(text, "denied_packets", (int64_t)status->denied_packets,
		"Their packets; falls when they are forgotten after an hour.");
	print_registry(status, text);
	print_applied(status, now, text);
	print_tables(tables, "table_entries", "entries", "Entries in use of a table.", text);
	print_tables(tables, "table_size", "max", "Entries that a table can hold.", text);
	json_decref(json);
	return buffer_result(text);
}

/* The file's name; its folder goes to the buffer, if it fits. */
static const char *split_path(const char *path, char folder[PATH_MAX])
{
	const char *name = strrchr(path, '/');

	return snprintf(folder, PATH_MAX, "%.*s", (int)(name - path), path) < PATH_MAX ? name + 1 :
											 NULL;
}

void metrics_sweep(const char *path)
{
	char folder[PATH_MAX];
	const char *name = split_path(path, folder);

	if (name)
		file_sweep(folder, name);
}

int metrics_write(const char *path, const struct status *status, struct error *error)
{
	struct buffer text = { 0 };
	char folder[PATH_MAX];
	const char *name = split_path(path, folder);
	int result;

	if (!name)
		return error_set(error, -ENAMETOOLONG, NETI_REASON_SYSTEM,
			"%s: the path is too long", path);
	if (metrics_print(status, time(NULL), &text) < 0)
		result = error_memory(error);
	else
		result = file_replace_nosync(folder, name, text.text, text.length, error);
	buffer_clear(&text);
	return result;
}
