/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list under a lock, and what it holds.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "queue.h"

void zookeeper_queue_start(struct zookeeper_queue *queue)
{
	pthread_mutex_init(&queue->lock, NULL);
	queue->ready = -1;
	queue->first = NULL;
	queue->end = &queue->first;
}

void zookeeper_queue_stop(struct zookeeper_queue *queue)
{
	struct zookeeper_item *item, *next;

	for (item = zookeeper_queue_take(queue); item; item = next) {
		next = item->next;
		zookeeper_item_free(item);
	}
	pthread_mutex_destroy(&queue->lock);
}

void zookeeper_queue_push(struct zookeeper_queue *queue, struct zookeeper_item *item)
{
	pthread_mutex_lock(&queue->lock);
	*queue->end = item;
	queue->end = &item->next;
	pthread_mutex_unlock(&queue->lock);
	eventfd_write(queue->ready, 1);
}

struct zookeeper_item *zookeeper_queue_take(struct zookeeper_queue *queue)
{
	struct zookeeper_item *all;

	pthread_mutex_lock(&queue->lock);
	all = queue->first;
	queue->first = NULL;
	queue->end = &queue->first;
	pthread_mutex_unlock(&queue->lock);
	return all;
}

struct zookeeper_item *zookeeper_item_new(struct zookeeper_queue *queue,
	enum zookeeper_item_kind kind, const char *path)
{
	struct zookeeper_item *item = calloc(1, sizeof(*item) + strlen(path) + 1);

	if (!item)
		return NULL;
	item->kind = kind;
	item->queue = queue;
	strcpy(item->path, path);
	return item;
}

void zookeeper_item_free(struct zookeeper_item *item)
{
	request_clear(&item->request);
	free(item->results);
	free(item);
}
