/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store in one SQLite file, for the processes of one machine: sessions with their heartbeat,
 * the queue of answers, one descriptor. SQLite itself is called in db.c alone.
 *
 * A call does its work at once, in one transaction; the answer waits in a queue for process().
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "db.h"
#include "file.h"
#include "registry/request.h"
#include "registry/retry.h"
#include "registry/store.h"
#include "tree.h"
#include "watches.h"

#define TIMEOUT_LOWEST_MS 300

struct pending {
	struct pending *next;
	struct request request;
};

/*
 * Sessions are measured with the clock that no one can set and that stands still while the
 * machine sleeps: neither a corrected date nor a night in suspend expires anybody.
 */
struct sqlite {
	struct store store;
	struct store_config config;
	struct log log;
	char *path;
	struct sqlite_db *db;
	int64_t session;
	bool readonly;
	bool expired; /* found out in the middle of a call; told in process() */
	enum store_state state, told;
	bool told_once;
	char told_detail[256];
	bool exchanged; /* the file, for another or none */
	struct retry retry;
	bool check;	      /* own change: the file does not say that it moved */
	int64_t heartbeat_at; /* milliseconds of CLOCK_MONOTONIC */
	struct pending *pending, **pending_end;
	struct sqlite_watches watches;
	int epoll, ready, timer;
};

static struct sqlite *sqlite_of(struct store *store)
{
	return (struct sqlite *)store;
}

static void arm_timer(struct sqlite *sqlite)
{
	int64_t at = sqlite->heartbeat_at, look_at = sqlite_watches_next(&sqlite->watches);
	struct itimerspec when = { 0 };

	if (look_at && (at == 0 || look_at < at))
		at = look_at;
	if (at) {
		when.it_value.tv_sec = at / 1000;
		when.it_value.tv_nsec = at % 1000 * 1000000 + 1;
	}
	timerfd_settime(sqlite->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void wake(struct sqlite *sqlite)
{
	eventfd_write(sqlite->ready, 1);
}

/* --- sessions --------------------------------------------------------------------------- */

static int64_t random_session(void)
{
	uint64_t id = 0;

	while (id == 0 && getrandom(&id, sizeof(id), 0) == sizeof(id))
		id >>= 1;
	return (int64_t)id;
}

static int64_t lifetime(const struct sqlite *sqlite)
{
	return clock_now() + sqlite->config.session_timeout_ms;
}

static int reap_sessions(struct sqlite *sqlite)
{
	int dead = sqlite_db_reap(sqlite->db, clock_now());

	if (dead > 0)
		sqlite->check = true;
	return dead < 0 ? dead : 0;
}

static int start_session(struct sqlite *sqlite)
{
	int64_t session = random_session();
	int result;

	result = sqlite_db_begin(sqlite->db);
	if (result < 0)
		return result;
	result = reap_sessions(sqlite);
	if (result == 0)
		result = sqlite_db_session_create(sqlite->db, session, lifetime(sqlite));
	result = sqlite_db_end(sqlite->db, result);
	if (result == 0)
		sqlite->session = session;
	return result;
}

static void check_session(struct sqlite *sqlite)
{
	if (sqlite_db_session_check(sqlite->db, sqlite->session) == 0)
		sqlite->expired = true;
}

/* One small write; a second one only when somebody died. */
static void heartbeat(struct sqlite *sqlite)
{
	int result = sqlite_db_session_extend(sqlite->db, sqlite->session, lifetime(sqlite));

	if (result < 0) {
		log_warning(&sqlite->log, "registry file %s: session not extended: %s",
			sqlite->path, strerror(-result));
		return;
	}
	if (result == 0)
		sqlite->expired = true;
	if (sqlite_db_dead(sqlite->db, clock_now()) > 0)
		reap_sessions(sqlite);
}

/* --- answers ---------------------------------------------------------------------------- */

static void free_pending(struct pending *pending)
{
	request_clear(&pending->request);
	free(pending);
}

static int new_pending(struct sqlite *sqlite, store_done done, void *data, struct pending **ret)
{
	struct pending *pending;

	if (sqlite->state != STORE_CONNECTED)
		return -ENOTCONN;
	pending = calloc(1, sizeof(*pending));
	if (!pending)
		return -ENOMEM;
	pending->request.done = done;
	pending->request.data = data;
	*ret = pending;
	return 0;
}

static void queue(struct sqlite *sqlite, struct pending *pending, int result)
{
	pending->request.answer.result = result;
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
		request_tell(&pending->request);
		free_pending(pending);
	}
}

/* --- requests --------------------------------------------------------------------------- */

static int add_watch(struct sqlite *sqlite, const char *path, bool children, int64_t serial)
{
	int result = sqlite_watches_add(&sqlite->watches, path, children, serial);

	if (result > 0)
		arm_timer(sqlite);
	return result < 0 ? result : 0;
}

struct reading {
	struct request *request;
	int64_t touched;
};

static int read_node(void *data, const struct sqlite_node *node)
{
	struct reading *reading = data;
	struct store_answer *answer = &reading->request->answer;

	answer->version = node->version;
	answer->created = node->created;
	answer->modified = node->modified;
	answer->owner = (uint64_t)node->session;
	reading->touched = node->touched;
	return request_set_bytes(reading->request, node->bytes, node->size);
}

static int get_now(struct sqlite *sqlite, const char *path, bool watch, struct request *request)
{
	struct reading reading = { .request = request };
	int result = sqlite_db_get(sqlite->db, path, read_node, &reading);

	if (result == 0 && watch)
		result = add_watch(sqlite, path, false, reading.touched);
	return result;
}

static int sqlite_get(struct store *store, const char *path, bool watch, store_done done,
	void *data)
{
	struct sqlite *sqlite = sqlite_of(store);
	struct pending *pending;
	int result = new_pending(sqlite, done, data, &pending);

	if (result < 0)
		return result;
	queue(sqlite, pending, get_now(sqlite, path, watch, &pending->request));
	return 0;
}

static int read_name(void *data, const char *name)
{
	return request_add_name(data, name);
}

static int children_now(struct sqlite *sqlite, const char *path, bool watch,
	struct request *request)
{
	int64_t grown = 0;
	int result = sqlite_db_children(sqlite->db, path, read_name, request, &grown);

	if (result < 0)
		return result;
	request->answer.revision = (uint64_t)grown;
	return watch ? add_watch(sqlite, path, true, grown) : 0;
}

static int sqlite_children(struct store *store, const char *path, bool watch, store_done done,
	void *data)
{
	struct sqlite *sqlite = sqlite_of(store);
	struct pending *pending;
	int result = new_pending(sqlite, done, data, &pending);

	if (result < 0)
		return result;
	queue(sqlite, pending, children_now(sqlite, path, watch, &pending->request));
	return 0;
}

static int multi_now(struct sqlite *sqlite, const struct store_operation *operations, size_t n,
	size_t *failed)
{
	int result;

	if (sqlite->readonly)
		return -EACCES;
	result = sqlite_tree_multi(sqlite->db, sqlite->session, operations, n, failed);
	if (result == -ESTALE)
		sqlite->expired = true;
	else if (result == 0)
		sqlite->check = true;
	return result;
}

static int sqlite_multi(struct store *store, const struct store_operation *operations, size_t n,
	store_done done, void *data)
{
	struct sqlite *sqlite = sqlite_of(store);
	struct pending *pending;
	int result = new_pending(sqlite, done, data, &pending);

	if (result < 0)
		return result;
	result = multi_now(sqlite, operations, n, &pending->request.answer.failed);
	queue(sqlite, pending, result);
	return 0;
}

/* --- life ------------------------------------------------------------------------------- */

static void tell_state(struct sqlite *sqlite, const char *detail)
{
	if (sqlite->told_once && sqlite->told == sqlite->state &&
		(!detail || strcmp(detail, sqlite->told_detail) == 0))
		return;
	snprintf(sqlite->told_detail, sizeof(sqlite->told_detail), "%s", detail ? detail : "");
	sqlite->told_once = true;
	sqlite->told = sqlite->state;
	sqlite->config.state(sqlite->config.data, sqlite->state, detail);
}

static bool data_moved(struct sqlite *sqlite)
{
	bool moved = sqlite_db_moved(sqlite->db) || sqlite->check || sqlite->watches.again;

	sqlite->check = false;
	return moved;
}

static void beat_in(struct sqlite *sqlite, int64_t ms)
{
	sqlite->heartbeat_at = clock_now() + ms;
}

/* A new session at once, unless they are ended one after the other. */
static void expire(struct sqlite *sqlite)
{
	const char *why =
		sqlite->exchanged ?
			"the file was exchanged for another, or removed" :
			"the session was ended by somebody else, or this process stood still";

	sqlite->expired = false;
	sqlite->state = STORE_EXPIRED; /* what the answers ask for is refused from here on */
	tell_answers(sqlite);
	sqlite_watches_clear(&sqlite->watches);
	sqlite->session = 0;
	tell_state(sqlite, why);
	sqlite->state = STORE_CONNECTING;
	sqlite->heartbeat_at = retry_at(&sqlite->retry, 0);
	if (sqlite->exchanged) {
		sqlite_watches_stop(&sqlite->watches);
		sqlite->db = sqlite_db_close(sqlite->db, sqlite->path);
		sqlite->check = false; /* there is nothing to look at */
	} else if (sqlite->retry.ms > 0) {
		tell_state(sqlite, RETRY_SESSIONS);
	}
	sqlite->exchanged = false;
}

static void use_file(struct sqlite *sqlite)
{
	sqlite->readonly = sqlite_db_readonly(sqlite->db);
	sqlite_watches_start(&sqlite->watches, sqlite->path, sqlite->epoll);
	data_moved(sqlite);
}

static void be_connected(struct sqlite *sqlite)
{
	sqlite->state = STORE_CONNECTED;
	sqlite->heartbeat_at = 0;
	if (!sqlite->readonly)
		beat_in(sqlite, sqlite->config.session_timeout_ms / 3);
}

/* A file that is gone is not made anew: whoever took it away may bring another. */
static int reopen(struct sqlite *sqlite)
{
	int result = sqlite_db_open(&sqlite->db, sqlite->path, false);

	if (result < 0)
		return result;
	use_file(sqlite);
	if (sqlite->config.replaced)
		sqlite->config.replaced(sqlite->config.data, "its file was exchanged for another");
	return 0;
}

/* Only after an expiry: the first session is begun by open. */
static void reconnect(struct sqlite *sqlite)
{
	int result = sqlite->db ? 0 : reopen(sqlite);
	struct error error;

	if (result == 0 && !sqlite->readonly)
		result = start_session(sqlite);
	if (result == 0) {
		be_connected(sqlite);
		return;
	}
	sqlite_file_explain(sqlite->path, result, &error);
	tell_state(sqlite, error.text + strlen("registry "));
	beat_in(sqlite, 1000);
}

static void beat(struct sqlite *sqlite)
{
	if (sqlite->heartbeat_at == 0 || clock_now() < sqlite->heartbeat_at)
		return;
	if (sqlite->state == STORE_CONNECTING) {
		reconnect(sqlite);
		return;
	}
	beat_in(sqlite, sqlite->config.session_timeout_ms / 3);
	heartbeat(sqlite);
}

static void look(struct sqlite *sqlite, bool hinted)
{
	if (!sqlite->db || (!sqlite_watches_due(&sqlite->watches, hinted) && !sqlite->check))
		return;
	sqlite->exchanged = sqlite_db_exchanged(sqlite->db, sqlite->path);
	if (!sqlite->exchanged && data_moved(sqlite)) {
		if (sqlite->session) /* none is waited for */
			check_session(sqlite);
		sqlite_watches_tell(&sqlite->watches, sqlite->db, sqlite->config.changed,
			sqlite->config.data);
	}
	sqlite_watches_looked(&sqlite->watches);
}

static bool drain(struct sqlite *sqlite)
{
	uint64_t count;

	eventfd_read(sqlite->ready, &count);
	while (read(sqlite->timer, &count, sizeof(count)) > 0)
		;
	return sqlite_watches_hinted(&sqlite->watches);
}

static int sqlite_process(struct store *store)
{
	struct sqlite *sqlite = sqlite_of(store);
	bool hinted = drain(sqlite);

	tell_state(sqlite, NULL);
	beat(sqlite);
	tell_answers(sqlite);
	look(sqlite, hinted);
	if (sqlite->expired || sqlite->exchanged)
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

static void sqlite_close(struct store *store)
{
	struct sqlite *sqlite = sqlite_of(store);
	struct pending *pending;

	if (sqlite->session)
		sqlite_db_session_delete(sqlite->db, sqlite->session);
	sqlite_db_close(sqlite->db, sqlite->path);
	sqlite_watches_stop(&sqlite->watches);
	while ((pending = sqlite->pending)) {
		sqlite->pending = pending->next;
		free_pending(pending);
	}
	for (size_t i = 0; i < 3; i++) {
		int fd = (int[]){ sqlite->timer, sqlite->ready, sqlite->epoll }[i];

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
		result = sqlite_db_open(&sqlite->db, sqlite->path, sqlite->config.create);
	if (result < 0)
		return result;
	if (!sqlite_db_readonly(sqlite->db))
		result = start_session(sqlite);
	if (result < 0)
		return result;
	use_file(sqlite);
	be_connected(sqlite);
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
	sqlite->epoll = sqlite->ready = sqlite->timer = -1;
	sqlite->watches = SQLITE_WATCHES_NONE;
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
