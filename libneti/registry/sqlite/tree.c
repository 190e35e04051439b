/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations on the tree of nodes, as a transaction.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tree.h"

static int create(struct sqlite_db *db, int64_t session, const struct store_operation *operation)
{
	const char *path = operation->path, *slash = strrchr(path, '/');
	struct sqlite_node found;
	char *parent;
	int result;

	if (!slash || !slash[1])
		return slash ? -EEXIST : -EINVAL;
	parent = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	if (!parent)
		return -ENOMEM;
	result = sqlite_db_find(db, parent, &found);
	if (result == 0 && found.session)
		result = -EINVAL;
	if (operation->kind == STORE_CREATE)
		session = 0;
	if (result == 0)
		result = sqlite_db_create(db, path, parent, session, operation->bytes,
			operation->size);
	free(parent);
	return result;
}

static int delete (struct sqlite_db *db, const char *path)
{
	int result = sqlite_db_has_children(db, path);

	if (result != 0)
		return result < 0 ? result : -ENOTEMPTY;
	return sqlite_db_delete(db, path);
}

static int check(struct sqlite_db *db, const struct store_operation *operation)
{
	struct sqlite_node found;
	int result = sqlite_db_find(db, operation->path, &found);

	if (result < 0)
		return result;
	return operation->version >= 0 && operation->version != found.version ? -EAGAIN : 0;
}

static int operate(struct sqlite_db *db, int64_t session, const struct store_operation *operation)
{
	int result;

	if (operation->kind == STORE_CREATE || operation->kind == STORE_CREATE_EPHEMERAL)
		return create(db, session, operation);
	result = check(db, operation);
	if (result < 0)
		return result;
	if (operation->kind == STORE_DELETE)
		return delete (db, operation->path);
	if (operation->kind == STORE_SET)
		return sqlite_db_set(db, operation->path, operation->bytes, operation->size);
	return 0;
}

/* An address that was given must stay given when the power fails; what dies with the session,
 * and the session, need not wait for the disk. */
static bool is_lasting(const struct store_operation *operations, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (operations[i].kind == STORE_CREATE)
			return true;
	return false;
}

int sqlite_tree_multi(struct sqlite_db *db, int64_t session,
	const struct store_operation *operations, size_t n, size_t *failed)
{
	int result;

	sqlite_db_durable(db, is_lasting(operations, n));
	result = sqlite_db_begin(db);
	if (result < 0)
		return result;
	if (sqlite_db_session_check(db, session) == 0)
		result = -ESTALE;
	for (size_t i = 0; result == 0 && i < n; i++) {
		*failed = i;
		result = operate(db, session, &operations[i]);
	}
	result = sqlite_db_end(db, result);
	sqlite_db_durable(db, false);
	return result;
}
