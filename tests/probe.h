/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_PROBE_H
#define NETI_TESTS_PROBE_H
/*
 * Processes that open TCP connections all the time: a member's must all be accepted, a
 * stranger's none.
 */
#include "netns.h"

#define PROBE_PORT 8080

struct probe_counts {
	unsigned members, refused, strangers, let_in;
};

void probe_listen(const struct netns_host *host);
void probe_member(const struct netns_host *host, const char *address);
void probe_stranger(const struct netns_host *host, const char *address);
/* Ends all of them. */
struct probe_counts probe_end(void);

#endif
