/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_FLEET_SETTINGS_H
#define NETI_FLEET_SETTINGS_H
/*
 * What the whole fleet shares: the JSON in ROOT/fleet. Pure.
 */
#include <stdbool.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/error.h"

#define FLEET_LAYOUT 1
#define FLEET_SHARDS_DEFAULT 64
#define FLEET_SHARDS_MAX 4096
#define FLEET_PEERED_MAX 32

struct peered {
	char a[33], b[33]; /* networks that reach each other by private addresses */
};

struct fleet_settings {
	unsigned layout;
	struct prefix overlay_subnet;
	unsigned shards;
	unsigned max_removals;
	unsigned max_removals_percent;
	unsigned removal_delay_ms;
	struct peered peered[FLEET_PEERED_MAX];
	unsigned n_peered;
	uint64_t accepted; /* counts the operator's "fleet accept" */
};

void fleet_settings_default(struct fleet_settings *settings, const struct prefix *overlay_subnet);
/* -EINVAL with the key named; unknown keys are kept out and ignored (a newer agent wrote them). */
int fleet_settings_parse(struct fleet_settings *ret, const char *json, size_t size,
	struct error *error);
int fleet_settings_print(const struct fleet_settings *settings, struct buffer *json);
/* One key by its text, as "netictl fleet set KEY VALUE" gives it. layout and shards cannot
 * change. */
int fleet_settings_set(struct fleet_settings *settings, const char *key, const char *value,
	struct error *error);
/* One key of a fleet that is still to be made; "chosen" notes which. */
int fleet_settings_choose(struct fleet_settings *initial, unsigned *chosen, const char *key,
	const char *value, struct error *error);
/* -EEXIST when the fleet has another value for one of the keys that were chosen. */
int fleet_settings_check_chosen(const struct fleet_settings *fleet,
	const struct fleet_settings *initial, unsigned chosen, struct error *error);
bool fleet_settings_peered(const struct fleet_settings *settings, const char *a, const char *b);

#endif
