/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store in one SQLite file, for the processes of one machine: a table of nodes, a table of
 * sessions, and triggers that number every change. This is the only file that calls SQLite.
 *
 * A call does its work at once, in one transaction; the answer waits in a queue for process().
 * A change by another process is seen by PRAGMA data_version: inotify on the -wal file says when
 * to look, a slow poll is behind it.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../clock.h"
#include "../buffer.h"
#include "sqlite_file.h"
#include "sqlite_schema.h"
#include "store.h"

#define BUSY_TIMEOUT_MS 10000
#define TIMEOUT_LOWEST_MS 300
#define POLL_MS 250	  /* how late a change may be seen when every hint was lost */
#define POLL_BLIND_MS 50  /* the same, without inotify */
#define HINT_FIRST_MS 1	  /* a hint comes before the commit can be read: look again, later */
#define HINT_LAST_MS 32   /* and later, until this */

struct pending {
	struct pending *next;
	store_done done;
	void *data;
	struct store_answer answer;
	char *bytes;
	char **names;
};

struct watch {
	struct watch *next;
	bool children;
	int64_t serial; /* of the state that the reader saw */
	char path[];
};

struct sqlite {
	struct store store;
	struct store_config config;
	struct log log;
	char *path;
	sqlite3 *db;
	sqlite3_stmt *statements[SQLITE_STATEMENTS];
	char boot[SQLITE_FILE_BOOT];
	int64_t session;
	bool readonly;
	bool expired; /* found out in the middle of a call; told in process() */
	enum store_state state, told;
	bool told_once;
	bool check; /* own change: data_version does not move */
	int64_t data_version;
	int64_t busy_until;
	int64_t heartbeat_at, look_at, hint_ms; /* milliseconds of CLOCK_MONOTONIC */
	struct pending *pending, **pending_end;
	struct watch *watches;
	int epoll, ready, timer, inotify;
};

static struct sqlite *sqlite_of(struct store *store)
{
	return (struct sqlite *)store;
}

/*
 * Sessions are measured with the clock that no one can set and that stands still while the
 * machine sleeps: neither a corrected date nor a night in suspend expires anybody. It starts
 * again at boot, so every session bears the boot it belongs to.
 */
static int64_t epoch_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int translate(int code)
{
	static const struct {
		int code, result;
	} table[] = {
		{ SQLITE_BUSY, -EBUSY },      { SQLITE_LOCKED, -EBUSY },
		{ SQLITE_FULL, -ENOSPC },     { SQLITE_READONLY, -EACCES },
		{ SQLITE_PERM, -EACCES },     { SQLITE_AUTH, -EACCES },
		{ SQLITE_CANTOPEN, -EACCES }, { SQLITE_NOTADB, -EINVAL },
		{ SQLITE_CORRUPT, -EUCLEAN }, { SQLITE_NOMEM, -ENOMEM },
		{ SQLITE_TOOBIG, -EFBIG },    { SQLITE_CONSTRAINT, -EEXIST },
	};

	if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
		return 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].code == (code & 0xff))
			return table[i].result;
	return -EIO;
}

/* --- statements ------------------------------------------------------------------------- */

static sqlite3_stmt *prepared(struct sqlite *sqlite, enum statement which)
{
	sqlite3_stmt *statement = sqlite->statements[which];

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

static int run(struct sqlite *sqlite, enum statement which)
{
	return translate(step(prepared(sqlite, which)));
}

static int begin(struct sqlite *sqlite)
{
	return run(sqlite, BEGIN);
}

static int end(struct sqlite *sqlite, int result)
{
	if (result == 0)
		result = run(sqlite, COMMIT);
	if (result < 0 && !sqlite3_get_autocommit(sqlite->db))
		run(sqlite, ROLLBACK);
	return result;
}

/* Not copied, so that it cannot fail: what is not bound is NULL, finds nothing, and a folder that
 * is not found looks empty. All of it outlives the steps, and prepared() takes it off again. */
static void bind_text(sqlite3_stmt *statement, int index, const char *text)
{
	sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

/* --- watches and timers ----------------------------------------------------------------- */

static void arm_timer(struct sqlite *sqlite)
{
	int64_t at = sqlite->heartbeat_at;
	struct itimerspec when = { 0 };

	if (sqlite->watches && (at == 0 || sqlite->look_at < at))
		at = sqlite->look_at;
	if (at) {
		when.it_value.tv_sec = at / 1000;
		when.it_value.tv_nsec = at % 1000 * 1000000 + 1;
	}
	timerfd_settime(sqlite->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void look_in(struct sqlite *sqlite, int64_t ms)
{
	sqlite->look_at = clock_now() + ms;
}

static int64_t slow_poll(const struct sqlite *sqlite)
{
	return sqlite->inotify < 0 ? POLL_BLIND_MS : POLL_MS;
}

static void wake(struct sqlite *sqlite)
{
	eventfd_write(sqlite->ready, 1);
}

/* The -wal file stays as long as a connection is open, and ours is. */
static void start_inotify(struct sqlite *sqlite)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct buffer wal = { 0 };

	buffer_print(&wal, "%s-wal", sqlite->path);
	sqlite->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (sqlite->inotify >= 0 &&
		(inotify_add_watch(sqlite->inotify, buffer_text(&wal), IN_MODIFY) < 0 ||
			epoll_ctl(sqlite->epoll, EPOLL_CTL_ADD, sqlite->inotify, &event) < 0)) {
		close(sqlite->inotify);
		sqlite->inotify = -1;
	}
	buffer_clear(&wal);
}

static int add_watch(struct sqlite *sqlite, const char *path, bool children, int64_t serial)
{
	struct watch *watch;

	for (watch = sqlite->watches; watch; watch = watch->next)
		if (watch->children == children && strcmp(watch->path, path) == 0)
			break;
	if (!watch) {
		watch = malloc(sizeof(*watch) + strlen(path) + 1);
		if (!watch)
			return -ENOMEM;
		watch->children = children;
		strcpy(watch->path, path);
		watch->next = sqlite->watches;
		if (!sqlite->watches)
			look_in(sqlite, slow_poll(sqlite));
		sqlite->watches = watch;
		arm_timer(sqlite);
	}
	watch->serial = serial;
	return 0;
}

static bool went_off(struct sqlite *sqlite, const struct watch *watch)
{
	sqlite3_stmt *get = prepared(sqlite, NODE_GET);
	bool changed = true;
	int code;

	bind_text(get, 1, watch->path);
	code = step(get);
	if (code == SQLITE_ROW)
		changed = sqlite3_column_int64(get, watch->children ? 6 : 5) != watch->serial;
	else if (code != SQLITE_DONE)
		changed = false;
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		sqlite->check = true; /* trouble: asked again at the next look, data moved or not */
	sqlite3_reset(get);
	return changed;
}

/* Handlers leave new watches at the head of the list, so those that went off are taken out
 * before any of them is told. */
static void tell_watches(struct sqlite *sqlite)
{
	struct watch *gone = NULL, **end = &gone, *watch;

	for (struct watch **at = &sqlite->watches; *at;) {
		watch = *at;
		if (!went_off(sqlite, watch)) {
			at = &watch->next;
			continue;
		}
		*at = watch->next;
		watch->next = NULL;
		*end = watch;
		end = &watch->next;
	}
	while ((watch = gone)) {
		gone = watch->next;
		sqlite->config.changed(sqlite->config.data, watch->path);
		free(watch);
	}
}

static bool data_moved(struct sqlite *sqlite)
{
	sqlite3_stmt *statement = prepared(sqlite, DATA_VERSION);
	int64_t version = sqlite->data_version;

	if (step(statement) == SQLITE_ROW)
		version = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	if (version == sqlite->data_version && !sqlite->check)
		return false;
	sqlite->data_version = version;
	sqlite->check = false;
	return true;
}

static void clear_watches(struct sqlite *sqlite)
{
	struct watch *watch;

	while ((watch = sqlite->watches)) {
		sqlite->watches = watch->next;
		free(watch);
	}
}

/* --- sessions --------------------------------------------------------------------------- */

static int64_t random_session(void)
{
	uint64_t id = 0;

	while (id == 0 && getrandom(&id, sizeof(id), 0) == sizeof(id))
		id >>= 1;
	return (int64_t)id;
}

static void bind_lifetime(const struct sqlite *sqlite, sqlite3_stmt *statement)
{
	sqlite3_bind_int64(statement, 2, clock_now() + sqlite->config.session_timeout_ms);
	bind_text(statement, 3, sqlite->boot);
}

static int reap_sessions(struct sqlite *sqlite)
{
	sqlite3_stmt *reap = prepared(sqlite, SESSION_REAP);
	int result;

	bind_text(reap, 1, sqlite->boot);
	sqlite3_bind_int64(reap, 2, clock_now());
	result = translate(step(reap));
	if (sqlite3_changes(sqlite->db) > 0)
		sqlite->check = true;
	return result;
}

static int start_session(struct sqlite *sqlite)
{
	int64_t session = random_session();
	sqlite3_stmt *create;
	int result;

	result = begin(sqlite);
	if (result < 0)
		return result;
	result = reap_sessions(sqlite);
	create = prepared(sqlite, SESSION_CREATE);
	sqlite3_bind_int64(create, 1, session);
	bind_lifetime(sqlite, create);
	sqlite3_bind_int(create, 4, getpid());
	if (result == 0)
		result = translate(step(create));
	result = end(sqlite, result);
	if (result == 0)
		sqlite->session = session;
	return result;
}

static bool session_stands(struct sqlite *sqlite)
{
	sqlite3_stmt *check = prepared(sqlite, SESSION_CHECK);
	int code;

	sqlite3_bind_int64(check, 1, sqlite->session);
	bind_text(check, 2, sqlite->boot);
	code = step(check);
	sqlite3_reset(check);
	if (code == SQLITE_DONE)
		sqlite->expired = true;
	return code != SQLITE_DONE;
}

/* One small write; a second one only when somebody died. */
static void heartbeat(struct sqlite *sqlite)
{
	sqlite3_stmt *extend = prepared(sqlite, SESSION_EXTEND), *dead;
	int result, code;

	sqlite3_bind_int64(extend, 1, sqlite->session);
	bind_lifetime(sqlite, extend);
	result = translate(step(extend));
	if (result < 0) {
		log_warning(&sqlite->log, "registry file %s: session not extended: %s",
			sqlite->path, strerror(-result));
		return;
	}
	if (sqlite3_changes(sqlite->db) == 0)
		sqlite->expired = true;
	dead = prepared(sqlite, SESSION_DEAD);
	bind_text(dead, 1, sqlite->boot);
	sqlite3_bind_int64(dead, 2, clock_now());
	code = step(dead);
	sqlite3_reset(dead);
	if (code == SQLITE_ROW)
		reap_sessions(sqlite);
}

/* --- answers ---------------------------------------------------------------------------- */

static void free_pending(struct pending *pending)
{
	for (size_t i = 0; i < pending->answer.n_names; i++)
		free(pending->names[i]);
	free(pending->names);
	free(pending->bytes);
	free(pending);
}

static struct pending *new_pending(store_done done, void *data)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (pending) {
		pending->done = done;
		pending->data = data;
	}
	return pending;
}

static void queue(struct sqlite *sqlite, struct pending *pending, int result)
{
	pending->answer.result = result;
	pending->answer.bytes = pending->bytes;
	pending->answer.names = (const char *const *)pending->names;
	*sqlite->pending_end = pending;
	sqlite->pending_end = &pending->next;
	wake(sqlite);
}

static void tell_answers(struct sqlite *sqlite)
{
	struct pending *all = sqlite->pending, *pending;

	sqlite->pending = NULL;
	sqlite->pending_end = &sqlite->pending;
	while ((pending = all)) {
		all = pending->next;
		pending->done(pending->data, &pending->answer);
		free_pending(pending);
	}
}

/* --- reading ---------------------------------------------------------------------------- */

static int read_node(struct sqlite *sqlite, sqlite3_stmt *get, struct pending *pending)
{
	struct store_answer *answer = &pending->answer;
	const void *bytes = sqlite3_column_blob(get, 0);
	size_t size = (size_t)sqlite3_column_bytes(get, 0);

	pending->bytes = malloc(size + 1);
	if (!pending->bytes)
		return -ENOMEM;
	if (size)
		memcpy(pending->bytes, bytes, size);
	pending->bytes[size] = '\0';
	answer->size = size;
	answer->version = sqlite3_column_int(get, 1);
	answer->created = sqlite3_column_int64(get, 2);
	answer->modified = sqlite3_column_int64(get, 3);
	answer->owned = sqlite3_column_type(get, 4) != SQLITE_NULL;
	answer->own = answer->owned && sqlite3_column_int64(get, 4) == sqlite->session;
	return 0;
}

static int get_now(struct sqlite *sqlite, const char *path, bool watch, struct pending *pending)
{
	sqlite3_stmt *get = prepared(sqlite, NODE_GET);
	int code, result;

	bind_text(get, 1, path);
	code = step(get);
	if (code != SQLITE_ROW)
		return code == SQLITE_DONE ? -ENOENT : translate(code);
	result = read_node(sqlite, get, pending);
	if (result == 0 && watch)
		result = add_watch(sqlite, path, false, sqlite3_column_int64(get, 5));
	sqlite3_reset(get);
	return result;
}

static int sqlite_get(struct store *store, const char *path, bool watch, store_done done,
	void *data)
{
	struct sqlite *sqlite = sqlite_of(store);
	struct pending *pending;

	if (sqlite->state != STORE_CONNECTED)
		return -ENOTCONN;
	pending = new_pending(done, data);
	if (!pending)
		return -ENOMEM;
	queue(sqlite, pending, get_now(sqlite, path, watch, pending));
	return 0;
}

static int add_name(struct pending *pending, size_t *size, const char *name)
{
	if (pending->answer.n_names == *size) {
		size_t more = *size ? *size * 2 : 64;
		char **names = reallocarray(pending->names, more, sizeof(*names));

		if (!names)
			return -ENOMEM;
		pending->names = names;
		*size = more;
	}
	name = name ? strdup(name) : NULL;
	if (!name)
		return -ENOMEM; /* also when SQLite had none for the column */
	pending->names[pending->answer.n_names++] = (char *)name;
	return 0;
}

/* The statement that reads "grown" is reset only at the end: while it is open, both see one
 * state of the file. */
static int children_now(struct sqlite *sqlite, const char *path, bool watch,
	struct pending *pending)
{
	sqlite3_stmt *get = prepared(sqlite, NODE_GET), *list = prepared(sqlite, NODE_CHILDREN);
	int code, result = 0;
	size_t size = 0;

	bind_text(get, 1, path);
	code = step(get);
	if (code != SQLITE_ROW)
		return code == SQLITE_DONE ? -ENOENT : translate(code);
	pending->answer.revision = (uint64_t)sqlite3_column_int64(get, 6);
	bind_text(list, 1, path);
	sqlite3_bind_int64(list, 2, (int64_t)strlen(path) + 1 + (strcmp(path, "/") != 0));
	while (result == 0 && (code = sqlite3_step(list)) == SQLITE_ROW)
		result = add_name(pending, &size, (const char *)sqlite3_column_text(list, 0));
	if (result == 0)
		result = translate(code);
	if (result == 0 && watch)
		result = add_watch(sqlite, path, true, sqlite3_column_int64(get, 6));
	sqlite3_reset(list);
	sqlite3_reset(get);
	return result;
}

static int sqlite_children(struct store *store, const char *path, bool watch, store_done done,
	void *data)
{
	struct sqlite *sqlite = sqlite_of(store);
	struct pending *pending;

	if (sqlite->state != STORE_CONNECTED)
		return -ENOTCONN;
	pending = new_pending(done, data);
	if (!pending)
		return -ENOMEM;
	queue(sqlite, pending, children_now(sqlite, path, watch, pending));
	return 0;
}

/* --- writing ---------------------------------------------------------------------------- */

struct found {
	int version;
	bool ephemeral;
};

static int find_node(struct sqlite *sqlite, const char *path, struct found *ret)
{
	sqlite3_stmt *get = prepared(sqlite, NODE_GET);
	int code;

	bind_text(get, 1, path);
	code = step(get);
	if (code == SQLITE_ROW) {
		ret->version = sqlite3_column_int(get, 1);
		ret->ephemeral = sqlite3_column_type(get, 4) != SQLITE_NULL;
	}
	sqlite3_reset(get);
	return code == SQLITE_DONE ? -ENOENT : translate(code);
}

static void bind_bytes(sqlite3_stmt *statement, int index, const struct store_operation *operation)
{
	if (operation->size)
		sqlite3_bind_blob64(statement, index, operation->bytes, operation->size,
			SQLITE_STATIC);
	else
		sqlite3_bind_zeroblob(statement, index, 0);
}

static int create(struct sqlite *sqlite, const struct store_operation *operation)
{
	const char *slash = strrchr(operation->path, '/');
	sqlite3_stmt *insert;
	struct found found;
	char *parent;
	int result;

	if (!slash || !slash[1])
		return slash ? -EEXIST : -EINVAL;
	parent = slash == operation->path ? strdup("/") :
					    strndup(operation->path,
						    (size_t)(slash - operation->path));
	if (!parent)
		return -ENOMEM;
	result = find_node(sqlite, parent, &found);
	if (result == 0 && found.ephemeral)
		result = -EINVAL;
	if (result == 0) {
		insert = prepared(sqlite, NODE_CREATE);
		bind_text(insert, 1, operation->path);
		bind_text(insert, 2, parent);
		bind_bytes(insert, 3, operation);
		sqlite3_bind_int64(insert, 4, epoch_ms());
		if (operation->kind == STORE_CREATE_EPHEMERAL)
			sqlite3_bind_int64(insert, 5, sqlite->session);
		result = translate(step(insert));
	}
	free(parent);
	return result;
}

static int delete(struct sqlite *sqlite, const struct store_operation *operation)
{
	sqlite3_stmt *list = prepared(sqlite, NODE_CHILDREN), *delete;
	int code;

	bind_text(list, 1, operation->path);
	sqlite3_bind_int64(list, 2, 1);
	code = step(list);
	sqlite3_reset(list);
	if (code != SQLITE_DONE)
		return code == SQLITE_ROW ? -ENOTEMPTY : translate(code);
	delete = prepared(sqlite, NODE_DELETE);
	bind_text(delete, 1, operation->path);
	return translate(step(delete));
}

static int set(struct sqlite *sqlite, const struct store_operation *operation)
{
	sqlite3_stmt *update = prepared(sqlite, NODE_SET);

	bind_text(update, 1, operation->path);
	bind_bytes(update, 2, operation);
	sqlite3_bind_int64(update, 3, epoch_ms());
	return translate(step(update));
}

static int operate(struct sqlite *sqlite, const struct store_operation *operation)
{
	struct found found;
	int result;

	if (operation->kind == STORE_CREATE || operation->kind == STORE_CREATE_EPHEMERAL)
		return create(sqlite, operation);
	result = find_node(sqlite, operation->path, &found);
	if (result < 0)
		return result;
	if (operation->version >= 0 && operation->version != found.version)
		return -EAGAIN;
	if (operation->kind == STORE_DELETE)
		return delete(sqlite, operation);
	return operation->kind == STORE_SET ? set(sqlite, operation) : 0;
}

/* An address that was given must stay given when the power fails; what dies with the session,
 * and the session, need not wait for the disk. */
static enum statement durability(const struct store_operation *operations, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (operations[i].kind == STORE_CREATE)
			return SAFE;
	return QUICK;
}

static int multi_now(struct sqlite *sqlite, const struct store_operation *operations, size_t n,
	size_t *failed)
{
	int result;

	if (sqlite->readonly)
		return -EACCES;
	run(sqlite, durability(operations, n));
	result = begin(sqlite);
	if (result < 0)
		return result;
	if (!session_stands(sqlite))
		result = -ESTALE;
	for (size_t i = 0; result == 0 && i < n; i++) {
		*failed = i;
		result = operate(sqlite, &operations[i]);
	}
	result = end(sqlite, result);
	run(sqlite, QUICK);
	return result;
}

static int sqlite_multi(struct store *store, const struct store_operation *operations, size_t n,
	store_done done, void *data)
{
	struct sqlite *sqlite = sqlite_of(store);
	struct pending *pending;
	int result;

	if (sqlite->state != STORE_CONNECTED)
		return -ENOTCONN;
	pending = new_pending(done, data);
	if (!pending)
		return -ENOMEM;
	result = multi_now(sqlite, operations, n, &pending->answer.failed);
	if (result == 0)
		sqlite->check = true;
	queue(sqlite, pending, result);
	return 0;
}

/* --- life ------------------------------------------------------------------------------- */

static void tell_state(struct sqlite *sqlite, const char *detail)
{
	if (sqlite->told_once && sqlite->told == sqlite->state)
		return;
	sqlite->told_once = true;
	sqlite->told = sqlite->state;
	sqlite->config.state(sqlite->config.data, sqlite->state, detail);
}

static void beat_in(struct sqlite *sqlite, int64_t ms)
{
	sqlite->heartbeat_at = clock_now() + ms;
}

static void expire(struct sqlite *sqlite)
{
	sqlite->expired = false;
	tell_answers(sqlite);
	clear_watches(sqlite);
	sqlite->session = 0;
	sqlite->state = STORE_EXPIRED;
	tell_state(sqlite, "the session was ended by somebody else, or this process stood still");
	sqlite->state = STORE_CONNECTING;
	beat_in(sqlite, 0);
}

/* Only after an expiry: the first session is begun by open. */
static void reconnect(struct sqlite *sqlite)
{
	char detail[128];
	int result = start_session(sqlite);

	if (result == 0) {
		sqlite->state = STORE_CONNECTED;
		beat_in(sqlite, sqlite->config.session_timeout_ms / 3);
		return;
	}
	snprintf(detail, sizeof(detail), "no new session: %s", strerror(-result));
	tell_state(sqlite, detail);
	beat_in(sqlite, 1000);
}

static void beat(struct sqlite *sqlite)
{
	if (sqlite->readonly || clock_now() < sqlite->heartbeat_at)
		return;
	if (sqlite->state == STORE_CONNECTING) {
		reconnect(sqlite);
		return;
	}
	beat_in(sqlite, sqlite->config.session_timeout_ms / 3);
	heartbeat(sqlite);
}

/* After a hint without a change: again soon, each time twice as late, then at leisure. */
static void look(struct sqlite *sqlite, bool hinted)
{
	if (hinted)
		sqlite->hint_ms = HINT_FIRST_MS;
	else if (clock_now() < sqlite->look_at && !sqlite->check)
		return;
	if (data_moved(sqlite)) {
		if (!sqlite->readonly)
			session_stands(sqlite);
		tell_watches(sqlite);
	}
	if (sqlite->hint_ms > 0 && sqlite->hint_ms <= HINT_LAST_MS) {
		look_in(sqlite, sqlite->hint_ms);
		sqlite->hint_ms *= 2;
	} else {
		sqlite->hint_ms = 0;
		look_in(sqlite, slow_poll(sqlite));
	}
}

static bool drain(struct sqlite *sqlite)
{
	char events[4096];
	uint64_t count;
	bool hinted = false;

	eventfd_read(sqlite->ready, &count);
	while (read(sqlite->timer, &count, sizeof(count)) > 0)
		;
	while (sqlite->inotify >= 0 && read(sqlite->inotify, events, sizeof(events)) > 0)
		hinted = true;
	return hinted;
}

static int sqlite_process(struct store *store)
{
	struct sqlite *sqlite = sqlite_of(store);
	bool hinted = drain(sqlite);

	tell_state(sqlite, NULL);
	beat(sqlite);
	tell_answers(sqlite);
	look(sqlite, hinted);
	if (sqlite->expired)
		expire(sqlite);
	else
		tell_state(sqlite, NULL);
	if (sqlite->pending || sqlite->check)
		wake(sqlite);
	arm_timer(sqlite);
	return 0;
}

static int sqlite_descriptor(struct store *store)
{
	return sqlite_of(store)->epoll;
}

static uint64_t sqlite_session(struct store *store)
{
	return (uint64_t)sqlite_of(store)->session;
}

static unsigned sqlite_timeout(struct store *store)
{
	return sqlite_of(store)->config.session_timeout_ms;
}

/* Of many that wait, each has the same chance: SQLite's own handler sleeps ever longer, and the
 * one that waited longest comes last. */
static int on_busy(void *data, int times)
{
	struct sqlite *sqlite = data;
	uint16_t random = 0;

	if (times == 0)
		sqlite->busy_until = clock_now() + BUSY_TIMEOUT_MS;
	if (clock_now() > sqlite->busy_until)
		return 0;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = 5000;
	nanosleep(&(struct timespec){ .tv_nsec = 500000 + random % 10000 * 1000 }, NULL);
	return 1;
}

static int64_t pragma(struct sqlite *sqlite, const char *text, int *code)
{
	sqlite3_stmt *statement;
	int64_t value = 0;

	*code = sqlite3_prepare_v2(sqlite->db, text, -1, &statement, NULL);
	if (*code != SQLITE_OK)
		return 0;
	*code = sqlite3_step(statement);
	if (*code == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static int check_schema(struct sqlite *sqlite, bool *ret_empty)
{
	int64_t application, version, objects;
	int code;

	objects = pragma(sqlite, "SELECT count(*) FROM sqlite_schema", &code);
	if (translate(code) < 0)
		return translate(code);
	application = pragma(sqlite, "PRAGMA application_id", &code);
	if (translate(code) < 0)
		return translate(code);
	version = pragma(sqlite, "PRAGMA user_version", &code);
	if (translate(code) < 0)
		return translate(code);
	*ret_empty = objects == 0;
	if (objects == 0)
		return 0;
	if (application != SQLITE_APPLICATION_ID)
		return -EMEDIUMTYPE;
	return version > SQLITE_SCHEMA_VERSION ? -EPROTO : 0;
}

static int execute(struct sqlite *sqlite, const char *text)
{
	return translate(sqlite3_exec(sqlite->db, text, NULL, NULL, NULL));
}

/* Asked once more under the write lock: two processes may meet on an empty file. */
static int make_schema(struct sqlite *sqlite)
{
	char marks[96];
	bool empty;
	int result;

	result = execute(sqlite, "BEGIN IMMEDIATE");
	if (result < 0)
		return result;
	result = check_schema(sqlite, &empty);
	if (result == 0 && empty) {
		snprintf(marks, sizeof(marks), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
			SQLITE_APPLICATION_ID, SQLITE_SCHEMA_VERSION);
		result = execute(sqlite, sqlite_schema);
		if (result == 0)
			result = execute(sqlite, marks);
	}
	if (result == 0)
		return execute(sqlite, "COMMIT");
	execute(sqlite, "ROLLBACK");
	return result;
}

/* While the file becomes a WAL one, SQLite answers "busy" at once, whatever the time-out: waited
 * for here. */
static int set_modes(struct sqlite *sqlite)
{
	int64_t deadline = clock_now() + BUSY_TIMEOUT_MS;
	int result;

	for (;;) {
		result = execute(sqlite, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;");
		if (result != -EBUSY || clock_now() > deadline)
			return result;
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

static int open_database(struct sqlite *sqlite)
{
	int result, code;
	bool empty;

	result = sqlite_file_make(sqlite->path, sqlite->config.create);
	if (result < 0)
		return result;
	code = sqlite3_open_v2(sqlite->path, &sqlite->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK)
		return translate(code);
	sqlite3_busy_handler(sqlite->db, on_busy, sqlite);
	sqlite->readonly = sqlite3_db_readonly(sqlite->db, "main") == 1;
	result = check_schema(sqlite, &empty);
	if (result == 0 && empty && sqlite->readonly)
		result = -EACCES;
	if (result < 0 || sqlite->readonly)
		return result;
	result = set_modes(sqlite);
	return result == 0 && empty ? make_schema(sqlite) : result;
}

static int prepare(struct sqlite *sqlite)
{
	int code = SQLITE_OK;

	for (size_t i = 0; code == SQLITE_OK && i < SQLITE_STATEMENTS; i++)
		code = sqlite3_prepare_v3(sqlite->db, sqlite_statements[i], -1,
			SQLITE_PREPARE_PERSISTENT, &sqlite->statements[i], NULL);
	return translate(code);
}

static int open_descriptors(struct sqlite *sqlite)
{
	struct epoll_event event = { .events = EPOLLIN };

	sqlite->epoll = epoll_create1(EPOLL_CLOEXEC);
	sqlite->ready = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	sqlite->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (sqlite->epoll < 0 || sqlite->ready < 0 || sqlite->timer < 0 ||
		epoll_ctl(sqlite->epoll, EPOLL_CTL_ADD, sqlite->ready, &event) < 0 ||
		epoll_ctl(sqlite->epoll, EPOLL_CTL_ADD, sqlite->timer, &event) < 0)
		return -errno;
	return 0;
}

static void drop_session(struct sqlite *sqlite)
{
	sqlite3_stmt *delete;

	if (!sqlite->session)
		return;
	delete = prepared(sqlite, SESSION_DELETE);
	sqlite3_bind_int64(delete, 1, sqlite->session);
	step(delete);
}

static void sqlite_close(struct store *store)
{
	struct sqlite *sqlite = sqlite_of(store);
	struct pending *pending;

	drop_session(sqlite);
	for (size_t i = 0; i < SQLITE_STATEMENTS; i++)
		sqlite3_finalize(sqlite->statements[i]);
	sqlite3_close(sqlite->db);
	clear_watches(sqlite);
	while ((pending = sqlite->pending)) {
		sqlite->pending = pending->next;
		free_pending(pending);
	}
	for (size_t i = 0; i < 4; i++) {
		int fd = (int[]){ sqlite->inotify, sqlite->timer, sqlite->ready, sqlite->epoll }[i];

		if (fd >= 0)
			close(fd);
	}
	free(sqlite->path);
	free(sqlite);
}

static int start(struct sqlite *sqlite)
{
	int result = open_descriptors(sqlite);

	if (result == 0)
		result = sqlite_file_boot(sqlite->boot);
	if (result == 0)
		result = open_database(sqlite);
	if (result == 0)
		result = prepare(sqlite);
	if (result == 0 && !sqlite->readonly)
		result = start_session(sqlite);
	if (result < 0)
		return result;
	start_inotify(sqlite);
	sqlite->state = STORE_CONNECTED;
	if (!sqlite->readonly)
		beat_in(sqlite, sqlite->config.session_timeout_ms / 3);
	data_moved(sqlite);
	arm_timer(sqlite);
	return 0;
}

static int sqlite_open(struct store **ret, const struct store_config *config, struct error *error)
{
	struct sqlite *sqlite = calloc(1, sizeof(*sqlite));
	int result;

	if (!sqlite)
		return error_memory(error);
	sqlite->store.backend = &store_sqlite;
	sqlite->config = *config;
	sqlite->config.address = sqlite->config.credentials = NULL; /* not ours to keep */
	if (sqlite->config.session_timeout_ms < TIMEOUT_LOWEST_MS)
		sqlite->config.session_timeout_ms = TIMEOUT_LOWEST_MS;
	if (config->log)
		sqlite->log = *config->log;
	sqlite->pending_end = &sqlite->pending;
	sqlite->epoll = sqlite->ready = sqlite->timer = sqlite->inotify = -1;
	sqlite->path = strdup(config->address);
	result = sqlite->path ? start(sqlite) : -ENOMEM;
	if (result < 0) {
		sqlite_file_explain(config->address, result, error);
		sqlite_close(&sqlite->store);
		return result;
	}
	*ret = &sqlite->store;
	return 0;
}

const struct store_backend store_sqlite = {
	.scheme = "sqlite:",
	.open = sqlite_open,
	.close = sqlite_close,
	.descriptor = sqlite_descriptor,
	.process = sqlite_process,
	.session = sqlite_session,
	.timeout = sqlite_timeout,
	.children = sqlite_children,
	.get = sqlite_get,
	.multi = sqlite_multi,
};
