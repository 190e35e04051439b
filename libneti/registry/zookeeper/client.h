/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ZOOKEEPER_CLIENT_H
#define NETI_ZOOKEEPER_CLIENT_H
/*
 * Handles of the ZooKeeper client. Each has two threads of its own, whose completions and
 * watchers do one thing: fill an item and push it. All of these calls belong to the owner's
 * thread.
 */
#include <stdbool.h>

#include "queue.h"
#include "registry/store.h"

struct zookeeper_client_config {
	const char *hosts;	 /* each with a port */
	const char *credentials; /* or NULL; the nodes made are its owner's then */
	unsigned timeout_ms;
	int log_slot;
	struct zookeeper_queue *queue; /* outlives the client */
};

/* Connects in the background; events tell how it goes. -ENOENT, -EINVAL: no name resolves. Its
 * threads are "neti-zookeeper" and block every signal. */
int zookeeper_client_open(struct zookeeper_client **ret,
	const struct zookeeper_client_config *config);
/* Every item that is still awaited is in the queue afterwards. NULL is fine; returns NULL. */
struct zookeeper_client *zookeeper_client_close(struct zookeeper_client *client);
int64_t zookeeper_client_session(const struct zookeeper_client *client); /* after CONNECTED */
bool zookeeper_client_is_connected(const struct zookeeper_client *client);
unsigned zookeeper_client_timeout(const struct zookeeper_client *client); /* negotiated, ms */

/* The item comes back through its queue; after a -errno it is freed. */
int zookeeper_client_children(struct zookeeper_client *client, const char *path, bool watch,
	struct zookeeper_item *item);
int zookeeper_client_get(struct zookeeper_client *client, const char *path, bool watch,
	struct zookeeper_item *item);
int zookeeper_client_multi(struct zookeeper_client *client,
	const struct store_operation *operations, size_t n, struct zookeeper_item *item);

/* For the whole process, as the client has it. */
void zookeeper_client_verbose(bool verbose);

#endif
