/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CONNTRACK_ENTRY_H
#define NETI_CONNTRACK_ENTRY_H
/*
 * One entry of the table of connections as a message: read, made, deleted. Decides nothing.
 */
#include "base/address.h"
#include "engine/netlink/netlink.h"

/* A connection as its beginner sees it. */
struct flow {
	uint8_t protocol;
	struct address source, destination;
	uint16_t source_port, destination_port; /* network order, as every interface has them */
};

/* What is read, good within the call. */
struct entry {
	uint8_t protocol;
	struct address destination; /* where it was sent */
	struct address answers;	    /* from where its answers come: where it went */
	const struct nlattr *tuple, *zone, *id;
};

/* Every IPv4 entry, or those sent to this address: a kernel before 5.8 gives all the same. A
 * negative result of visit ends it. */
typedef int (*entry_visit_fn)(void *data, const struct entry *entry);
int entry_read(struct netlink_line *line, const struct address *destination, entry_visit_fn visit,
	void *data);
/* Messages, in space for NETLINK_BATCH_MESSAGE bytes. */
void entry_delete(void *space, const struct entry *entry);

struct entry_state {
	bool answered;
	uint8_t tcp;	  /* TCP_CONNTRACK_* */
	uint32_t timeout; /* seconds */
};
/* -EEXIST when there is one. */
void entry_create(void *space, const struct flow *flow, const struct entry_state *state);
/* Notes on an entry that is there that both sides have spoken. */
void entry_confirm(void *space, const struct flow *flow);

#endif
