/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store in a ZooKeeper ensemble: sessions, outages, when to try again. The client itself is
 * called in client.c alone.
 *
 * The client's threads fill a queue and write to an eventfd. Everything else happens in
 * process(), on the caller's thread; handles are made and closed there and nowhere else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"
#include "hosts.h"
#include "log.h"
#include "registry/retry.h"
#include "registry/store.h"

#define RETRY_LOWEST_MS 500 /* for names that do not resolve */
#define RETRY_HIGHEST_MS 30000
/* What a server may make of the session's time-out. */
#define TIMEOUT_LOWEST_MS 100
#define TIMEOUT_HIGHEST_MS (3600 * 1000)

struct zk {
	struct store store;
	struct store_config config;
	struct log log;
	char *hosts;
	char *credentials;
	struct zookeeper_client *client;
	/*
	 * A server that lost its data, or was restored from an old copy, refuses every client that
	 * has seen more of it: that session never ends and never comes back. So when an outage
	 * outlasts the session, a second handle asks whether the servers take anybody else.
	 */
	struct zookeeper_client *probe;
	int64_t verdict_at; /* the probe is in; so long the session has to come back */
	enum store_state state;
	bool told; /* the state as it is now */
	char detail[256];
	int64_t session;
	int64_t retry_at, outage_at; /* milliseconds of CLOCK_MONOTONIC; 0: none */
	int64_t retry_ms;
	struct retry sessions;
	int log_slot;
	int epoll, timer;
	struct zookeeper_queue queue;
};

static struct zk *zk_of(struct store *store)
{
	return (struct zk *)store;
}

/* --- handles ----------------------------------------------------------------------------- */

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

static void retry_later(struct zk *zk)
{
	zk->retry_at = clock_now() + zk->retry_ms;
	zk->retry_ms = zk->retry_ms * 2 < RETRY_HIGHEST_MS ? zk->retry_ms * 2 : RETRY_HIGHEST_MS;
}

static void explain_retry(struct zk *zk, int error)
{
	char detail[256];

	if (!zk->detail[0]) /* the first in a row */
		zk->retry_ms = RETRY_LOWEST_MS;
	retry_later(zk);
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

static int new_client(struct zk *zk, const char *credentials, struct zookeeper_client **ret)
{
	struct zookeeper_client_config config = {
		.hosts = zk->hosts,
		.credentials = credentials,
		.timeout_ms = zk->config.session_timeout_ms,
		.log_slot = zk->log_slot,
		.queue = &zk->queue,
	};

	return zookeeper_client_open(ret, &config);
}

static void open_client(struct zk *zk)
{
	int result = new_client(zk, zk->credentials, &zk->client);

	if (result < 0) {
		explain_retry(zk, -result);
		return;
	}
	zk->detail[0] = '\0';
}

/* At once, unless they are ended one after the other: whoever does that shall not keep a host busy. */
static void open_again(struct zk *zk)
{
	int64_t at = retry_at(&zk->sessions, 0);

	enter(zk, STORE_CONNECTING, zk->sessions.ms > 0 ? RETRY_SESSIONS : NULL);
	if (zk->sessions.ms > 0)
		zk->retry_at = at;
	else
		open_client(zk);
}

static void close_probe(struct zk *zk)
{
	zk->probe = zookeeper_client_close(zk->probe);
	zk->verdict_at = 0;
}

/* Afterwards all items are in the queue. */
static void close_client(struct zk *zk)
{
	close_probe(zk);
	zk->client = zookeeper_client_close(zk->client);
	zk->session = 0;
	zk->outage_at = zk->retry_at = 0;
}

static void tell_answer(struct zookeeper_item *item)
{
	item->request.answer.owner = (uint64_t)item->owner;
	request_tell(&item->request);
}

/* What is left of a session that is over: its answers are given, its events mean nothing. */
static void drain(struct zookeeper_item *item)
{
	while (item) {
		struct zookeeper_item *next = item->next;

		if (item->kind == ZOOKEEPER_ANSWER)
			tell_answer(item);
		zookeeper_item_free(item);
		item = next;
	}
}

static void end_session(struct zk *zk, struct zookeeper_item *rest)
{
	zk->state = STORE_EXPIRED; /* calls from the answers are refused from here on */
	close_client(zk);
	drain(rest);
	drain(zookeeper_queue_take(&zk->queue));
}

/* --- events ------------------------------------------------------------------------------ */

static void expired(struct zk *zk, struct zookeeper_item *rest, const char *detail)
{
	end_session(zk, rest);
	enter(zk, STORE_EXPIRED, detail);
	open_again(zk);
}

/* The client keeps to whatever time-out it was told, and asks the next server for the same: only
 * another client forgets it. With one of 0 it is gone again before it can tell that it was there. */
static bool timeout_is_possible(const struct zookeeper_client *client)
{
	unsigned timeout = zookeeper_client_timeout(client);

	return timeout >= TIMEOUT_LOWEST_MS && timeout <= TIMEOUT_HIGHEST_MS;
}

static void impossible(struct zk *zk, struct zookeeper_item *rest)
{
	expired(zk, rest,
		"the server granted a session without an id, or with an impossible time-out");
}

/* Returns true when it is none that anybody could hold. */
static bool connected(struct zk *zk, struct zookeeper_item *rest)
{
	zk->session = zookeeper_client_session(zk->client);
	if (zk->session == 0 || !timeout_is_possible(zk->client)) {
		impossible(zk, rest);
		return true;
	}
	zk->outage_at = 0;
	close_probe(zk);
	if (zk->state != STORE_CONNECTED)
		enter(zk, STORE_CONNECTED, NULL);
	return false;
}

static void suspended(struct zk *zk)
{
	if (zk->state != STORE_CONNECTED)
		return;
	/* Expiry is told only by a server, so the clock for it is our own. */
	zk->outage_at = clock_now() + zookeeper_client_timeout(zk->client);
	enter(zk, STORE_SUSPENDED, NULL);
}

static void probe_event(struct zk *zk, enum zookeeper_event event)
{
	if (event == ZOOKEEPER_CONNECTED && !zk->verdict_at)
		zk->verdict_at = clock_now() + zk->config.session_timeout_ms;
	else if (event != ZOOKEEPER_CONNECTED)
		zk->verdict_at = 0;
	if (event == ZOOKEEPER_EXPIRED ||
		!timeout_is_possible(zk->probe)) { /* another one, later */
		close_probe(zk);
		zk->outage_at = clock_now() + zk->config.session_timeout_ms;
	}
}

/* Tried again now and then: it may have been a server that is set up wrongly, or somebody who is
 * none. */
static void refused(struct zk *zk, struct zookeeper_item *rest)
{
	end_session(zk, rest);
	zk->retry_ms = RETRY_HIGHEST_MS;
	retry_later(zk);
	enter(zk, STORE_REFUSED, "the server does not take digest credentials");
}

/* Returns true when the items that follow went with the session. */
static bool session_event(struct zk *zk, const struct zookeeper_item *item,
	struct zookeeper_item *rest)
{
	if (item->client != zk->client) {
		if (item->client == zk->probe)
			probe_event(zk, item->event);
		return false;
	}
	switch (item->event) {
	case ZOOKEEPER_CONNECTED:
		return connected(zk, rest);
	case ZOOKEEPER_DISCONNECTED:
		if (timeout_is_possible(zk->client)) {
			suspended(zk);
			return false;
		}
		impossible(zk, rest);
		return true;
	case ZOOKEEPER_EXPIRED:
		expired(zk, rest, NULL);
		return true;
	case ZOOKEEPER_REFUSED:
		refused(zk, rest);
		return true;
	}
	return false;
}

static void tell_items(struct zk *zk)
{
	struct zookeeper_item *item = zookeeper_queue_take(&zk->queue), *next;
	bool over = false;

	for (; item && !over; item = next) {
		next = item->next;
		item->next = NULL;
		if (item->kind == ZOOKEEPER_ANSWER)
			tell_answer(item);
		else if (item->kind == ZOOKEEPER_CHANGED)
			zk->config.changed(zk->config.data, item->path);
		else
			over = session_event(zk, item, next);
		zookeeper_item_free(item);
	}
}

static void tell_outage(struct zk *zk)
{
	char detail[256];

	zk->outage_at = 0;
	if (zookeeper_client_is_connected(zk->client)) { /* a server's word alone */
		connected(zk, NULL);
		return;
	}
	snprintf(detail, sizeof(detail),
		"no contact with %.150s for longer than the session lives: it may be over",
		zk->hosts);
	enter(zk, STORE_SUSPENDED, detail);
	close_probe(zk);
	new_client(zk, NULL, &zk->probe);
}

static void due(struct zk *zk)
{
	int64_t now = clock_now();

	if (zk->retry_at && now >= zk->retry_at) {
		zk->retry_at = 0;
		open_client(zk);
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

	eventfd_read(zk->queue.ready, &count);
	while (read(zk->timer, &count, sizeof(count)) > 0)
		;
	zookeeper_log_tell(zk->log_slot, &zk->log);
	if (!zk->told) {
		zk->told = true;
		enter(zk, STORE_CONNECTING, NULL);
		open_client(zk);
	}
	tell_items(zk);
	due(zk);
	arm_timer(zk);
	return 0;
}

/* --- requests ---------------------------------------------------------------------------- */

static int new_request(struct zk *zk, store_done done, void *data, struct zookeeper_item **ret)
{
	struct zookeeper_item *item;

	if (zk->state != STORE_CONNECTED)
		return -ENOTCONN;
	item = zookeeper_item_new(&zk->queue, ZOOKEEPER_ANSWER, "");
	if (!item)
		return -ENOMEM;
	item->request.done = done;
	item->request.data = data;
	*ret = item;
	return 0;
}

static int zk_children(struct store *store, const char *path, bool watch, store_done done,
	void *data)
{
	struct zk *zk = zk_of(store);
	struct zookeeper_item *item;
	int result = new_request(zk, done, data, &item);

	return result < 0 ? result : zookeeper_client_children(zk->client, path, watch, item);
}

static int zk_get(struct store *store, const char *path, bool watch, store_done done, void *data)
{
	struct zk *zk = zk_of(store);
	struct zookeeper_item *item;
	int result = new_request(zk, done, data, &item);

	return result < 0 ? result : zookeeper_client_get(zk->client, path, watch, item);
}

static int zk_multi(struct store *store, const struct store_operation *operations, size_t n,
	store_done done, void *data)
{
	struct zk *zk = zk_of(store);
	struct zookeeper_item *item;
	int result = new_request(zk, done, data, &item);

	return result < 0 ? result : zookeeper_client_multi(zk->client, operations, n, item);
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

	return zk->session ? zookeeper_client_timeout(zk->client) : zk->config.session_timeout_ms;
}

static int open_descriptors(struct zk *zk)
{
	struct epoll_event event = { .events = EPOLLIN };

	zk->epoll = epoll_create1(EPOLL_CLOEXEC);
	zk->queue.ready = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	zk->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (zk->epoll < 0 || zk->queue.ready < 0 || zk->timer < 0 ||
		epoll_ctl(zk->epoll, EPOLL_CTL_ADD, zk->queue.ready, &event) < 0 ||
		epoll_ctl(zk->epoll, EPOLL_CTL_ADD, zk->timer, &event) < 0)
		return -errno;
	return 0;
}

static void zk_close(struct store *store)
{
	struct zk *zk = zk_of(store);

	zk->state = STORE_EXPIRED;
	close_client(zk);
	zookeeper_queue_stop(&zk->queue);
	zookeeper_log_close(zk->log_slot);
	for (size_t i = 0; i < 3; i++) {
		int fd = (int[]){ zk->timer, zk->queue.ready, zk->epoll }[i];

		if (fd >= 0)
			close(fd);
	}
	if (zk->credentials)
		explicit_bzero(zk->credentials, strlen(zk->credentials));
	free(zk->credentials);
	free(zk->hosts);
	free(zk);
}

static int start(struct zk *zk, const struct store_config *config, struct error *error)
{
	int result = zookeeper_hosts_write(&zk->hosts, config->address, error);

	if (result < 0)
		return result;
	if (config->credentials) {
		zk->credentials = strdup(config->credentials);
		if (!zk->credentials)
			return error_memory(error);
	}
	result = open_descriptors(zk);
	if (result < 0)
		return error_set(error, result, NETI_REASON_SYSTEM, "registry %s: %s", zk->hosts,
			strerror(-result));
	zk->log_slot = zookeeper_log_open(&zk->log, zk->queue.ready);
	zookeeper_client_verbose(zk->log.write && zk->log.level >= NETI_LOG_DEBUG);
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
	zookeeper_queue_start(&zk->queue);
	zk->retry_ms = RETRY_LOWEST_MS;
	zk->epoll = zk->timer = zk->log_slot = -1;
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
