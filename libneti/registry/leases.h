/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_LEASES_H
#define NETI_REGISTRY_LEASES_H
#include "fleet/member.h"
#include "wait.h"

/* The lease of an id, as a member that is not live. -ENOENT when there is none. */
int lease_of_id(struct registry *registry, const char *id, const struct deadline *deadline,
	struct member **ret, struct error *error);
/* registry_lease_release(), but -EBUSY also when the lease was joined with at that time, in seconds
 * of the epoch, or later. */
int lease_release(struct registry *registry, const char *id, int64_t before,
	const struct deadline *deadline, struct error *error);

#endif
