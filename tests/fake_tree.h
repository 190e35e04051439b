/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_FAKE_TREE_H
#define NETI_TESTS_FAKE_TREE_H
/*
 * The nodes of the fake ZooKeeper server.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_NODES 256

enum operation {
	OP_CREATE = 1,
	OP_DELETE,
	OP_GET = 4,
	OP_SET,
	OP_PING = 11,
	OP_CHILDREN = 12,
	OP_CHECK,
	OP_MULTI,
	OP_AUTH = 100,
	OP_WATCHES,
	OP_CLOSE = -11,
	OP_ERROR = -1
};
struct node {
	char path[400], data[600];
	size_t size;
	int32_t version;
	int64_t owner, pzxid;
};

struct tree {
	char root[64];
	struct node nodes[TREE_NODES];
	size_t n_nodes;
	int64_t zxid;
};

struct change {
	int32_t kind, flags, version;
	char path[400], data[600];
	size_t size;
};

struct node *tree_find(struct tree *tree, const char *path);
bool tree_is_child(const struct node *node, const char *path);
/* All or none; returns which failed, n when none did. */
size_t tree_change(struct tree *tree, const struct change *changes, size_t n, int64_t session,
	int32_t *ret_error);
void tree_end_session(struct tree *tree, int64_t session);
/* A fleet of two members, of which one has a rival for its overlay address. */
void tree_make_fleet(struct tree *tree);
void tree_make_member(struct tree *tree, unsigned n, const char *id);

#endif
