/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * This is the only file that calls the ZooKeeper client: its codes become -errno here, its
 * callbacks items of a queue. What they mean for the session is decided above. (Its headers have
 * a "struct buffer" of their own, so ours cannot be used here.)
 */
#define THREADED
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#include "base/thread.h"
#include "client.h"
#include "close_on_exec.h"
#include "hosts.h"
#include "log.h"

#define UNANSWERED 1 /* no code of ZooKeeper's */

struct zookeeper_client {
	zhandle_t *handle;
	struct zookeeper_queue *queue;
	bool credentials;
};

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

static enum zookeeper_event event_of(int state)
{
	if (state == ZOO_CONNECTED_STATE)
		return ZOOKEEPER_CONNECTED;
	if (state == ZOO_EXPIRED_SESSION_STATE)
		return ZOOKEEPER_EXPIRED;
	return state == ZOO_AUTH_FAILED_STATE ? ZOOKEEPER_REFUSED : ZOOKEEPER_DISCONNECTED;
}

/* Here rather than on the owner's thread, which may look after it only at its next call. */
static void mark_connection(zhandle_t *handle)
{
	struct sockaddr_storage server;
	socklen_t size = sizeof(server);

	if (zookeeper_get_connected_host(handle, (struct sockaddr *)&server, &size))
		close_on_exec(&server);
}

static void on_session(zhandle_t *handle, int type, int state, const char *path, void *context)
{
	struct zookeeper_client *client = context;
	struct zookeeper_item *item;

	(void)path;
	if (type != ZOO_SESSION_EVENT)
		return;
	/* The handle is not in the client yet when it is the first event. */
	if (zoo_state(handle) == ZOO_CONNECTED_STATE)
		mark_connection(handle);
	item = zookeeper_item_new(client->queue, ZOOKEEPER_SESSION, "");
	if (!item)
		return;
	/* A server may send an event that says anything: a good state is believed when the handle is
	 * in it. A lost connection is told while the handle still says that it has one. */
	item->event = event_of(state);
	if (item->event != event_of(zoo_state(handle)))
		item->event = ZOOKEEPER_DISCONNECTED;
	item->client = client;
	zookeeper_queue_push(client->queue, item);
}

/* Node watchers hear of the session too; that is on_session's. */
static void on_node(zhandle_t *handle, int type, int state, const char *path, void *context)
{
	struct zookeeper_client *client = context;
	struct zookeeper_item *item;

	(void)handle;
	(void)state;
	if (type == ZOO_SESSION_EVENT || !path)
		return;
	item = zookeeper_item_new(client->queue, ZOOKEEPER_CHANGED, path);
	if (item)
		zookeeper_queue_push(client->queue, item);
}

static void answer(struct zookeeper_item *item, int result)
{
	item->request.answer.result = result;
	zookeeper_queue_push(item->queue, item);
}

static void on_data(int code, const char *value, int length, const struct Stat *stat,
	const void *data)
{
	struct zookeeper_item *item = (struct zookeeper_item *)data;
	struct store_answer *to = &item->request.answer;

	if (code != ZOK || !stat || length < -1) {
		answer(item, code != ZOK ? translate(code) : -EBADMSG);
		return;
	}
	to->version = stat->version;
	to->created = stat->ctime;
	to->modified = stat->mtime;
	item->owner = stat->ephemeralOwner;
	answer(item, request_set_bytes(&item->request, value, length > 0 ? (size_t)length : 0));
}

static void on_strings(int code, const struct String_vector *strings, const struct Stat *stat,
	const void *data)
{
	struct zookeeper_item *item = (struct zookeeper_item *)data;
	int result = translate(code);

	if (code == ZOK && (!strings || !stat || strings->count < 0 ||
				   (size_t)strings->count > STORE_NAMES_MAX ||
				   (strings->count > 0 && !strings->data)))
		result = -EBADMSG;
	if (result == 0)
		item->request.answer.revision = (uint64_t)stat->pzxid;
	for (int i = 0; result == 0 && i < strings->count; i++)
		result = request_add_name(&item->request, strings->data[i]);
	answer(item, result);
}

/*
 * Operations behind the one that failed bear ZRUNTIMEINCONSISTENCY, those before it ZOK. That each
 * of them was answered is seen by what they were filled with; that all was done is believed when
 * every one of them says so.
 */
static void on_multi(int code, const void *data)
{
	struct zookeeper_item *item = (struct zookeeper_item *)data;
	const zoo_op_result_t *results = item->results;
	size_t first = 0;

	while (first < item->n_results &&
		(results[first].err == ZOK || results[first].err == ZRUNTIMEINCONSISTENCY))
		first++;
	if (code != ZOK && first < item->n_results)
		item->request.answer.failed = first;
	answer(item, code == ZOK && first < item->n_results ? -EBADMSG : translate(code));
}

/* A refusal comes as a session event as well. */
static void on_auth(int code, const void *data)
{
	(void)code;
	(void)data;
}

/* --- handles ----------------------------------------------------------------------------- */

struct opening {
	struct zookeeper_client *client;
	const struct zookeeper_client_config *config;
	zhandle_t *handle;
	int error;
};

/* Runs on a thread of its own, because the client's threads inherit its name and its blocked
 * signals, and the caller's are not to be touched, nor for a moment. */
static void *make_handle(void *data)
{
	struct opening *opening = data;
	const struct zookeeper_client_config *config = opening->config;
	struct open_descriptors open;
	char *hosts;

	pthread_setname_np(pthread_self(), "neti-zookeeper");
	opening->error = ENOMEM;
	hosts = zookeeper_hosts_odd(config->hosts);
	if (!hosts)
		return NULL;
	close_on_exec_note(&open);
	errno = 0;
	opening->handle = zookeeper_init2(hosts, on_session, (int)config->timeout_ms, NULL,
		opening->client, ZOO_NO_LOG_CLIENTENV, zookeeper_log_function(config->log_slot));
	opening->error = errno ? errno : EIO;
	/* By itself it resolves all names at every turn of its loop, and opens /dev/urandom for each, which
	 * a program that is started just then inherits. Now it does so when it looks for a server. */
	if (opening->handle)
		zoo_set_servers_resolution_delay(opening->handle, -1);
	close_on_exec_pipes(&open);
	free(hosts);
	return NULL;
}

static int open_handle(struct zookeeper_client *client,
	const struct zookeeper_client_config *config)
{
	struct opening opening = { .client = client, .config = config };
	pthread_t thread;
	int result = thread_start(&thread, make_handle, &opening);

	if (result < 0)
		return result;
	pthread_join(thread, NULL);
	client->handle = opening.handle;
	return client->handle ? 0 : -opening.error;
}

int zookeeper_client_open(struct zookeeper_client **ret,
	const struct zookeeper_client_config *config)
{
	struct zookeeper_client *client = calloc(1, sizeof(*client));
	int result;

	if (!client)
		return -ENOMEM;
	client->queue = config->queue;
	client->credentials = config->credentials;
	result = open_handle(client, config);
	if (result < 0) {
		free(client);
		return result;
	}
	if (config->credentials)
		zoo_add_auth(client->handle, "digest", config->credentials,
			(int)strlen(config->credentials), on_auth, NULL);
	*ret = client;
	return 0;
}

struct zookeeper_client *zookeeper_client_close(struct zookeeper_client *client)
{
	if (client)
		zookeeper_close(client->handle); /* calls every completion that is still awaited */
	free(client);
	return NULL;
}

int64_t zookeeper_client_session(const struct zookeeper_client *client)
{
	return zoo_client_id(client->handle)->client_id;
}

bool zookeeper_client_is_connected(const struct zookeeper_client *client)
{
	return zoo_state(client->handle) == ZOO_CONNECTED_STATE;
}

unsigned zookeeper_client_timeout(const struct zookeeper_client *client)
{
	return (unsigned)zoo_recv_timeout(client->handle);
}

void zookeeper_client_verbose(bool verbose)
{
	zoo_set_debug_level(verbose ? ZOO_LOG_LEVEL_INFO : ZOO_LOG_LEVEL_WARN);
}

/* --- requests ---------------------------------------------------------------------------- */

/* A request that the client did not take gives no answer. */
static int launched(struct zookeeper_item *item, int code)
{
	int result = translate(code);

	if (result < 0)
		zookeeper_item_free(item);
	return result == -ESTALE ? -ENOTCONN : result;
}

int zookeeper_client_children(struct zookeeper_client *client, const char *path, bool watch,
	struct zookeeper_item *item)
{
	return launched(item, zoo_awget_children2(client->handle, path, watch ? on_node : NULL,
				      client, on_strings, item));
}

int zookeeper_client_get(struct zookeeper_client *client, const char *path, bool watch,
	struct zookeeper_item *item)
{
	return launched(item,
		zoo_awget(client->handle, path, watch ? on_node : NULL, client, on_data, item));
}

static void write_operation(const struct zookeeper_client *client, zoo_op_t *op,
	const struct store_operation *from)
{
	const struct ACL_vector *acl =
		client->credentials ? &ZOO_CREATOR_ALL_ACL : &ZOO_OPEN_ACL_UNSAFE;
	const char *bytes = from->size ? from->bytes : "";

	switch (from->kind) {
	case STORE_CREATE:
		zoo_create_op_init(op, from->path, bytes, (int)from->size, acl, ZOO_PERSISTENT,
			NULL, 0);
		break;
	case STORE_CREATE_EPHEMERAL:
		zoo_create_op_init(op, from->path, bytes, (int)from->size, acl, ZOO_EPHEMERAL, NULL,
			0);
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

int zookeeper_client_multi(struct zookeeper_client *client,
	const struct store_operation *operations, size_t n, struct zookeeper_item *item)
{
	zoo_op_result_t *results = calloc(n, sizeof(*results));
	zoo_op_t *ops = calloc(n, sizeof(*ops));
	int result;

	item->results = results;
	item->n_results = n;
	if (!ops || !results) {
		free(ops);
		zookeeper_item_free(item);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		results[i].err = UNANSWERED;
		write_operation(client, &ops[i], &operations[i]);
	}
	result = launched(item, zoo_amulti(client->handle, (int)n, ops, results, on_multi, item));
	free(ops);
	return result;
}
