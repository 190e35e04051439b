/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_MEMBERSHIP_H
#define NETI_REGISTRY_MEMBERSHIP_H
#include "entry.h"
#include "retry.h"

#define MEMBERSHIP_OTHERS 3

struct registry;

struct publication {
	uint64_t revision, held; /* held: removals, by the guard */
};

struct membership {
	struct member *wanted; /* NULL: not joined */
	bool takeover;
	bool dirty; /* lease and entry are to be looked at, from the beginning */
	bool check; /* only whether the entry is still there, and ours */
	bool busy;
	struct address overlay;
	bool remembered;	   /* "overlay" is what an earlier process had: there was a lease */
	char held[ENTRY_NAME_MAX]; /* our entry as last seen; "" none */
	char name[ENTRY_NAME_MAX]; /* our entry as it should be */
	struct member *told;	   /* as the handler knows it; NULL: not joined */
	char others[MEMBERSHIP_OTHERS][ENTRY_NAME_MAX]; /* found with our id, in the way */
	size_t n_others, n_checked;
	bool own;      /* of those, "name" is there and of this session */
	int64_t since; /* of the first join, by the registry's clock; 0: not known yet */
	struct publication latest, published, publishing;
	struct lease_take *take; /* under way */
	int lease_version;	 /* as read before the others were looked for */
	int64_t retry_at, check_at, publish_at, renew_at;
	struct retry retry, checks;
};

void membership_advance(struct registry *registry);
int64_t membership_next(const struct registry *registry);
void membership_lost(struct registry *registry); /* with the session */
void membership_changed(struct registry *registry, const char *path);
void membership_clear(struct registry *registry);

#endif
