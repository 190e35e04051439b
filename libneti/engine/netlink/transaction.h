/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NETLINK_TRANSACTION_H
#define NETI_NETLINK_TRANSACTION_H
/*
 * Messages of a netfilter subsystem of which all are carried out, or none.
 */
#include <stdbool.h>

#include "netlink.h"

/* All zero: empty. */
struct transaction {
	char *bytes;
	size_t length, size;   /* of what is complete; of the room */
	struct nlmsghdr *last; /* the message being built; NULL: none */
	unsigned n;	       /* messages */
	int result;	       /* 0 or -ENOMEM: sticks, like a buffer's */
};

/* The first that the kernel did not take. */
struct refusal {
	int result;	 /* -errno; 0: none */
	uint8_t command; /* which message it was; 0: the transaction as a whole */
	unsigned number; /* of the message, from 1 */
	uint32_t port;	 /* of the last conversation: what others are told of it bears it */
};

/* Room for the next message, built there with netlink_begin_netfilter() and complete when this is
 * called again; NULL without memory, which the commit tells. */
void *transaction_next(struct transaction *transaction, size_t room);
bool transaction_is_empty(const struct transaction *transaction);
void transaction_clear(struct transaction *transaction);

/*
 * 0, or -errno with the refusal. generation: only when nothing has changed since that one, else
 * -ERESTART; NULL: whatever has. Where the socket cannot carry all of it at once, as in a user
 * namespace, it goes in several pieces, each of which is carried out or not: what comes later in it
 * must be able to wait.
 */
int transaction_commit(struct transaction *transaction, struct netlink_line *line,
	uint8_t subsystem, const uint32_t *generation, struct refusal *ret);

/* Whether the kernel would take it: nothing of it is carried out. */
int transaction_try(struct transaction *transaction, struct netlink_line *line, uint8_t subsystem,
	struct refusal *ret);

#endif
