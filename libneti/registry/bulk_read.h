/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_BULK_READ_H
#define NETI_REGISTRY_BULK_READ_H
#include "core.h"
#include "wait.h"

enum bulk_kind { BULK_GET, BULK_CHILDREN };
/*
 * Reads n nodes, many at a time, each again when the connection was lost meanwhile. take sees
 * every answer once, in any order, and returns 0 or a -errno that ends it all.
 */
struct bulk_plan {
	enum bulk_kind kind;
	size_t n;
	struct node_path (*path)(void *data, size_t i); /* NULL: all are that node */
	const struct node_path *node;
	int (*take)(void *data, size_t i, const struct store_answer *answer);
	void *data;
};
int bulk_read(struct registry *registry, const struct bulk_plan *plan,
	const struct deadline *deadline, struct error *error);
/* The answer's result; failed: which operation. */
int wait_multi(struct registry *registry, const struct store_operation *operations, size_t n,
	size_t *failed, const struct deadline *deadline, struct error *error);
void bulk_clear(struct registry *registry);

#endif
