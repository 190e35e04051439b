/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SQLITE_TREE_H
#define NETI_SQLITE_TREE_H
/*
 * The rules that make the rows of the SQLite store a tree: parents, versions, who may have
 * children. They are ZooKeeper's, so that a registry need not know its store.
 */
#include "db.h"
#include "registry/store.h"

/* All of them or none, in one transaction; -ESTALE when the session is gone. *failed is set to
 * the operation that the result belongs to. */
int sqlite_tree_multi(struct sqlite_db *db, int64_t session,
	const struct store_operation *operations, size_t n, size_t *failed);

#endif
