/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NETLINK_SETS_H
#define NETI_NETLINK_SETS_H
/*
 * What the kernel's sets hold, read as numbers.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

struct netlink_set {
	char type[32];
	uint8_t family;
	uint32_t maxelem, hashsize, timeout, elements, references;
	bool has_timeout, has_counters, has_mask;
};

/* All of these: 0, or -errno as the kernel gave it (-ENOENT: no such set). */
int netlink_set_read(const char *name, struct netlink_set *ret);
/* The addresses of a hash:ip, sorted. The caller frees. */
int netlink_set_members(const char *name, struct address **ret, size_t *ret_n);
/* The entries of a hash:ip,port with time-out and counters. The caller frees. */
int netlink_set_denied(const char *name, struct denied **ret, size_t *ret_n);
/* Calls back for every set whose name begins so; names are at most 31 characters. */
int netlink_set_names(const char *beginning, void (*found)(void *data, const char *name),
	void *data);
/* Whether the kernel has ip_set at all (type NULL), or a set type. */
int netlink_set_type(const char *type);

#endif
