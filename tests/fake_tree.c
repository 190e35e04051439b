/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The nodes of the fake ZooKeeper server, and the rules of multi-operations.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fake_tree.h"

static const char fleet[] =
	"{\"layout\":1,\"overlay_subnet\":\"192.168.0.0/18\",\"shards\":2,"
	"\"max_removals\":10,\"max_removals_percent\":10,\"removal_delay\":\"1s\",\"peered\":[]}";

struct node *tree_find(struct tree *tree, const char *path)
{
	for (size_t i = 0; i < tree->n_nodes; i++)
		if (strcmp(tree->nodes[i].path, path) == 0)
			return &tree->nodes[i];
	return NULL;
}

static struct node *parent_of(struct tree *tree, const char *path)
{
	char parent[400];

	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	return tree_find(tree, parent);
}

bool tree_is_child(const struct node *node, const char *path)
{
	size_t length = strlen(path);

	return strncmp(node->path, path, length) == 0 && node->path[length] == '/' &&
	       !strchr(node->path + length + 1, '/');
}

static int create(struct tree *tree, const char *path, const char *data, size_t size, int64_t owner)
{
	struct node *node = &tree->nodes[tree->n_nodes], *parent = parent_of(tree, path);

	if (tree_find(tree, path))
		return -110;
	if (!parent && strrchr(path, '/') != path)
		return -101;
	if (tree->n_nodes == TREE_NODES || size >= sizeof(node->data))
		return -1;
	snprintf(node->path, sizeof(node->path), "%s", path);
	memcpy(node->data, data, size);
	node->size = size;
	node->version = 0;
	node->owner = owner;
	node->pzxid = ++tree->zxid;
	tree->n_nodes++;
	if (parent)
		parent->pzxid = tree->zxid;
	return 0;
}

static void delete (struct tree *tree, struct node *node)
{
	struct node *parent = parent_of(tree, node->path);

	tree->zxid++;
	if (parent)
		parent->pzxid = tree->zxid;
	*node = tree->nodes[--tree->n_nodes];
}

static void make(struct tree *tree, const char *data, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void make(struct tree *tree, const char *data, const char *format, ...)
{
	char path[400];
	va_list arguments;
	int length = snprintf(path, sizeof(path), "%s", tree->root);

	va_start(arguments, format);
	vsnprintf(path + length, sizeof(path) - (size_t)length, format, arguments);
	va_end(arguments);
	create(tree, path, data, strlen(data), strchr(path, '|') ? 77 : 0);
}

void tree_make_member(struct tree *tree, unsigned n, const char *id)
{
	char overlay[32], other[80];
	unsigned shards;

	snprintf(other, sizeof(other), "%s/ip-map/02", tree->root);
	shards = tree_find(tree, other) ? 64 : 2;
	snprintf(overlay, sizeof(overlay), "192.168.1.%u", n);
	make(tree, overlay, "/id-to-ip/%s", id);
	make(tree, id, "/ip-to-id/%s", overlay);
	make(tree, "{\"version\":\"0.1.0\",\"since\":1763901441,\"revision\":1}",
		"/ip-map/%02x/%s|10.0.0.%u||ec2|%s", n % shards, overlay, n, id);
}

void tree_make_fleet(struct tree *tree)
{
	make(tree, "", "%s", "");
	make(tree, "", "/id-to-ip");
	make(tree, "", "/ip-to-id");
	make(tree, "", "/ip-map");
	make(tree, "", "/ip-map/00");
	make(tree, "", "/ip-map/01");
	make(tree, fleet, "/fleet");
	tree_make_member(tree, 2, "sierra");
	tree_make_member(tree, 3, "walden");
	/* Two with one overlay address: the lease decides, and is asked for. */
	make(tree, "", "/ip-map/01/192.168.1.3|10.0.0.4||ec2|thoreau");
}

static int make_change(struct tree *tree, const struct change *change, int64_t session)
{
	struct node *node = tree_find(tree, change->path);

	if (change->kind == OP_CREATE)
		return create(tree, change->path, change->data, change->size,
			change->flags & 1 ? session : 0);
	if (!node)
		return -101;
	if (change->version != -1 && change->version != node->version)
		return -103;
	if (change->kind == OP_DELETE)
		delete (tree, node);
	if (change->kind != OP_SET)
		return 0;
	memcpy(node->data, change->data, change->size);
	node->size = change->size;
	node->version++;
	return 0;
}

/* All or none. */
size_t tree_change(struct tree *tree, const struct change *changes, size_t n, int64_t session,
	int32_t *ret_error)
{
	static struct node before[TREE_NODES];
	size_t n_before = tree->n_nodes, i = 0;

	memcpy(before, tree->nodes, sizeof(before));
	for (*ret_error = 0; i < n; i++) {
		*ret_error = make_change(tree, &changes[i], session);
		if (*ret_error)
			break;
	}
	if (*ret_error) {
		memcpy(tree->nodes, before, sizeof(before));
		tree->n_nodes = n_before;
	}
	return i;
}

void tree_end_session(struct tree *tree, int64_t session)
{
	for (size_t i = 0; i < tree->n_nodes; i++)
		if (tree->nodes[i].owner == session)
			delete (tree, &tree->nodes[i--]);
}
