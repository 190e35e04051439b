/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_CLOCK_H
#define NETI_REGISTRY_CLOCK_H
#include "wait.h"

/* Milliseconds of the epoch, as the registry counts them. Needs the right to write. */
int registry_clock(struct registry *registry, int64_t *ret_ms, const struct deadline *deadline,
	struct error *error);

#endif
