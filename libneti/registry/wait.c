/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting, for the calls that do: poll() and process until there is an answer or the time is up.
 * An answer may come after its caller has gone; what it needs lives on the heap until then.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define WINDOW 256 /* reads under way at once */

enum slot_state { SLOT_WAITING, SLOT_FLYING, SLOT_DONE };

struct slot {
	struct bulk *bulk;
	size_t index;
	enum slot_state state;
};

struct bulk {
	struct bulk *next;
	struct bulk_plan plan;
	const struct store_operation *operations; /* a write, n = 1 */
	size_t n_operations, failed;
	size_t first; /* no slot before it waits */
	size_t flying, done;
	int result;
	bool abandoned;
	int64_t retry_at; /* after lost answers: not before */
	struct retry retry;
	struct slot slots[];
};

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

int wait_once(struct registry *registry, const struct deadline *deadline, struct error *error)
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
	result = poll(&poller, 1, (int)left);
	if (result < 0 && errno != EINTR)
		return error_set(error, -errno, NETI_REASON_SYSTEM, "poll: %s", strerror(errno));
	result = registry_process(registry);
	return result < 0 ? registry_explain(registry, result, deadline->doing, error) : 0;
}

int wait_connected(struct registry *registry, const struct deadline *deadline, struct error *error)
{
	int result = 0;

	while (result == 0 && !registry_connected(registry))
		result = wait_once(registry, deadline, error);
	return result;
}

int wait_fleet(struct registry *registry, const struct deadline *deadline, struct error *error)
{
	struct layout *layout = &registry->layout;
	int result = 0;

	/* What failed at an earlier call is tried again, rather than told again for ever. */
	if (!layout->known && layout->error.result < 0 && !registry->processing) {
		layout->error.result = 0;
		layout->retry_at = 0;
		registry_advance(registry);
	}
	while (result == 0 && !layout->known) {
		if (layout->error.result < 0) {
			*error = layout->error;
			return layout->error.result;
		}
		result = wait_once(registry, deadline, error);
	}
	return result;
}

int wait_again(struct registry *registry, struct retry *retry, const struct deadline *deadline,
	struct error *error)
{
	int64_t at = retry_at(retry, 0);
	struct deadline pause = *deadline;
	int result = 0;

	if (deadline->at < 0 || at < deadline->at)
		pause.at = at;
	while (result == 0)
		result = wait_once(registry, &pause, error);
	return result == -ETIMEDOUT && pause.at == at ? 0 : result;
}

/* --- reading many --------------------------------------------------------------------------- */

static void unlink_bulk(struct registry *registry, struct bulk *bulk)
{
	for (struct bulk **at = &registry->bulks; *at; at = &(*at)->next)
		if (*at == bulk) {
			*at = bulk->next;
			break;
		}
	free(bulk);
}

static void settle(struct slot *slot, const struct store_answer *answer)
{
	struct bulk *bulk = slot->bulk;
	int result;

	if (!bulk->operations && registry_lost(answer->result)) {
		slot->state = SLOT_WAITING;
		bulk->retry_at = retry_at(&bulk->retry, 0);
		if (slot->index < bulk->first)
			bulk->first = slot->index;
		return;
	}
	slot->state = SLOT_DONE;
	bulk->done++;
	bulk->failed = answer->failed;
	result = bulk->operations ? answer->result :
				      bulk->plan.take(bulk->plan.data, slot->index, answer);
	if (bulk->result == 0)
		bulk->result = result;
}

static void answered(void *data, const struct store_answer *answer)
{
	struct slot *slot = data;
	struct bulk *bulk = slot->bulk;

	bulk->flying--;
	if (!bulk->abandoned)
		settle(slot, answer);
}

static int launch(struct registry *registry, struct bulk *bulk, struct slot *slot)
{
	const struct bulk_plan *plan = &bulk->plan;
	struct node_path path;

	if (bulk->operations)
		return registry->backend->multi(registry->store, bulk->operations,
			bulk->n_operations, answered, slot);
	path = plan->path(plan->data, slot->index);
	if (plan->kind == BULK_GET)
		return registry->backend->get(registry->store, path.text, false, answered, slot);
	return registry->backend->children(registry->store, path.text, false, answered, slot);
}

static int launch_some(struct registry *registry, struct bulk *bulk)
{
	for (; bulk->first < bulk->plan.n && bulk->flying < WINDOW; bulk->first++) {
		struct slot *slot = &bulk->slots[bulk->first];
		int result;

		if (slot->state != SLOT_WAITING)
			continue;
		result = launch(registry, bulk, slot);
		if (result < 0)
			return registry_lost(result) ? 0 : result;
		slot->state = SLOT_FLYING;
		bulk->flying++;
	}
	return 0;
}

static int complete(struct registry *registry, struct bulk *bulk,
	const struct deadline *deadline, struct error *error)
{
	int result = 0;

	while (result == 0 && bulk->result == 0 && bulk->done < bulk->plan.n) {
		if (registry_connected(registry) && registry_due(&bulk->retry_at))
			result = launch_some(registry, bulk);
		if (result < 0)
			return registry_explain(registry, result, deadline->doing, error);
		result = wait_once(registry, deadline, error);
	}
	if (result == 0 && bulk->result < 0)
		result = registry_explain(registry, bulk->result, deadline->doing, error);
	return result;
}

/* Answers on their way are still counted in; the last one is freed by the next reading or by
 * the close. */
static void abandon(struct registry *registry, struct bulk *bulk)
{
	struct bulk *next;

	bulk->abandoned = true;
	for (bulk = registry->bulks; bulk; bulk = next) {
		next = bulk->next;
		if (bulk->abandoned && bulk->flying == 0)
			unlink_bulk(registry, bulk);
	}
}

static struct bulk *new_bulk(struct registry *registry, const struct bulk_plan *plan)
{
	struct bulk *bulk = calloc(1, sizeof(*bulk) + plan->n * sizeof(*bulk->slots));

	if (!bulk)
		return NULL;
	bulk->plan = *plan;
	for (size_t i = 0; i < plan->n; i++)
		bulk->slots[i] = (struct slot){ .bulk = bulk, .index = i };
	bulk->next = registry->bulks;
	registry->bulks = bulk;
	return bulk;
}

int bulk_read(struct registry *registry, const struct bulk_plan *plan,
	const struct deadline *deadline, struct error *error)
{
	struct bulk *bulk = new_bulk(registry, plan);
	int result;

	if (!bulk)
		return error_memory(error);
	result = complete(registry, bulk, deadline, error);
	abandon(registry, bulk);
	return result;
}

int wait_multi(struct registry *registry, const struct store_operation *operations, size_t n,
	size_t *failed, const struct deadline *deadline, struct error *error)
{
	struct bulk *bulk = new_bulk(registry, &(struct bulk_plan){ .n = 1 });
	int result;

	if (!bulk)
		return error_memory(error);
	bulk->operations = operations;
	bulk->n_operations = n;
	result = complete(registry, bulk, deadline, error);
	*failed = bulk->failed;
	abandon(registry, bulk);
	return result;
}

int64_t wait_next(const struct registry *registry)
{
	int64_t at = REGISTRY_NEVER;

	if (!registry_connected(registry))
		return at;
	for (const struct bulk *bulk = registry->bulks; bulk; bulk = bulk->next)
		if (!bulk->abandoned && bulk->retry_at && bulk->retry_at < at)
			at = bulk->retry_at;
	return at;
}

void wait_clear(struct registry *registry)
{
	while (registry->bulks)
		unlink_bulk(registry, registry->bulks);
}
