/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IPTABLES_ENFORCE_H
#define NETI_IPTABLES_ENFORCE_H
/*
 * The filters of both families: with and without the final drop, and whether it is there.
 */
#include "commit.h"

/* As in struct engine_filter. */
int enforce_observe(struct engine_work *work, struct error *error);
int enforce_write(struct engine_work *work, struct error *error);
int enforce_is_on(struct engine *engine, struct error *error);

#endif
