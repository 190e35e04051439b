/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening, closing and the events of the store. Knows no store by more than its row in a table.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/text.h"
#include "bulk_read.h"
#include "core.h"
#include "duplicates.h"
#include "lease.h"

static const struct store_backend *const backends[] = { &store_zookeeper, &store_sqlite };

static void unreachable(struct registry *registry, enum store_state state)
{
	bool refused = state == STORE_REFUSED;
	struct error error;

	error_set(&error, refused ? -EACCES : -ENOTCONN,
		refused ? NETI_REASON_DENIED : NETI_REASON_REGISTRY, "registry %s: %s",
		registry->uri, *registry->detail ? registry->detail : "access is denied");
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
		.replaced = watch_replaced,
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
	bulk_clear(registry);
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
