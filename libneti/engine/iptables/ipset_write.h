/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SETS_H
#define NETI_SETS_H
/*
 * Changes to sets, in batches. Between sets_begin and sets_end the caller holds the process-
 * wide lock of libipset: keep it short, and do nothing else in between.
 */
#include "base/error.h"
#include "render.h"

struct sets;

int sets_begin(struct sets **ret, struct error *error);
/* Frees the session; what was not flushed is lost. */
struct sets *sets_end(struct sets *sets);

int sets_create(struct sets *sets, const char *name, const struct set_shape *shape,
	uint32_t hashsize, struct error *error);
/* An entry that is there already, or gone already, is no error. Gathered until sets_flush. */
int sets_add(struct sets *sets, const char *name, const struct address *address,
	struct error *error);
int sets_delete(struct sets *sets, const char *name, const struct address *address,
	struct error *error);
int sets_flush(struct sets *sets, struct error *error);
/* Exchanges what the names mean, in one step, also for who refers to them. */
int sets_swap(struct sets *sets, const char *name, const char *other, struct error *error);
/* -EBUSY when a rule still refers to it. */
int sets_destroy(struct sets *sets, const char *name, struct error *error);

#endif
