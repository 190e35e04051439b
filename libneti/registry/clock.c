/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry's clock: the one that gives nodes their times, and the only one that those are
 * compared with. This host's own may be a year off.
 */
#include <errno.h>
#include <inttypes.h>

#include "bulk_read.h"
#include "clock.h"
#include "core.h"

struct reading {
	struct node_path path;
	int64_t created; /* 0: the node went with the session */
};

static int reading_take(void *data, size_t i, const struct store_answer *answer)
{
	struct reading *reading = data;

	(void)i;
	if (answer->result == -ENOENT)
		return -ESTALE;
	reading->created = answer->created;
	return answer->result;
}

/* A node of this session's own, made to be looked at: nobody else has to do with it, and it
 * cannot be left behind. */
static int read_clock(struct registry *registry, struct reading *reading,
	const struct deadline *deadline, struct error *error)
{
	struct store_operation operation = {
		.kind = STORE_CREATE_EPHEMERAL, .path = reading->path.text, .version = -1
	};
	struct bulk_plan plan = { BULK_GET, 1, NULL, &reading->path, reading_take, reading };
	struct error ignored;
	size_t failed;
	int result = wait_multi(registry, &operation, 1, &failed, deadline, error);

	if (result == 0)
		result = bulk_read(registry, &plan, deadline, error);
	operation.kind = STORE_DELETE;
	if (result == 0)
		wait_multi(registry, &operation, 1, &failed, deadline, &ignored);
	return result;
}

int registry_clock(struct registry *registry, int64_t *ret_ms, const struct deadline *deadline,
	struct error *error)
{
	struct retry retry = { 0 };
	struct reading reading;
	int result, again = wait_fleet(registry, deadline, error);

	if (again < 0)
		return again;
	do {
		reading = (struct reading){ .path = registry_path(registry, "/clock-%016" PRIx64,
						    registry_random(UINT64_MAX)) };
		result = read_clock(registry, &reading, deadline, error);
		if (registry_lost(result))
			again = wait_again(registry, &retry, deadline, error);
	} while (registry_lost(result) && again == 0);
	if (result < 0)
		return again < 0 ? again : result;
	*ret_ms = reading.created;
	return 0;
}
