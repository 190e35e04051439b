/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ZOOKEEPER_QUEUE_H
#define NETI_ZOOKEEPER_QUEUE_H
/*
 * What goes from the threads of the ZooKeeper client to the owner's: answers, events of the
 * session, nodes that changed. Any thread pushes, one takes.
 */
#include <pthread.h>

#include "registry/request.h"

enum zookeeper_item_kind { ZOOKEEPER_ANSWER, ZOOKEEPER_SESSION, ZOOKEEPER_CHANGED };

enum zookeeper_event {
	ZOOKEEPER_CONNECTED,
	ZOOKEEPER_DISCONNECTED,
	ZOOKEEPER_EXPIRED, /* the handle is as dead as it can be */
	ZOOKEEPER_REFUSED  /* the credentials were */
};

struct zookeeper_client;

/* A request from its start to its answer, or an event. */
struct zookeeper_item {
	struct zookeeper_item *next;
	struct zookeeper_queue *queue; /* where it goes when it is answered */
	enum zookeeper_item_kind kind;
	struct request request;
	int64_t owner; /* get: session that owns an ephemeral node */
	void *results; /* multi: written by the client until the completion */
	size_t n_results;
	enum zookeeper_event event;
	const struct zookeeper_client *client; /* event: of which; it may be closed by now */
	char path[];			       /* changed */
};

struct zookeeper_queue {
	int ready; /* an eventfd, written to after every push; the owner's */
	pthread_mutex_t lock;
	struct zookeeper_item *first, **end;
};

void zookeeper_queue_start(struct zookeeper_queue *queue);
/* Nobody may push any more; items that are left are freed without an answer. */
void zookeeper_queue_stop(struct zookeeper_queue *queue);
void zookeeper_queue_push(struct zookeeper_queue *queue, struct zookeeper_item *item);
/* All of them, in order, linked by next. */
struct zookeeper_item *zookeeper_queue_take(struct zookeeper_queue *queue);

/* path: "" where there is none. NULL without memory. */
struct zookeeper_item *zookeeper_item_new(struct zookeeper_queue *queue,
	enum zookeeper_item_kind kind, const char *path);
void zookeeper_item_free(struct zookeeper_item *item);

#endif
