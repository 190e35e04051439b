/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lock and status file. The lock is the kernel's (it goes with the process); the file beside it
 * is for people and scripts.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json_text.h"
#include "status.h"

/* Files of earlier releases could be read by everybody. */
static void make_private(const char *state_dir)
{
	static const char *const names[] = { "fleet", "ruleset", "unconfirmed" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		file_make_private(state_dir, names[i]);
}

static int lock_taken(const char *state_dir, pid_t pid, struct error *error)
{
	char who[32] = "another process";

	if (pid > 0)
		snprintf(who, sizeof(who), "process %d", pid);
	return error_set(error, -EBUSY, NETI_REASON_BUSY, "an agent runs already: %s holds %s/lock",
		who, state_dir);
}

int status_lock(const char *state_dir, struct error *error)
{
	pid_t pid = 0;
	int fd;

	if (file_make_folder(state_dir, error) < 0)
		return error->result;
	file_guard_folder(state_dir);
	fd = file_lock(state_dir, "lock", &pid, error);
	if (fd == -EBUSY)
		return lock_taken(state_dir, pid, error);
	if (fd < 0)
		return fd;
	/* The pid is for people alone: a full disk is no reason not to keep the rules. */
	if ((ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", getpid()) < 0) && errno != ENOSPC &&
		errno != EDQUOT) {
		error_set(error, -errno, NETI_REASON_SYSTEM, "cannot write %s/lock: %s", state_dir,
			strerrordesc_np(errno));
		close(fd);
		return error->result;
	}
	make_private(state_dir);
	file_sweep(state_dir, NULL);
	return fd;
}

/* Those whose size is known. */
static json_t *tables_of(const struct status *status)
{
	json_t *tables = json_object();

	for (enum fill_table table = 0; table < FILL_TABLES; table++) {
		const struct fill *fill = &status->tables[table];

		if (fill->max)
			json_object_set_new(tables, fill_name(table),
				json_pack("{s:I, s:I}", "entries", (json_int_t)fill->entries, "max",
					(json_int_t)fill->max));
	}
	return tables;
}

static json_t *skipped_entries_of(const struct status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->n_skipped_entries; i++)
		json_array_append_new(list, json_string(status->skipped_entries[i]));
	return list;
}

static json_t *troubles_of(const struct troubles *troubles)
{
	json_t *json = json_object();

	for (enum trouble_cause cause = 0; cause < TROUBLE_CAUSES; cause++)
		if (*troubles->text[cause])
			json_object_set_new(json, trouble_name(cause),
				json_string(troubles->text[cause]));
	return json;
}

static void add_number(json_t *json, const char *name, int64_t number)
{
	json_object_set_new(json, name, json_integer(number));
}

json_t *status_json(const struct status *status)
{
	struct buffer trouble = { 0 };
	json_t *json;

	trouble_print(&status->troubles, &trouble);
	json = json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:{s:I, s:I, s:f}, s:I, "
		"s:s, s:o}",
		"pid", getpid(), "id", status->id, "network", status->network, "overlay",
		status->overlay, "session", status->session, "registry", status->registry, "ready",
		status->ready, "members", (json_int_t)status->members, "skipped",
		(json_int_t)status->skipped, "held", (json_int_t)status->held, "applied",
		"revision", (json_int_t)status->revision, "at", (json_int_t)status->applied_at,
		"seconds", status->applied_seconds, "repairs", (json_int_t)status->repairs,
		"trouble", buffer_text(&trouble), "tables", tables_of(status));
	buffer_clear(&trouble);
	if (!json)
		return NULL;
	json_object_set_new(json, "engine",
		status->engine ? json_string(status->engine) : json_null());
	json_object_set_new(json, "mode", json_string(status->refusing ? "refusing" : "open"));
	json_object_set_new(json, "joined",
		status->member ? json_boolean(status->joined) : json_null());
	json_object_set_new(json, "troubles", troubles_of(&status->troubles));
	json_object_set_new(json, "denied",
		json_pack("{s:I, s:I}", "sources", (json_int_t)status->denied_sources, "packets",
			(json_int_t)status->denied_packets));
	add_number(json, "session_timeout_ms", status->session_timeout_ms);
	json_object_set_new(json, "skipped_entries", skipped_entries_of(status));
	add_number(json, "newest", (int64_t)status->newest);
	add_number(json, "behind_since", status->behind_since);
	add_number(json, "repaired_at", status->repaired_at);
	json_object_set_new(json, "repaired_from",
		*status->repaired_from ? json_string(status->repaired_from) : json_null());
	add_number(json, "written_at", time(NULL));
	add_number(json, "beat", clock_ms_of(CLOCK_BOOTTIME));
	return json;
}

int status_write(const char *state_dir, const struct status *status, struct error *error)
{
	json_t *json = status_json(status);
	struct buffer text = { 0 };
	int result = json_text(&text, json, JSON_INDENT(1) | JSON_REAL_PRECISION(6));

	json_decref(json);
	if (result < 0)
		error_memory(error);
	else
		result = file_replace_nosync(state_dir, "status", buffer_text(&text), text.length,
			error);
	buffer_clear(&text);
	return result;
}
