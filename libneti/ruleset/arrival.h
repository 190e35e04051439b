/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ARRIVAL_H
#define NETI_ARRIVAL_H
/*
 * The policy for what arrives, rule by rule, in no engine's words. Pure.
 */
#include "settings/policy.h"

enum state { STATE_NEW = 1, STATE_RELATED = 2, STATE_ESTABLISHED = 4 };

/* Which packets: all that is set has to be so. */
struct match {
	uint8_t family;			   /* AF_INET, AF_INET6; 0: both */
	bool loopback;			   /* by the loopback interface */
	bool peers;			   /* from a member */
	struct prefix source, destination; /* length 0: any */
	uint8_t protocol;		   /* 0: any */
	bool syn, not_syn; /* TCP: the first segment of a connection, or any other */
	bool typed;	   /* ICMP: of this type */
	uint8_t icmp_type;
	uint16_t low, high; /* destination ports; high 0: any */
	uint8_t states;	    /* enum state; 0: any */
};

enum verdict {
	VERDICT_ACCEPT,
	VERDICT_DROP,
	VERDICT_NOTE,  /* as refused, in "denied"; then the next rule */
	VERDICT_LEAVE, /* to the rules of others */
};

struct arrival {
	struct match match;
	enum verdict verdict;
	const char *why; /* a comment, static */
};

struct arrival_list {
	struct arrival *items;
	size_t length, size;
	int result; /* 0 or -ENOMEM: sticks, like a buffer's */
};

/* Appends the rules of a family (0: both). Without "enforce" the kernel tracks connections, and
 * refuses and notes nobody. */
void arrival_rules(struct arrival_list *list, const struct policy *policy, uint8_t family,
	bool enforce);
void arrival_clear(struct arrival_list *list);

#endif
