/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store in a ZooKeeper ensemble. This is the only file that calls the ZooKeeper client.
 *
 * The client has two threads of its own for each handle. Completions and watchers run there and
 * do one thing: copy what came into a queue and write to an eventfd. Everything else happens in
 * process(), on the caller's thread; handles are made and closed there and nowhere else.
 */
#define THREADED
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#include "../clock.h"
#include "close_on_exec.h"
#include "store.h"
#include "zookeeper_log.h"

#define DEFAULT_PORT "2181"
#define RETRY_LOWEST_MS 500 /* for names that do not resolve */
#define RETRY_HIGHEST_MS 30000

enum item_kind { ITEM_ANSWER, ITEM_SESSION, ITEM_CHANGED };

/* A request from its start to its answer, or an event. */
struct item {
	struct item *next;
	enum item_kind kind;
	struct zk *zk;
	store_done done;
	void *data;
	struct store_answer answer;
	int64_t owner; /* get: session that owns an ephemeral node */
	char *bytes;
	char **names;
	zoo_op_result_t *results; /* multi: written by the client until the completion */
	size_t n_results;
	int state; /* session event */
	zhandle_t *handle; /* session event: of which */
	char path[]; /* changed */
};

struct zk {
	struct store store;
	struct store_config config;
	struct log log;
	char *hosts;
	char *credentials;
	zhandle_t *handle;
	/*
	 * A server that lost its data, or was restored from an old copy, refuses every client that
	 * has seen more of it: that session never ends and never comes back. So when an outage
	 * outlasts the session, a second handle asks whether the servers take anybody else.
	 */
	zhandle_t *probe;
	int64_t verdict_at; /* the probe is in; so long the session has to come back */
	enum store_state state;
	bool told; /* the state as it is now */
	char detail[256];
	int64_t session;
	int64_t retry_at, outage_at; /* milliseconds of CLOCK_MONOTONIC; 0: none */
	int64_t retry_ms;
	int log_slot;
	int epoll, ready, timer;
	pthread_mutex_t lock; /* for the queue */
	struct item *queue, **queue_end;
};

static struct zk *zk_of(struct store *store)
{
	return (struct zk *)store;
}

static int translate(int code)
{
	static const struct {
		int code, result;
	} table[] = {
		{ ZOK, 0 },
		{ ZNONODE, -ENOENT },
		{ ZNODEEXISTS, -EEXIST },
		{ ZBADVERSION, -EAGAIN },
		{ ZNOTEMPTY, -ENOTEMPTY },
		{ ZNOAUTH, -EACCES },
		{ ZAUTHFAILED, -EACCES },
		{ ZINVALIDACL, -EACCES },
		{ ZSESSIONCLOSEDREQUIRESASLAUTH, -EACCES },
		{ ZNOCHILDRENFOREPHEMERALS, -EINVAL },
		{ ZBADARGUMENTS, -EINVAL },
		{ ZCONNECTIONLOSS, -ECONNRESET },
		{ ZOPERATIONTIMEOUT, -ECONNRESET },
		{ ZSESSIONMOVED, -ECONNRESET },
		{ ZSESSIONEXPIRED, -ESTALE },
		{ ZCLOSING, -ESTALE },
		{ ZINVALIDSTATE, -ESTALE },
		{ ZTHROTTLEDOP, -EBUSY },
		{ ZNOTREADONLY, -EROFS },
		{ ZMARSHALLINGERROR, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].code == code)
			return table[i].result;
	return -EIO;
}

/* --- the client's threads ---------------------------------------------------------------- */

static void push(struct zk *zk, struct item *item)
{
	pthread_mutex_lock(&zk->lock);
	*zk->queue_end = item;
	zk->queue_end = &item->next;
	pthread_mutex_unlock(&zk->lock);
	eventfd_write(zk->ready, 1);
}

static struct item *new_item(struct zk *zk, enum item_kind kind, const char *path)
{
	struct item *item = calloc(1, sizeof(*item) + strlen(path) + 1);

	if (!item)
		return NULL;
	item->kind = kind;
	item->zk = zk;
	strcpy(item->path, path);
	return item;
}

static void on_session(zhandle_t *handle, int type, int state, const char *path, void *context)
{
	struct zk *zk = context;
	struct item *item;

	(void)path;
	if (type != ZOO_SESSION_EVENT)
		return;
	item = new_item(zk, ITEM_SESSION, "");
	if (!item)
		return;
	item->state = state;
	item->handle = handle;
	push(zk, item);
}

/* Node watchers hear of the session too; that is on_session's. */
static void on_node(zhandle_t *handle, int type, int state, const char *path, void *context)
{
	struct zk *zk = context;
	struct item *item;

	(void)handle;
	(void)state;
	if (type == ZOO_SESSION_EVENT || !path)
		return;
	item = new_item(zk, ITEM_CHANGED, path);
	if (item)
		push(zk, item);
}

static void answer(struct item *item, int result)
{
	item->answer.result = result;
	push(item->zk, item);
}

static void on_data(int code, const char *value, int length, const struct Stat *stat,
	const void *data)
{
	struct item *item = (struct item *)data;
	size_t size = length > 0 ? (size_t)length : 0;

	if (code != ZOK) {
		answer(item, translate(code));
		return;
	}
	item->bytes = malloc(size + 1);
	if (!item->bytes) {
		answer(item, -ENOMEM);
		return;
	}
	if (size)
		memcpy(item->bytes, value, size);
	item->bytes[size] = '\0';
	item->answer.size = size;
	item->answer.version = stat->version;
	item->answer.created = stat->ctime;
	item->answer.modified = stat->mtime;
	item->owner = stat->ephemeralOwner;
	answer(item, 0);
}

static int copy_names(struct item *item, const struct String_vector *strings)
{
	item->names = calloc((size_t)strings->count + 1, sizeof(*item->names));
	if (!item->names)
		return -ENOMEM;
	for (int i = 0; i < strings->count; i++) {
		item->names[i] = strdup(strings->data[i]);
		if (!item->names[i])
			return -ENOMEM;
		item->answer.n_names++;
	}
	return 0;
}

static void on_strings(int code, const struct String_vector *strings, const struct Stat *stat,
	const void *data)
{
	struct item *item = (struct item *)data;

	if (code == ZOK)
		item->answer.revision = (uint64_t)stat->pzxid;
	answer(item, code == ZOK ? copy_names(item, strings) : translate(code));
}

/* Operations behind the one that failed bear ZRUNTIMEINCONSISTENCY, those before it ZOK. */
static void on_multi(int code, const void *data)
{
	struct item *item = (struct item *)data;

	for (size_t i = 0; code != ZOK && i < item->n_results; i++)
		if (item->results[i].err != ZOK &&
			item->results[i].err != ZRUNTIMEINCONSISTENCY) {
			item->answer.failed = i;
			break;
		}
	answer(item, translate(code));
}

/* A refusal comes as a session event as well. */
static void on_auth(int code, const void *data)
{
	(void)code;
	(void)data;
}

/* --- the caller's thread: handles -------------------------------------------------------- */

static void free_item(struct item *item)
{
	for (size_t i = 0; i < item->answer.n_names; i++)
		free(item->names[i]);
	free(item->names);
	free(item->bytes);
	free(item->results);
	free(item);
}

static struct item *take_queue(struct zk *zk)
{
	struct item *all;

	pthread_mutex_lock(&zk->lock);
	all = zk->queue;
	zk->queue = NULL;
	zk->queue_end = &zk->queue;
	pthread_mutex_unlock(&zk->lock);
	return all;
}

static void earlier(int64_t *first, int64_t at)
{
	if (at && (*first == 0 || at < *first))
		*first = at;
}

static void arm_timer(struct zk *zk)
{
	struct itimerspec when = { 0 };
	int64_t at = 0;

	earlier(&at, zk->retry_at);
	earlier(&at, zk->outage_at);
	earlier(&at, zk->verdict_at);
	if (at) {
		when.it_value.tv_sec = at / 1000;
		when.it_value.tv_nsec = at % 1000 * 1000000 + 1;
	}
	timerfd_settime(zk->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void enter(struct zk *zk, enum store_state state, const char *detail)
{
	zk->state = state;
	zk->config.state(zk->config.data, state, detail);
}

static void retry_later(struct zk *zk, int error)
{
	char detail[256];

	zk->retry_at = clock_now() + zk->retry_ms;
	zk->retry_ms = zk->retry_ms * 2 < RETRY_HIGHEST_MS ? zk->retry_ms * 2 : RETRY_HIGHEST_MS;
	if (error == ENOENT || error == EINVAL)
		snprintf(detail, sizeof(detail), "none of the names %.150s resolves", zk->hosts);
	else
		snprintf(detail, sizeof(detail), "no client for %.150s: %s", zk->hosts,
			strerror(error));
	if (strcmp(detail, zk->detail) == 0)
		return;
	strcpy(zk->detail, detail);
	enter(zk, STORE_CONNECTING, detail);
}

/* The client's threads inherit the signal mask: the program's signals are none of theirs. */
static zhandle_t *new_handle(struct zk *zk)
{
	sigset_t all, before;
	zhandle_t *handle;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = 0;
	handle = zookeeper_init2(zk->hosts, on_session, (int)zk->config.session_timeout_ms, NULL,
		zk, ZOO_NO_LOG_CLIENTENV, zookeeper_log_function(zk->log_slot));
	error = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return handle;
}

static void open_handle(struct zk *zk)
{
	zk->handle = new_handle(zk);
	if (!zk->handle) {
		retry_later(zk, errno ? errno : EIO);
		return;
	}
	zk->retry_ms = RETRY_LOWEST_MS;
	zk->detail[0] = '\0';
	if (zk->credentials)
		zoo_add_auth(zk->handle, "digest", zk->credentials, (int)strlen(zk->credentials),
			on_auth, zk);
}

static void close_probe(struct zk *zk)
{
	if (zk->probe)
		zookeeper_close(zk->probe);
	zk->probe = NULL;
	zk->verdict_at = 0;
}

/* Calls every completion that is still awaited, so that afterwards all items are in the queue. */
static void close_handle(struct zk *zk)
{
	close_probe(zk);
	if (zk->handle)
		zookeeper_close(zk->handle);
	zk->handle = NULL;
	zk->session = 0;
	zk->outage_at = zk->retry_at = 0;
}

static void tell_answer(struct zk *zk, struct item *item)
{
	item->answer.bytes = item->bytes;
	item->answer.names = (const char *const *)item->names;
	item->answer.owned = item->owner != 0;
	item->answer.own = item->owner != 0 && item->owner == zk->session;
	item->done(item->data, &item->answer);
}

/* What is left of a session that is over: its answers are given, its events mean nothing. */
static void see_off(struct zk *zk, struct item *item)
{
	while (item) {
		struct item *next = item->next;

		if (item->kind == ITEM_ANSWER)
			tell_answer(zk, item);
		free_item(item);
		item = next;
	}
}

static void end_session(struct zk *zk, struct item *rest)
{
	zk->state = STORE_EXPIRED; /* calls from the answers are refused from here on */
	close_handle(zk);
	see_off(zk, rest);
	see_off(zk, take_queue(zk));
}

/* --- the caller's thread: events --------------------------------------------------------- */

static void connected(struct zk *zk)
{
	struct sockaddr_storage server;
	socklen_t size = sizeof(server);

	if (zookeeper_get_connected_host(zk->handle, (struct sockaddr *)&server, &size))
		close_on_exec(&server);
	zk->session = zoo_client_id(zk->handle)->client_id;
	zk->outage_at = 0;
	close_probe(zk);
	enter(zk, STORE_CONNECTED, NULL);
}

static void suspended(struct zk *zk)
{
	if (zk->state != STORE_CONNECTED)
		return;
	/* Expiry is told only by a server, so the clock for it is our own. */
	zk->outage_at = clock_now() + zoo_recv_timeout(zk->handle);
	enter(zk, STORE_SUSPENDED, NULL);
}

static void expired(struct zk *zk, struct item *rest, const char *detail)
{
	end_session(zk, rest);
	enter(zk, STORE_EXPIRED, detail);
	enter(zk, STORE_CONNECTING, NULL);
	open_handle(zk);
}

static void probe_event(struct zk *zk, int state)
{
	if (state == ZOO_CONNECTED_STATE && !zk->verdict_at)
		zk->verdict_at = clock_now() + zk->config.session_timeout_ms;
	else if (state != ZOO_CONNECTED_STATE)
		zk->verdict_at = 0;
	if (state == ZOO_EXPIRED_SESSION_STATE) { /* as dead as a handle can be: another one */
		close_probe(zk);
		zk->outage_at = clock_now() + zk->config.session_timeout_ms;
	}
}

/* Returns true when the items that follow went with the session. */
static bool session_event(struct zk *zk, const struct item *event, struct item *rest)
{
	if (event->handle != zk->handle) {
		if (event->handle == zk->probe)
			probe_event(zk, event->state);
		return false;
	}
	if (event->state == ZOO_CONNECTED_STATE) {
		connected(zk);
	} else if (event->state == ZOO_EXPIRED_SESSION_STATE) {
		expired(zk, rest, NULL);
		return true;
	} else if (event->state == ZOO_AUTH_FAILED_STATE) {
		end_session(zk, rest);
		enter(zk, STORE_REFUSED, "the server does not take digest credentials");
		return true;
	} else {
		suspended(zk);
	}
	return false;
}

static void tell_items(struct zk *zk)
{
	struct item *item = take_queue(zk), *next;
	bool over = false;

	for (; item && !over; item = next) {
		next = item->next;
		item->next = NULL;
		if (item->kind == ITEM_ANSWER)
			tell_answer(zk, item);
		else if (item->kind == ITEM_CHANGED)
			zk->config.changed(zk->config.data, item->path);
		else
			over = session_event(zk, item, next);
		free_item(item);
	}
}

static void tell_outage(struct zk *zk)
{
	char detail[256];

	zk->outage_at = 0;
	snprintf(detail, sizeof(detail),
		"no contact with %.150s for longer than the session lives: it may be over",
		zk->hosts);
	enter(zk, STORE_SUSPENDED, detail);
	close_probe(zk);
	zk->probe = new_handle(zk);
}

static void due(struct zk *zk)
{
	int64_t now = clock_now();

	if (zk->retry_at && now >= zk->retry_at) {
		zk->retry_at = 0;
		open_handle(zk);
	}
	if (zk->outage_at && now >= zk->outage_at)
		tell_outage(zk);
	if (zk->verdict_at && now >= zk->verdict_at)
		expired(zk, NULL, "the servers take new sessions and refuse this one");
}

static int zk_process(struct store *store)
{
	struct zk *zk = zk_of(store);
	uint64_t count;

	eventfd_read(zk->ready, &count);
	while (read(zk->timer, &count, sizeof(count)) > 0)
		;
	zookeeper_log_tell(zk->log_slot, &zk->log);
	if (!zk->told) {
		zk->told = true;
		enter(zk, STORE_CONNECTING, NULL);
		open_handle(zk);
	}
	tell_items(zk);
	due(zk);
	arm_timer(zk);
	return 0;
}

/* --- requests ---------------------------------------------------------------------------- */

static int new_request(struct zk *zk, store_done done, void *data, struct item **ret)
{
	struct item *item;

	if (zk->state != STORE_CONNECTED)
		return -ENOTCONN;
	item = new_item(zk, ITEM_ANSWER, "");
	if (!item)
		return -ENOMEM;
	item->done = done;
	item->data = data;
	*ret = item;
	return 0;
}

/* A request that the client did not take gives no answer. */
static int launched(struct item *item, int code)
{
	int result = translate(code);

	if (result < 0)
		free_item(item);
	return result == -ESTALE ? -ENOTCONN : result;
}

static int zk_children(struct store *store, const char *path, bool watch, store_done done,
	void *data)
{
	struct zk *zk = zk_of(store);
	struct item *item;
	int result = new_request(zk, done, data, &item);

	if (result < 0)
		return result;
	return launched(item, zoo_awget_children2(zk->handle, path, watch ? on_node : NULL, zk,
				      on_strings, item));
}

static int zk_get(struct store *store, const char *path, bool watch, store_done done, void *data)
{
	struct zk *zk = zk_of(store);
	struct item *item;
	int result = new_request(zk, done, data, &item);

	if (result < 0)
		return result;
	return launched(item,
		zoo_awget(zk->handle, path, watch ? on_node : NULL, zk, on_data, item));
}

static void write_operation(const struct zk *zk, zoo_op_t *op, const struct store_operation *from)
{
	const struct ACL_vector *acl = zk->credentials ? &ZOO_CREATOR_ALL_ACL :
							 &ZOO_OPEN_ACL_UNSAFE;
	const char *bytes = from->size ? from->bytes : "";

	switch (from->kind) {
	case STORE_CREATE:
		zoo_create_op_init(op, from->path, bytes, (int)from->size, acl, ZOO_PERSISTENT,
			NULL, 0);
		break;
	case STORE_CREATE_EPHEMERAL:
		zoo_create_op_init(op, from->path, bytes, (int)from->size, acl, ZOO_EPHEMERAL,
			NULL, 0);
		break;
	case STORE_DELETE:
		zoo_delete_op_init(op, from->path, from->version);
		break;
	case STORE_SET:
		zoo_set_op_init(op, from->path, bytes, (int)from->size, from->version, NULL);
		break;
	case STORE_CHECK:
		zoo_check_op_init(op, from->path, from->version);
		break;
	}
}

static int zk_multi(struct store *store, const struct store_operation *operations, size_t n,
	store_done done, void *data)
{
	struct zk *zk = zk_of(store);
	struct item *item;
	zoo_op_t *ops;
	int result = new_request(zk, done, data, &item);

	if (result < 0)
		return result;
	ops = calloc(n, sizeof(*ops));
	item->results = calloc(n, sizeof(*item->results));
	item->n_results = n;
	if (!ops || !item->results) {
		free(ops);
		free_item(item);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		write_operation(zk, &ops[i], &operations[i]);
	result = launched(item, zoo_amulti(zk->handle, (int)n, ops, item->results, on_multi, item));
	free(ops);
	return result;
}

/* --- life -------------------------------------------------------------------------------- */

static int zk_descriptor(struct store *store)
{
	return zk_of(store)->epoll;
}

static uint64_t zk_session(struct store *store)
{
	return (uint64_t)zk_of(store)->session;
}

static unsigned zk_timeout(struct store *store)
{
	struct zk *zk = zk_of(store);

	return zk->session ? (unsigned)zoo_recv_timeout(zk->handle) : zk->config.session_timeout_ms;
}

static int bad_hosts(struct error *error, const char *address, const char *what)
{
	return error_set(error, -EINVAL, NETI_TROUBLE_SETTINGS, "registry hosts \"%.200s\": %s",
		address, what);
}

/* The client wants a port behind every host. (Its headers have a "struct buffer" of their own, so
 * ours cannot be used here.) */
static int write_hosts(struct zk *zk, const char *address, struct error *error)
{
	size_t n = 1;
	char *out;

	for (const char *c = address; *c; c++)
		n += *c == ',';
	out = zk->hosts = malloc(strlen(address) + n * sizeof(":" DEFAULT_PORT));
	if (!out)
		return error_memory(error);
	for (const char *host = address;;) {
		size_t length = strcspn(host, ",");

		if (length == 0 || strcspn(host, " \t\n") < length)
			return bad_hosts(error, address, "not HOST:PORT,HOST:PORT,...");
		memcpy(out, host, length);
		out += length;
		if (!memchr(host, ':', length))
			out = stpcpy(out, ":" DEFAULT_PORT);
		if (!host[length])
			break;
		*out++ = ',';
		host += length + 1;
	}
	*out = '\0';
	return 0;
}

static int open_descriptors(struct zk *zk)
{
	struct epoll_event event = { .events = EPOLLIN };

	zk->epoll = epoll_create1(EPOLL_CLOEXEC);
	zk->ready = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	zk->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (zk->epoll < 0 || zk->ready < 0 || zk->timer < 0 ||
		epoll_ctl(zk->epoll, EPOLL_CTL_ADD, zk->ready, &event) < 0 ||
		epoll_ctl(zk->epoll, EPOLL_CTL_ADD, zk->timer, &event) < 0)
		return -errno;
	return 0;
}

static void zk_close(struct store *store)
{
	struct zk *zk = zk_of(store);
	struct item *item, *next;

	zk->state = STORE_EXPIRED;
	close_handle(zk);
	for (item = take_queue(zk); item; item = next) {
		next = item->next;
		free_item(item);
	}
	zookeeper_log_close(zk->log_slot);
	for (size_t i = 0; i < 3; i++) {
		int fd = (int[]){ zk->timer, zk->ready, zk->epoll }[i];

		if (fd >= 0)
			close(fd);
	}
	pthread_mutex_destroy(&zk->lock);
	if (zk->credentials)
		explicit_bzero(zk->credentials, strlen(zk->credentials));
	free(zk->credentials);
	free(zk->hosts);
	free(zk);
}

static int start(struct zk *zk, const struct store_config *config, struct error *error)
{
	int result = write_hosts(zk, config->address, error);

	if (result < 0)
		return result;
	if (config->credentials) {
		zk->credentials = strdup(config->credentials);
		if (!zk->credentials)
			return error_memory(error);
	}
	result = open_descriptors(zk);
	if (result < 0)
		return error_set(error, result, NETI_TROUBLE_SYSTEM, "registry %s: %s", zk->hosts,
			strerror(-result));
	zk->log_slot = zookeeper_log_open(&zk->log, zk->ready);
	zoo_set_debug_level(zk->log.write && zk->log.level >= NETI_LOG_DEBUG ? ZOO_LOG_LEVEL_INFO :
									     ZOO_LOG_LEVEL_WARN);
	return 0;
}

static int zk_open(struct store **ret, const struct store_config *config, struct error *error)
{
	struct zk *zk = calloc(1, sizeof(*zk));
	int result;

	if (!zk)
		return error_memory(error);
	zk->store.backend = &store_zookeeper;
	zk->config = *config;
	zk->config.address = zk->config.credentials = NULL; /* not ours to keep */
	if (config->log)
		zk->log = *config->log;
	pthread_mutex_init(&zk->lock, NULL);
	zk->queue_end = &zk->queue;
	zk->retry_ms = RETRY_LOWEST_MS;
	zk->epoll = zk->ready = zk->timer = zk->log_slot = -1;
	result = start(zk, config, error);
	if (result < 0) {
		zk_close(&zk->store);
		return result;
	}
	*ret = &zk->store;
	return 0;
}

const struct store_backend store_zookeeper = {
	.scheme = "zookeeper://",
	.rooted = true,
	.open = zk_open,
	.close = zk_close,
	.descriptor = zk_descriptor,
	.process = zk_process,
	.session = zk_session,
	.timeout = zk_timeout,
	.children = zk_children,
	.get = zk_get,
	.multi = zk_multi,
};
