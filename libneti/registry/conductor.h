/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_CONDUCTOR_H
#define NETI_REGISTRY_CONDUCTOR_H
#include "store.h"

/* What registry.c does for those above it. */
struct registry;

void registry_advance(struct registry *registry);
void registry_on_state(void *data, enum store_state state, const char *detail);
void registry_on_changed(void *data, const char *path);

#endif
