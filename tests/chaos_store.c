/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The embedded store with answers that can fail. The linker leads the registry's row of its
 * table here (--wrap), the store itself is the real one.
 */
#include <errno.h>
#include <stdlib.h>

#include "chaos_faults.h"
#include "registry/store.h"

extern const struct store_backend __real_store_sqlite, __wrap_store_sqlite;

struct asked {
	store_done done;
	void *data;
};

static void refuse(void *data, const struct store_answer *answer)
{
	struct asked *asked = data;

	(void)answer;
	asked->done(asked->data, &(struct store_answer){ .result = -EIO });
	free(asked);
}

/* 1: nothing stands in the way. An answer that fails comes in its time, in place of another's. */
static int ask(struct store *store, store_done done, void *data)
{
	struct asked *asked;
	int result;

	if (faults_strike(FAULT_REQUEST, "request", (void *)ask))
		return -ENOMEM;
	if (!faults_strike(FAULT_ANSWER, "answer", (void *)ask))
		return 1;
	asked = malloc(sizeof(*asked));
	if (!asked)
		return -ENOMEM;
	*asked = (struct asked){ done, data };
	result = __real_store_sqlite.get(store, "/", false, refuse, asked);
	if (result < 0)
		free(asked);
	return result;
}

static int children(struct store *store, const char *path, bool watch, store_done done, void *data)
{
	int result = ask(store, done, data);

	return result == 1 ? __real_store_sqlite.children(store, path, watch, done, data) : result;
}

static int get(struct store *store, const char *path, bool watch, store_done done, void *data)
{
	int result = ask(store, done, data);

	return result == 1 ? __real_store_sqlite.get(store, path, watch, done, data) : result;
}

static int multi(struct store *store, const struct store_operation *operations, size_t n,
	store_done done, void *data)
{
	int result = ask(store, done, data);

	return result == 1 ? __real_store_sqlite.multi(store, operations, n, done, data) : result;
}

static int open_store(struct store **ret, const struct store_config *config, struct error *error)
{
	return __real_store_sqlite.open(ret, config, error);
}

static void close_store(struct store *store)
{
	__real_store_sqlite.close(store);
}

static int descriptor(struct store *store)
{
	return __real_store_sqlite.descriptor(store);
}

static int process(struct store *store)
{
	return __real_store_sqlite.process(store);
}

static uint64_t session(struct store *store)
{
	return __real_store_sqlite.session(store);
}

static unsigned timeout(struct store *store)
{
	return __real_store_sqlite.timeout(store);
}

const struct store_backend __wrap_store_sqlite = {
	.scheme = "sqlite:",
	.open = open_store,
	.close = close_store,
	.descriptor = descriptor,
	.process = process,
	.session = session,
	.timeout = timeout,
	.children = children,
	.get = get,
	.multi = multi,
};
