/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_XTABLES_BACKEND_H
#define NETI_XTABLES_BACKEND_H
/*
 * What reads a table of the kernel and puts it back: one row of functions. Their results are
 * libiptc's: 0 or NULL is a failure with its reason in errno. Entries are the kernel's.
 */
#include <stdint.h>

#include "xtables.h"

struct xtables_backend {
	uint8_t family;
	const char *program, *names; /* what to say, and where the tables in use are listed */
	void *(*init)(const char *table, struct xtables_memory *memory);
	void (*free)(void *handle);
	const char *(*first_chain)(void *handle);
	const char *(*next_chain)(void *handle);
	int (*has)(const char *chain, void *handle);
	int (*references)(unsigned *ret, const char *chain, void *handle);
	const void *(*first)(const char *chain, void *handle);
	const void *(*next)(const void *entry, void *handle);
	const char *(*target)(const void *entry, void *handle); /* of a jump: the chain */
	int (*create)(const char *chain, void *handle);
	int (*insert)(const char *chain, const void *entry, unsigned position, void *handle);
	int (*append)(const char *chain, const void *entry, void *handle);
	int (*delete)(const char *chain, unsigned position, void *handle);
	int (*empty)(const char *chain, void *handle);
	int (*drop)(const char *chain, void *handle);
	int (*commit)(void *handle); /* policy counters are kept */
};

/* IPv4, changes of DNAT rules alone: EOPNOTSUPP for any other, and for a table in which chains
 * do not stand as libiptc writes them. */
extern const struct xtables_backend xtables_patch;

#endif
