/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * This is the only file that calls SQLite: its codes become -errno here, and waiting for other
 * processes is done here. It knows rows, not what they mean.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "db.h"
#include "file.h"
#include "schema.h"

#define BUSY_TIMEOUT_MS 10000

struct sqlite_db {
	sqlite3 *db;
	sqlite3_stmt *statements[SQLITE_STATEMENTS];
	/* CLOCK_MONOTONIC starts again at boot, so every session bears the boot it belongs to. */
	char boot[SQLITE_FILE_BOOT];
	bool readonly;
	struct stat file, log; /* which they were when it was opened */
	int64_t data_version;
	int64_t busy_until;
};

static int translate(int code)
{
	static const struct {
		int code, result;
	} table[] = {
		{ SQLITE_BUSY, -EBUSY },
		{ SQLITE_LOCKED, -EBUSY },
		{ SQLITE_FULL, -ENOSPC },
		{ SQLITE_READONLY, -EACCES },
		{ SQLITE_PERM, -EACCES },
		{ SQLITE_NOTADB, -EINVAL },
		{ SQLITE_CANTOPEN, -EACCES },
		{ SQLITE_CORRUPT, -EUCLEAN },
		{ SQLITE_NOMEM, -ENOMEM },
		{ SQLITE_TOOBIG, -EFBIG },
		{ SQLITE_CONSTRAINT, -EEXIST },
	};

	if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
		return 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].code == (code & 0xff))
			return table[i].result;
	return -EIO;
}

/* --- statements ------------------------------------------------------------------------- */

static sqlite3_stmt *prepared(struct sqlite_db *db, enum statement which)
{
	sqlite3_stmt *statement = db->statements[which];

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return statement;
}

/* One step of a statement that is done with after its first row; the SQLite code. */
static int step(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	if (code != SQLITE_ROW)
		sqlite3_reset(statement);
	return code;
}

/* Whether there is a row: 1, 0. */
static int any_row(sqlite3_stmt *statement)
{
	int code = step(statement);

	sqlite3_reset(statement);
	return code == SQLITE_ROW ? 1 : translate(code);
}

/* How many rows were changed. */
static int changed_rows(struct sqlite_db *db, sqlite3_stmt *statement)
{
	int result = translate(step(statement));

	return result < 0 ? result : sqlite3_changes(db->db);
}

static int run(struct sqlite_db *db, enum statement which)
{
	return translate(step(prepared(db, which)));
}

/* Not copied, so that it cannot fail: what is not bound is NULL, finds nothing, and a folder that
 * is not found looks empty. All of it outlives the steps, and prepared() takes it off again. */
static void bind_text(sqlite3_stmt *statement, int index, const char *text)
{
	sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

static void bind_bytes(sqlite3_stmt *statement, int index, const void *bytes, size_t size)
{
	if (size)
		sqlite3_bind_blob64(statement, index, bytes, size, SQLITE_STATIC);
	else
		sqlite3_bind_zeroblob(statement, index, 0);
}

void sqlite_db_durable(struct sqlite_db *db, bool durable)
{
	run(db, durable ? SAFE : QUICK);
}

int sqlite_db_begin(struct sqlite_db *db)
{
	return run(db, BEGIN);
}

int sqlite_db_end(struct sqlite_db *db, int result)
{
	if (result == 0)
		result = run(db, COMMIT);
	if (result < 0 && !sqlite3_get_autocommit(db->db))
		run(db, ROLLBACK);
	return result;
}

bool sqlite_db_moved(struct sqlite_db *db)
{
	sqlite3_stmt *statement = prepared(db, DATA_VERSION);
	int64_t before = db->data_version;

	if (step(statement) == SQLITE_ROW)
		db->data_version = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return db->data_version != before;
}

/* --- nodes ------------------------------------------------------------------------------ */

/* 0, and the statement stays open at the node's row. */
static int find_row(sqlite3_stmt *get, const char *path)
{
	int code;

	bind_text(get, 1, path);
	code = step(get);
	if (code == SQLITE_ROW)
		return 0;
	return code == SQLITE_DONE ? -ENOENT : translate(code);
}

static struct sqlite_node read_row(sqlite3_stmt *get)
{
	const void *bytes = sqlite3_column_blob(get, 0); /* to be asked for before the size */

	return (struct sqlite_node){
		.bytes = bytes,
		.size = (size_t)sqlite3_column_bytes(get, 0),
		.version = sqlite3_column_int(get, 1),
		.created = sqlite3_column_int64(get, 2),
		.modified = sqlite3_column_int64(get, 3),
		.session = sqlite3_column_int64(get, 4), /* 0 for NULL */
		.touched = sqlite3_column_int64(get, 5),
		.grown = sqlite3_column_int64(get, 6),
	};
}

int sqlite_db_get(struct sqlite_db *db, const char *path,
	int (*visit)(void *data, const struct sqlite_node *node), void *data)
{
	sqlite3_stmt *get = prepared(db, NODE_GET);
	struct sqlite_node node;
	int result = find_row(get, path);

	if (result < 0)
		return result;
	node = read_row(get);
	result = visit(data, &node);
	sqlite3_reset(get);
	return result;
}

static int copy_node(void *data, const struct sqlite_node *node)
{
	struct sqlite_node *copy = data;

	*copy = *node;
	copy->bytes = NULL;
	return 0;
}

int sqlite_db_find(struct sqlite_db *db, const char *path, struct sqlite_node *ret)
{
	return sqlite_db_get(db, path, copy_node, ret);
}

/* substr() of a child's path begins behind the parent's and its slash. */
static sqlite3_stmt *children_of(struct sqlite_db *db, const char *path)
{
	sqlite3_stmt *list = prepared(db, NODE_CHILDREN);

	bind_text(list, 1, path);
	sqlite3_bind_int64(list, 2, (int64_t)strlen(path) + 1 + (strcmp(path, "/") != 0));
	return list;
}

/* The statement that reads "grown" is reset only at the end: while it is open, both see one
 * state of the file. */
int sqlite_db_children(struct sqlite_db *db, const char *path,
	int (*visit)(void *data, const char *name), void *data, int64_t *ret_grown)
{
	sqlite3_stmt *get = prepared(db, NODE_GET), *list;
	int code = SQLITE_DONE, result = find_row(get, path);
	const char *name;

	if (result < 0)
		return result;
	*ret_grown = sqlite3_column_int64(get, 6);
	list = children_of(db, path);
	while (result == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
		name = (const char *)sqlite3_column_text(list, 0);
		result = name ? visit(data, name) : -ENOMEM;
	}
	if (result == 0)
		result = translate(code);
	sqlite3_reset(list);
	sqlite3_reset(get);
	return result;
}

int sqlite_db_has_children(struct sqlite_db *db, const char *path)
{
	return any_row(children_of(db, path));
}

/*
 * The wall clock as it was at the first write since the machine's boot, and gone on from there: a
 * date that is set wrong, or right, makes no lease older. Inside a transaction.
 */
static int read_clock(struct sqlite_db *db, int64_t *ret_ms)
{
	int64_t boot_ms = clock_ms_of(CLOCK_BOOTTIME), offset;
	sqlite3_stmt *get = prepared(db, CLOCK_GET), *set;
	int code;

	bind_text(get, 1, db->boot);
	code = step(get);
	offset = code == SQLITE_ROW ? sqlite3_column_int64(get, 0) :
				      clock_ms_of(CLOCK_REALTIME) - boot_ms;
	sqlite3_reset(get);
	if (code == SQLITE_DONE) {
		set = prepared(db, CLOCK_SET);
		bind_text(set, 1, db->boot);
		sqlite3_bind_int64(set, 2, offset);
		code = step(set);
	}
	*ret_ms = boot_ms + offset;
	return translate(code);
}

int sqlite_db_create(struct sqlite_db *db, const char *path, const char *parent, int64_t session,
	const void *bytes, size_t size)
{
	sqlite3_stmt *insert = prepared(db, NODE_CREATE);
	int64_t now;
	int result = read_clock(db, &now);

	if (result < 0)
		return result;
	bind_text(insert, 1, path);
	bind_text(insert, 2, parent);
	bind_bytes(insert, 3, bytes, size);
	sqlite3_bind_int64(insert, 4, now);
	if (session)
		sqlite3_bind_int64(insert, 5, session);
	return translate(step(insert));
}

int sqlite_db_delete(struct sqlite_db *db, const char *path)
{
	sqlite3_stmt *delete = prepared(db, NODE_DELETE);

	bind_text(delete, 1, path);
	return translate(step(delete));
}

int sqlite_db_set(struct sqlite_db *db, const char *path, const void *bytes, size_t size)
{
	sqlite3_stmt *update = prepared(db, NODE_SET);
	int64_t now;
	int result = read_clock(db, &now);

	if (result < 0)
		return result;
	bind_text(update, 1, path);
	bind_bytes(update, 2, bytes, size);
	sqlite3_bind_int64(update, 3, now);
	return translate(step(update));
}

/* --- sessions --------------------------------------------------------------------------- */

static void bind_lifetime(const struct sqlite_db *db, sqlite3_stmt *statement, int64_t session,
	int64_t expires)
{
	sqlite3_bind_int64(statement, 1, session);
	sqlite3_bind_int64(statement, 2, expires);
	bind_text(statement, 3, db->boot);
}

int sqlite_db_session_create(struct sqlite_db *db, int64_t session, int64_t expires)
{
	sqlite3_stmt *create = prepared(db, SESSION_CREATE);

	bind_lifetime(db, create, session, expires);
	sqlite3_bind_int(create, 4, getpid());
	return translate(step(create));
}

int sqlite_db_session_extend(struct sqlite_db *db, int64_t session, int64_t expires)
{
	sqlite3_stmt *extend = prepared(db, SESSION_EXTEND);

	bind_lifetime(db, extend, session, expires);
	return changed_rows(db, extend);
}

int sqlite_db_session_check(struct sqlite_db *db, int64_t session)
{
	sqlite3_stmt *check = prepared(db, SESSION_CHECK);

	sqlite3_bind_int64(check, 1, session);
	bind_text(check, 2, db->boot);
	return any_row(check);
}

int sqlite_db_session_delete(struct sqlite_db *db, int64_t session)
{
	sqlite3_stmt *delete = prepared(db, SESSION_DELETE);

	sqlite3_bind_int64(delete, 1, session);
	return translate(step(delete));
}

static sqlite3_stmt *prepared_for_dead(struct sqlite_db *db, enum statement which, int64_t now)
{
	sqlite3_stmt *statement = prepared(db, which);

	bind_text(statement, 1, db->boot);
	sqlite3_bind_int64(statement, 2, now);
	return statement;
}

int sqlite_db_dead(struct sqlite_db *db, int64_t now)
{
	return any_row(prepared_for_dead(db, SESSION_DEAD, now));
}

int sqlite_db_reap(struct sqlite_db *db, int64_t now)
{
	return changed_rows(db, prepared_for_dead(db, SESSION_REAP, now));
}

/* --- life ------------------------------------------------------------------------------- */

/* Of many that wait, each has the same chance: SQLite's own handler sleeps ever longer, and the
 * one that waited longest comes last. */
static int on_busy(void *data, int times)
{
	struct sqlite_db *db = data;
	uint16_t random = 0;

	if (times == 0)
		db->busy_until = clock_now() + BUSY_TIMEOUT_MS;
	if (clock_now() > db->busy_until)
		return 0;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = 5000;
	nanosleep(&(struct timespec){ .tv_nsec = 500000 + random % 10000 * 1000 }, NULL);
	return 1;
}

static int64_t pragma(struct sqlite_db *db, const char *text, int *code)
{
	sqlite3_stmt *statement;
	int64_t value = 0;

	*code = sqlite3_prepare_v2(db->db, text, -1, &statement, NULL);
	if (*code != SQLITE_OK)
		return 0;
	*code = sqlite3_step(statement);
	if (*code == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static int check_schema(struct sqlite_db *db, bool *ret_empty)
{
	int64_t application, version, objects;
	int code;

	objects = pragma(db, "SELECT count(*) FROM sqlite_schema", &code);
	if (translate(code) < 0)
		return translate(code);
	application = pragma(db, "PRAGMA application_id", &code);
	if (translate(code) < 0)
		return translate(code);
	version = pragma(db, "PRAGMA user_version", &code);
	if (translate(code) < 0)
		return translate(code);
	*ret_empty = objects == 0;
	if (objects == 0)
		return 0;
	if (application != SQLITE_APPLICATION_ID)
		return -EMEDIUMTYPE;
	return version > SQLITE_SCHEMA_VERSION ? -EPROTO : 0;
}

static int execute(struct sqlite_db *db, const char *text)
{
	return translate(sqlite3_exec(db->db, text, NULL, NULL, NULL));
}

/* Asked once more under the write lock: two processes may meet on an empty file. */
static int make_schema(struct sqlite_db *db)
{
	char marks[96];
	bool empty;
	int result;

	result = execute(db, "BEGIN IMMEDIATE");
	if (result < 0)
		return result;
	result = check_schema(db, &empty);
	if (result == 0 && empty) {
		snprintf(marks, sizeof(marks), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
			SQLITE_APPLICATION_ID, SQLITE_SCHEMA_VERSION);
		result = execute(db, sqlite_schema);
		if (result == 0)
			result = execute(db, marks);
	}
	if (result == 0)
		return execute(db, "COMMIT");
	execute(db, "ROLLBACK");
	return result;
}

/* While the file becomes a WAL one, SQLite answers "busy" at once, whatever the time-out: waited
 * for here. */
static int set_modes(struct sqlite_db *db)
{
	int64_t deadline = clock_now() + BUSY_TIMEOUT_MS;
	int result;

	for (;;) {
		result = execute(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;");
		if (result != -EBUSY || clock_now() > deadline)
			return result;
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

static int open_file(struct sqlite_db *db, const char *path)
{
	int result, code;
	bool empty;

	code = sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK)
		return translate(code);
	sqlite3_busy_handler(db->db, on_busy, db);
	db->readonly = sqlite3_db_readonly(db->db, "main") == 1;
	/* SQLite opens to read what it cannot open to write, whatever the reason: one that passes is
	 * none to stay so. */
	if (db->readonly && access(path, W_OK) == 0)
		return -EAGAIN;
	result = check_schema(db, &empty);
	if (result == 0 && empty && db->readonly)
		result = -EACCES;
	if (result < 0 || db->readonly)
		return result;
	result = set_modes(db);
	if (result == 0 && empty)
		result = make_schema(db);
	return result == 0 ? execute(db, sqlite_clock) : result;
}

static int prepare(struct sqlite_db *db)
{
	int code = SQLITE_OK;

	for (size_t i = 0; code == SQLITE_OK && i < SQLITE_STATEMENTS; i++) {
		/* Asked before a write alone, and who cannot write could not make the table. */
		if (db->readonly && (i == CLOCK_GET || i == CLOCK_SET))
			continue;
		code = sqlite3_prepare_v3(db->db, sqlite_statements[i], -1,
			SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL);
	}
	return translate(code);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static int stat_beside(const char *path, const char *ending, struct stat *ret)
{
	struct buffer name = { 0 };
	int result;

	buffer_print(&name, "%s%s", path, ending);
	result = stat(buffer_text(&name), ret);
	buffer_clear(&name);
	return result;
}

static void remove_beside(const char *path, const char *ending)
{
	struct buffer name = { 0 };

	buffer_print(&name, "%s%s", path, ending);
	unlink(buffer_text(&name));
	buffer_clear(&name);
}

int sqlite_db_open(struct sqlite_db **ret, const char *path, bool create)
{
	struct sqlite_db *db = calloc(1, sizeof(*db));
	int result;

	if (!db)
		return -ENOMEM;
	result = sqlite_file_boot(db->boot);
	if (result == 0)
		result = sqlite_file_make(path, create);
	if (result == 0 && stat(path, &db->file) < 0)
		result = -errno;
	if (result == 0)
		result = open_file(db, path);
	if (result == 0)
		result = prepare(db);
	if (result == 0)
		stat_beside(path, "-wal", &db->log);
	if (result < 0)
		sqlite_db_close(db, NULL);
	else
		*ret = db;
	return result;
}

bool sqlite_db_exchanged(const struct sqlite_db *db, const char *path)
{
	struct stat now;

	if (stat(path, &now) < 0)
		return errno == ENOENT;
	return !is_same(&now, &db->file);
}

struct sqlite_db *sqlite_db_close(struct sqlite_db *db, const char *path)
{
	struct stat log, now;
	bool moved;

	if (!db)
		return NULL;
	log = db->log;
	moved = path && !db->readonly && log.st_ino != 0 && sqlite_db_exchanged(db, path);
	for (size_t i = 0; i < SQLITE_STATEMENTS; i++)
		sqlite3_finalize(db->statements[i]);
	if (moved)
		sqlite3_wal_checkpoint_v2(db->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	sqlite3_close(db->db);
	free(db);
	if (moved && stat_beside(path, "-wal", &now) == 0 && is_same(&now, &log)) {
		remove_beside(path, "-wal");
		remove_beside(path, "-shm");
	}
	return NULL;
}

bool sqlite_db_readonly(const struct sqlite_db *db)
{
	return db->readonly;
}
