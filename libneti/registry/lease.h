/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_LEASE_H
#define NETI_REGISTRY_LEASE_H
#include "fleet/member.h"
#include "retry.h"

struct registry;

/* result: 0 found, 1 taken, or -errno with the error. Once. */
typedef void (*lease_done)(void *data, int result, const struct address *overlay,
	const struct error *error);

struct lease_take {
	struct registry *registry;
	char id[NAME_ID_MAX + 1];
	struct address wanted; /* tried first when there is no lease; or unset */
	struct address drawn;
	struct address *listed; /* free when they were listed, in random order */
	size_t n_listed;
	unsigned draws, lists;
	int version; /* of the lease */
	bool busy;
	int64_t retry_at;
	struct retry retry;
	lease_done done; /* NULL: nobody waits for it any more */
	void *data;
	struct lease_take *next;
};

/* Goes on through lost connections and expiries until it is done; done comes from
 * registry_process(). */
int lease_take_start(struct registry *registry, const char *id, const struct address *wanted,
	lease_done done, void *data, struct lease_take **ret);
void lease_advance(struct registry *registry);
int64_t lease_next(const struct registry *registry);
void lease_clear(struct registry *registry);

#endif
