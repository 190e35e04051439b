/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading many nodes at a time, and one write, for the calls that wait. An answer may come after
 * its caller has gone; what it needs lives on the heap until then.
 */
#include <stdlib.h>

#include "bulk_read.h"
#include "core.h"

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

static void settle_slot(struct slot *slot, const struct store_answer *answer)
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

static void slot_answered(void *data, const struct store_answer *answer)
{
	struct slot *slot = data;
	struct bulk *bulk = slot->bulk;

	bulk->flying--;
	if (!bulk->abandoned)
		settle_slot(slot, answer);
}

static int launch(struct registry *registry, struct bulk *bulk, struct slot *slot)
{
	const struct bulk_plan *plan = &bulk->plan;
	struct node_path path;

	if (bulk->operations)
		return registry->backend->multi(registry->store, bulk->operations,
			bulk->n_operations, slot_answered, slot);
	path = plan->path ? plan->path(plan->data, slot->index) : *plan->node;
	if (plan->kind == BULK_GET)
		return registry->backend->get(registry->store, path.text, false, slot_answered,
			slot);
	return registry->backend->children(registry->store, path.text, false, slot_answered, slot);
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

static int complete(struct registry *registry, struct bulk *bulk, const struct deadline *deadline,
	struct error *error)
{
	int result = 0;

	while (result == 0 && bulk->result == 0 && bulk->done < bulk->plan.n) {
		if (registry_connected(registry) && registry_due(&bulk->retry_at))
			result = launch_some(registry, bulk);
		if (result < 0)
			return registry_explain(registry, result, deadline->doing, error);
		result = wait_once(registry, registry_connected(registry) ? bulk->retry_at : 0,
			deadline, error);
	}
	if (result == 0 && bulk->result < 0)
		result = registry_explain(registry, bulk->result, deadline->doing, error);
	return result;
}

/* Answers on their way are still counted in; the last one is freed by the next reading or by the
 * close. */
static void sweep(struct registry *registry, bool all)
{
	for (struct bulk **at = &registry->bulks, *bulk = *at; bulk; bulk = *at) {
		if (all || (bulk->abandoned && bulk->flying == 0)) {
			*at = bulk->next;
			free(bulk);
		} else {
			at = &bulk->next;
		}
	}
}

static int run(struct registry *registry, const struct bulk *order, size_t *failed,
	const struct deadline *deadline, struct error *error)
{
	size_t n = order->plan.n;
	struct bulk *bulk = calloc(1, sizeof(*bulk) + n * sizeof(*bulk->slots));
	int result;

	if (!bulk)
		return error_memory(error);
	*bulk = *order;
	for (size_t i = 0; i < n; i++)
		bulk->slots[i] = (struct slot){ .bulk = bulk, .index = i };
	bulk->next = registry->bulks;
	registry->bulks = bulk;
	result = complete(registry, bulk, deadline, error);
	*failed = bulk->failed;
	bulk->abandoned = true;
	sweep(registry, false);
	return result;
}

int bulk_read(struct registry *registry, const struct bulk_plan *plan,
	const struct deadline *deadline, struct error *error)
{
	size_t failed;

	return run(registry, &(struct bulk){ .plan = *plan }, &failed, deadline, error);
}

int wait_multi(struct registry *registry, const struct store_operation *operations, size_t n,
	size_t *failed, const struct deadline *deadline, struct error *error)
{
	return run(registry,
		&(struct bulk){ .plan.n = 1, .operations = operations, .n_operations = n }, failed,
		deadline, error);
}

void bulk_clear(struct registry *registry)
{
	sweep(registry, true);
}
