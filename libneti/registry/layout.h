/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_LAYOUT_H
#define NETI_REGISTRY_LAYOUT_H
#include "base/error.h"
#include "fleet/fleet_settings.h"
#include "retry.h"

struct registry;

/* ROOT/fleet and the folders below ROOT. */
struct layout {
	struct fleet_settings initial, settings;
	bool has_initial;
	bool known; /* settings are as last read */
	bool dirty; /* to be read */
	bool busy;
	bool ours;    /* this registry made the fleet */
	bool missing; /* they were known, and are gone from the registry */
	bool repair;  /* something below ROOT is missing: make what is */
	int version;
	size_t pending; /* answers awaited while making */
	int made;	/* how that went: the first failure */
	bool pieces;	/* the whole cannot be made in one: parts of it are there */
	int64_t retry_at;
	struct retry retry;
	struct error error; /* result < 0: why the settings cannot be read or made */
};

struct node_path layout_shard_path(const struct registry *registry, unsigned shard);
struct node_path layout_entry_path(const struct registry *registry, const struct address *overlay,
	const char *name);
void layout_advance(struct registry *registry);
int64_t layout_next(const struct registry *registry);
void layout_repair(struct registry *registry); /* makes what is missing below ROOT */
bool layout_may_make(const struct registry *registry);
void layout_lost(struct registry *registry);
void layout_changed(struct registry *registry, const char *path);
/* Settings that this registry wrote itself. */
void layout_wrote(struct registry *registry, const struct fleet_settings *settings, int version);

#endif
