/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_MEMBERS_H
#define NETI_MEMBERS_H
/*
 * The list of members behind the public handle: the agent's events carry it too.
 */
#include "member.h"

struct neti_members {
	unsigned references;	      /* of one thread at a time */
	struct neti_context *context; /* NULL in an event: nothing is added there */
	struct member_list list;
	uint64_t revision; /* of the registry when it was read, 0: not from there */
};

#endif
