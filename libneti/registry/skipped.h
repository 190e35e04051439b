/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_SKIPPED_H
#define NETI_REGISTRY_SKIPPED_H
#include <limits.h>

#include "registry.h"

struct skipped_list {
	struct {
		unsigned shard;
		char *text;
	} items[REGISTRY_SKIPPED_NAMED];
	size_t n;
};

#define SKIPPED_BESIDE UINT_MAX /* instead of a shard */
void skipped_forget(struct registry *registry, unsigned shard);
void skipped_note(struct registry *registry, unsigned shard, const char *sentence);
void skipped_clear(struct registry *registry);

#endif
