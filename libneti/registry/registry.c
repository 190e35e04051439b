/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening, closing and dispatch: events of the store go to the state machines that last, and
 * their next moments into one timer. Knows no store by more than its row in a table.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "internal.h"

#define SPREAD_MEMBERS 512 /* a smaller fleet may do everything at once */
#define STARTED_MS 10	   /* what was due and did not start waits for so long */

static const struct store_backend *const backends[] = { &store_zookeeper, &store_sqlite };

int64_t registry_now(void)
{
	return clock_now();
}

uint64_t registry_random(uint64_t limit)
{
	uint64_t number, fair = UINT64_MAX - UINT64_MAX % limit;

	do {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			number = UINT64_MAX;
	} while (number >= fair);
	return number % limit;
}

int64_t registry_spread(const struct registry *registry, unsigned microseconds, unsigned most_ms)
{
	uint64_t span = registry->watch.members * (uint64_t)microseconds / 1000;

	if (registry->watch.members < SPREAD_MEMBERS)
		return 0;
	return (int64_t)registry_random((span < most_ms ? span : most_ms) + 1);
}

bool registry_connected(const struct registry *registry)
{
	return registry->state == STORE_CONNECTED;
}

bool registry_due(int64_t *at)
{
	if (*at && registry_now() < *at)
		return false;
	*at = 0;
	return true;
}

bool registry_lost(int result)
{
	return result == -ECONNRESET || result == -ESTALE || result == -ENOTCONN;
}

void registry_trouble(struct registry *registry, enum registry_trouble which,
	const struct error *error)
{
	const char *text = error ? error->text : "";

	if (strcmp(registry->told[which], text) == 0)
		return;
	strcpy(registry->told[which], text);
	if (registry->handler.trouble)
		registry->handler.trouble(registry->handler.data, which, error);
}

struct node_path registry_path(const struct registry *registry, const char *format, ...)
{
	struct node_path path;
	size_t length = strlen(registry->root);
	va_list arguments;

	memcpy(path.text, registry->root, length + 1);
	va_start(arguments, format);
	text_format(path.text + length, sizeof(path.text) - length, format, arguments);
	va_end(arguments);
	return path;
}

int registry_create(struct registry *registry, const char *path, const char *bytes,
	store_done done, void *data)
{
	struct store_operation create = {
		.kind = STORE_CREATE,
		.path = path,
		.bytes = bytes,
		.size = bytes ? strlen(bytes) : 0,
	};

	return registry->backend->multi(registry->store, &create, 1, done, data);
}

int registry_explain(const struct registry *registry, int result, const char *doing,
	struct error *error)
{
	enum neti_reason reason = NETI_REASON_REGISTRY;
	const char *why = strerror(-result);

	if (result == -EACCES) {
		reason = NETI_REASON_DENIED;
		why = "access is denied";
	} else if (result == -EBADMSG) {
		why = "the server's answer cannot be understood";
	} else if (registry_lost(result)) {
		why = "the connection was lost";
	}
	return error_set(error, result, reason, "registry %s, while %s: %s", registry->uri, doing,
		why);
}

int64_t registry_pause(int result)
{
	if (registry_lost(result))
		return 0;
	if (result == -EEXIST || result == -EAGAIN)
		return REGISTRY_AGAIN_MS;
	return result == -ENOENT ? 4 * REGISTRY_AGAIN_MS : RETRY_MOST_MS;
}

void registry_failed(struct registry *registry, enum registry_trouble which, int result,
	const char *doing)
{
	struct error error;

	registry_explain(registry, result, doing, &error);
	registry_trouble(registry, which, &error);
}

/* --- the timer --------------------------------------------------------------------------- */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void arm_timer(struct registry *registry)
{
	int64_t at = layout_next(registry), soonest = registry_now() + STARTED_MS;
	struct itimerspec when = { 0 };

	at = sooner(at, watch_next(registry));
	at = sooner(at, membership_next(registry));
	at = sooner(at, lease_next(registry));
	at = sooner(at, twin_next(registry));
	at = sooner(at, wait_next(registry));
	if (at < soonest)
		at = soonest;
	if (at < REGISTRY_NEVER) {
		when.it_value.tv_sec = at / 1000;
		when.it_value.tv_nsec = at % 1000 * 1000000 + 1;
	}
	timerfd_settime(registry->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* In the order in which they build on each other. */
void registry_advance(struct registry *registry)
{
	layout_advance(registry);
	watch_advance(registry);
	membership_advance(registry);
	lease_advance(registry);
	twin_advance(registry);
	arm_timer(registry);
}

/* --- events of the store ----------------------------------------------------------------- */

static void unreachable(struct registry *registry, enum store_state state)
{
	bool refused = state == STORE_REFUSED;
	struct error error;

	error_set(&error, refused ? -EACCES : -ENOTCONN,
		refused ? NETI_REASON_DENIED : NETI_REASON_REGISTRY, "registry %s: %s", registry->uri,
		*registry->detail ? registry->detail : "access is denied");
	registry_trouble(registry, REGISTRY_TROUBLE_FLEET, &error);
}

static void on_state(void *data, enum store_state state, const char *detail)
{
	static const char *const words[] = {
		[STORE_CONNECTING] = "connecting",
		[STORE_CONNECTED] = "connected",
		[STORE_SUSPENDED] = "connection lost",
		[STORE_EXPIRED] = "session expired",
		[STORE_REFUSED] = "refused",
	};
	struct registry *registry = data;

	registry->state = state;
	snprintf(registry->detail, sizeof(registry->detail), "%s", detail ? detail : "");
	log_info(&registry->log, "registry %s: %s%s%s", registry->uri, words[state],
		detail ? ": " : "", registry->detail);
	if (state == STORE_CONNECTED)
		twin_connected(registry);
	if (state == STORE_EXPIRED || state == STORE_REFUSED) { /* the session is over */
		layout_lost(registry);
		watch_lost(registry);
		membership_lost(registry);
	}
	if (state == STORE_CONNECTED)
		watch_connected(registry);
	if (registry->handler.state)
		registry->handler.state(registry->handler.data, state, detail);
	if (state == STORE_REFUSED || (state == STORE_CONNECTING && detail))
		unreachable(registry, state);
}

static void on_changed(void *data, const char *path)
{
	struct registry *registry = data;

	layout_changed(registry, path);
	watch_changed(registry, path);
	membership_changed(registry, path);
}

static void on_replaced(void *data, const char *why)
{
	watch_replaced(data, why);
}

int registry_process(struct registry *registry)
{
	uint64_t count;
	int result;

	if (registry->processing)
		return -EDEADLK;
	registry->processing = true;
	while (read(registry->timer, &count, sizeof(count)) > 0)
		;
	result = registry->backend->process(registry->store);
	registry_advance(registry);
	registry->processing = false;
	return result;
}

int registry_descriptor(struct registry *registry)
{
	return registry->epoll;
}

uint64_t registry_session(struct registry *registry)
{
	return registry->backend->session(registry->store);
}

unsigned registry_timeout(struct registry *registry)
{
	return registry->backend->timeout(registry->store);
}

/* --- open and close ---------------------------------------------------------------------- */

static const struct store_backend *find_backend(const char *uri)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(*backends); i++)
		if (strncmp(uri, backends[i]->scheme, strlen(backends[i]->scheme)) == 0)
			return backends[i];
	return NULL;
}

static int bad_uri(const char *uri, const char *what, struct error *error)
{
	return error_set(error, -EINVAL, NETI_REASON_SETTINGS, "registry \"%.200s\": %s", uri,
		what);
}

static bool is_root(const char *root)
{
	if (strlen(root) > REGISTRY_ROOT_MAX || root[0] != '/')
		return false;
	for (const char *part = root; *part;) {
		size_t length = strcspn(++part, "/");

		if (length == 0 || strspn(part, ".") >= length)
			return false;
		for (size_t i = 0; i < length; i++)
			if (!text_is_graph(part[i]))
				return false;
		part += length;
	}
	return true;
}

/* The address alone, the root taken off into the registry. The caller frees. */
static int split_uri(struct registry *registry, char **ret_address, struct error *error)
{
	const char *uri = registry->uri, *address = uri + strlen(registry->backend->scheme);
	size_t length = strlen(address), root;

	if (registry->backend->rooted) {
		while (length > 1 && address[length - 1] == '/')
			length--;
		root = strcspn(address, "/");
		if (root >= length)
			return bad_uri(uri, "no root such as /neti behind the hosts", error);
		if (length - root > REGISTRY_ROOT_MAX)
			return bad_uri(uri, "the root is too long", error);
		memcpy(registry->root, address + root, length - root);
		if (!is_root(registry->root))
			return bad_uri(uri, "the root is not a path such as /neti", error);
		length = root;
	}
	if (length == 0)
		return bad_uri(uri, "the address is missing", error);
	*ret_address = strndup(address, length);
	return *ret_address ? 0 : error_memory(error);
}

static int open_store(struct registry *registry, const struct registry_config *config,
	struct error *error)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct store_config store = {
		.credentials = config->credentials,
		.session_timeout_ms = config->session_timeout_ms,
		.create = config->initial != NULL,
		.log = &registry->log,
		.state = on_state,
		.changed = on_changed,
		.replaced = on_replaced,
		.data = registry,
	};
	char *address;
	int result;

	result = split_uri(registry, &address, error);
	if (result < 0)
		return result;
	store.address = address;
	result = registry->backend->open(&registry->store, &store, error);
	free(address);
	if (result < 0)
		return result;
	registry->epoll = epoll_create1(EPOLL_CLOEXEC);
	registry->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (registry->epoll < 0 || registry->timer < 0 ||
		epoll_ctl(registry->epoll, EPOLL_CTL_ADD, registry->timer, &event) < 0 ||
		epoll_ctl(registry->epoll, EPOLL_CTL_ADD,
			registry->backend->descriptor(registry->store), &event) < 0)
		return error_set(error, -errno, NETI_REASON_SYSTEM, "registry %s: %s",
			registry->uri, strerror(errno));
	return 0;
}

static int copy_config(struct registry *registry, const struct registry_config *config)
{
	struct layout *layout = &registry->layout;

	registry->uri = strdup(config->uri);
	registry->exclude = calloc(config->n_exclude + 1, sizeof(*registry->exclude));
	if (!registry->uri || !registry->exclude)
		return -ENOMEM;
	if (config->n_exclude)
		memcpy(registry->exclude, config->exclude,
			config->n_exclude * sizeof(*registry->exclude));
	registry->n_exclude = config->n_exclude;
	if (config->log)
		registry->log = *config->log;
	layout->dirty = true;
	layout->has_initial = config->initial != NULL;
	if (config->initial)
		layout->initial = *config->initial;
	return 0;
}

int registry_open(struct registry **ret, const struct registry_config *config,
	const struct registry_handler *handler, struct error *error)
{
	const struct store_backend *backend = find_backend(config->uri);
	struct registry *registry;
	int result;

	if (!backend)
		return bad_uri(config->uri,
			"neither zookeeper://HOST:PORT,.../ROOT nor sqlite:/FILE", error);
	registry = calloc(1, sizeof(*registry));
	if (!registry)
		return error_memory(error);
	registry->backend = backend;
	registry->epoll = registry->timer = -1;
	if (handler)
		registry->handler = *handler;
	result = copy_config(registry, config);
	result = result < 0 ? error_memory(error) : open_store(registry, config, error);
	if (result < 0) {
		registry_close(registry);
		return result;
	}
	*ret = registry;
	return 0;
}

struct registry *registry_close(struct registry *registry)
{
	if (!registry)
		return NULL;
	if (registry->store)
		registry->backend->close(registry->store);
	wait_clear(registry);
	lease_clear(registry);
	membership_clear(registry);
	watch_clear(registry);
	duplicates_clear(registry);
	skipped_clear(registry);
	if (registry->timer >= 0)
		close(registry->timer);
	if (registry->epoll >= 0)
		close(registry->epoll);
	free(registry->exclude);
	free(registry->uri);
	free(registry);
	return NULL;
}
