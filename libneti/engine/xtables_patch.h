/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_XTABLES_PATCH_H
#define NETI_XTABLES_PATCH_H
/*
 * A table as the bytes that the kernel gives and takes, and where its chains are in them.
 */
#include <netinet/in.h> /* before the kernel headers, which then leave its types alone */
#include <linux/netfilter_ipv4/ip_tables.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xtables_backend.h"

/* A rule of a chain that is changed: a copy. */
struct slot {
	unsigned char *entry;
	size_t number; /* which entry of the kernel's table it was; NEW: none */
};
#define NEW SIZE_MAX

struct place {
	const char *name;
	size_t start, end; /* of its rules, in bytes */
	size_t number;	   /* the first rule's, among all entries */
	bool builtin;
	struct slot *slots; /* once it is changed */
	size_t n, old_n;
	ptrdiff_t shift; /* by how much what stands before its rules makes them move */
};

struct patch {
	int fd;
	struct ipt_getinfo info;
	struct xtables_memory *memory;
	struct xt_counters *counters;	/* the kernel's, of the table that is replaced */
	struct xt_counters_info *added; /* to be put back */
	struct ipt_replace *table;
	struct place builtins[NF_INET_NUMHOOKS], *places;
	size_t n, size;
	struct place *reading;
	size_t next; /* of its slots */
};

/* libiptc's way: 0 or NULL with errno. */
void *patch_read(const char *table, struct xtables_memory *memory);
void patch_free(void *handle);
int patch_write(void *handle);
/* The chain whose rules start there: where a jump leads to. */
struct place *patch_find_start(const struct patch *patch, int verdict);

static inline unsigned char *bytes_of(const struct patch *patch)
{
	return (unsigned char *)patch->table->entries;
}

static inline struct ipt_entry *entry_at(const struct patch *patch, size_t offset)
{
	return (void *)(bytes_of(patch) + offset);
}

static inline struct xt_entry_target *target_of(const void *entry)
{
	return (void *)((unsigned char *)entry + ((const struct ipt_entry *)entry)->target_offset);
}

static inline size_t length_of(const void *entry)
{
	return ((const struct ipt_entry *)entry)->next_offset;
}

#endif
