/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the registry share, below all of them: it calls none.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/text.h"
#include "core.h"

#define SPREAD_MEMBERS 512 /* a smaller fleet may do everything at once */
#define WINDOW_MS 1000
#define QUIET_CHANGES 4	     /* in a window */
#define BUSY_MICROSECONDS 20 /* for each member: as long as a server needs to serve it */
#define BUSY_MOST_MS 1000
#define FLOOD_CHANGES 100 /* in a window: from there on they are gathered in every fleet */

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
	uint64_t span = registry->n_members * (uint64_t)microseconds / 1000;

	if (registry->n_members < SPREAD_MEMBERS)
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

int registry_create(struct registry *registry, const char *path, const char *bytes, store_done done,
	void *data)
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

/* The first changes after a quiet time are read at once: whom the server has no time for it lets wait.
 * When more come, they are gathered, and the hosts of a large fleet do not come all at once. */
int64_t registry_change_delay(struct registry *registry)
{
	int64_t now = registry_now();

	if (now - registry->window_at > WINDOW_MS) {
		registry->window_at = now;
		registry->changes = 0;
	}
	if (++registry->changes <= QUIET_CHANGES)
		return 0;
	if (registry->changes > FLOOD_CHANGES)
		return registry->changes < BUSY_MOST_MS ? registry->changes : BUSY_MOST_MS;
	return registry_spread(registry, BUSY_MICROSECONDS, BUSY_MOST_MS);
}

void registry_wake(struct registry *registry)
{
	const struct itimerspec now = { .it_value.tv_nsec = 1 };

	timerfd_settime(registry->timer, TFD_TIMER_ABSTIME, &now, NULL);
}

uint64_t registry_session(struct registry *registry)
{
	return registry->backend->session(registry->store);
}

unsigned registry_timeout(struct registry *registry)
{
	return registry->backend->timeout(registry->store);
}
