/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SESSIONS_H
#define NETI_SESSIONS_H
/*
 * The registry sessions of this host, in state_dir.
 */
#include "base/error.h"
#include "registry/registry.h"

int sessions_save(const char *state_dir, const uint64_t *sessions, size_t n, struct error *error);
/* -ENOENT: there are none that can still live; -EBADMSG: torn, copied or newer, and the sentence
 * says so. */
int sessions_load(const char *state_dir, uint64_t ret[REGISTRY_SESSIONS], size_t *ret_n,
	struct error *error);

#endif
