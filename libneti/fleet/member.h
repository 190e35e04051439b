/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_MEMBER_H
#define NETI_MEMBER_H
/*
 * One member of the fleet: immutable, counted, shared between threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/name.h"

struct member {
	const char *id;
	const char *network;
	const char *version; /* of the agent; NULL when it was not read */
	struct address overlay;
	struct address private_address;
	struct address public_address; /* may be unset */
	int64_t since;		       /* seconds of the epoch, 0 when not read */
	uint64_t revision;	       /* applied by the member's agent, 0 when not read */
	uint64_t held;		       /* removals that its agent holds back, 0 when not read */
	bool live;		       /* false: a lease without a live member */
};

/* Copies the fields and their strings. The caller owns one reference. */
int member_new(struct member **ret, const struct member *fields);
struct member *member_ref(struct member *member);
struct member *member_unref(struct member *member); /* returns NULL */
/* Same id, network and addresses: nothing for the kernel to do. */
bool member_same(const struct member *a, const struct member *b);
int member_compare_overlay(const struct member *a, const struct member *b);

/* A counted list that owns a reference to each member. */
struct member_list {
	struct member **items;
	size_t length;
	size_t size;
};

int member_list_add(struct member_list *list, struct member *member); /* takes its own reference */
void member_list_sort(struct member_list *list); /* by overlay address, then id */
/* By id, else by overlay, else by private or public address; NULL when there is none. */
struct member *member_list_find(const struct member_list *list, const char *key);
void member_list_clear(struct member_list *list);

#endif
