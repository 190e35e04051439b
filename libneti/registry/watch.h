/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_WATCH_H
#define NETI_REGISTRY_WATCH_H
#include "retry.h"

struct registry;

struct watch_shard {
	struct registry *registry;
	bool dirty, reading;
	bool failed;	   /* at the last read */
	size_t skipped;	   /* at the last read: bad entries are logged when that changes */
	uint64_t revision; /* at the last read; it only grows */
	size_t members;	   /* at the last read */
	int64_t read_at;   /* when it is dirty: not before */
	struct retry retry;
};

struct watch {
	bool active;
	unsigned n;
	struct watch_shard *shards;
	size_t strays;		   /* nodes beside the shards that are none */
	struct watch_shard beside; /* what is read of it: the names of the shards */
	int64_t retry_at;
	int64_t read_at; /* of the dirty shards, the first; 0: none waits */
	struct retry replaced;
};

void watch_advance(struct registry *registry);
int64_t watch_next(const struct registry *registry);
void watch_lost(struct registry *registry);
void watch_changed(struct registry *registry, const char *path);
void watch_clear(struct registry *registry);
void watch_replaced(void *data, const char *why);
void watch_connected(struct registry *registry);

#endif
