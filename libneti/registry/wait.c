/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting, for the calls that do: poll() and process until there is what is waited for, or
 * the time is up.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core.h"
#include "wait.h"

struct deadline wait_deadline(int timeout_ms, const char *doing)
{
	return (struct deadline){
		.at = timeout_ms < 0 ? -1 : registry_now() + timeout_ms,
		.timeout_ms = timeout_ms,
		.doing = doing,
	};
}

static int timed_out(const struct registry *registry, const struct deadline *deadline,
	struct error *error)
{
	double seconds = deadline->timeout_ms / 1000.0;

	if (registry_connected(registry))
		return error_set(error, -ETIMEDOUT, NETI_REASON_REGISTRY,
			"registry %s gave no answer within %g s, while %s", registry->uri, seconds,
			deadline->doing);
	return error_set(error, -ETIMEDOUT, NETI_REASON_REGISTRY,
		"no connection to registry %s within %g s, while %s%s%s", registry->uri, seconds,
		deadline->doing, *registry->detail ? ": " : "", registry->detail);
}

int wait_once(struct registry *registry, int64_t at, const struct deadline *deadline,
	struct error *error)
{
	struct pollfd poller = { .fd = registry->epoll, .events = POLLIN };
	int64_t left = -1;
	int result;

	if (registry->processing)
		return error_set(error, -EDEADLK, NETI_REASON_SYSTEM,
			"a call that waits was made from inside a handler");
	if (registry->state == STORE_REFUSED)
		return error_set(error, -EACCES, NETI_REASON_DENIED,
			"registry %s refuses these credentials%s%s", registry->uri,
			*registry->detail ? ": " : "", registry->detail);
	if (deadline->at >= 0) {
		left = deadline->at - registry_now();
		if (left <= 0)
			return timed_out(registry, deadline, error);
	}
	if (at && (left < 0 || at - registry_now() < left))
		left = at > registry_now() ? at - registry_now() : 0;
	result = poll(&poller, 1, (int)left);
	if (result < 0 && errno != EINTR)
		return error_set(error, -errno, NETI_REASON_SYSTEM, "poll: %s", strerror(errno));
	result = registry_process(registry);
	return result < 0 ? registry_explain(registry, result, deadline->doing, error) : 0;
}

int wait_fleet(struct registry *registry, const struct deadline *deadline, struct error *error)
{
	struct layout *layout = &registry->layout;
	int result = 0;

	/* What failed at an earlier call is tried again, rather than told again for ever. */
	if (!layout->known && layout->error.result < 0 && !registry->processing) {
		layout->error.result = 0;
		layout->retry_at = 0;
		registry_wake(registry);
	}
	while (result == 0 && !layout->known) {
		if (layout->error.result < 0) {
			*error = layout->error;
			return layout->error.result;
		}
		result = wait_once(registry, 0, deadline, error);
	}
	return result;
}

int wait_again(struct registry *registry, struct retry *retry, const struct deadline *deadline,
	struct error *error)
{
	int64_t at = retry_at(retry, 0);
	int result = 0;

	while (result == 0 && registry_now() < at)
		result = wait_once(registry, at, deadline, error);
	return result;
}
