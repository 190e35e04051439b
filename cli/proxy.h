/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_PROXY_H
#define NETI_CLI_PROXY_H
/*
 * What the files of "netictl proxy" share.
 */
#include <netinet/in.h>

#include "netictl.h"

#define PROXY_TARGETS_MAX 16

struct proxy {
	unsigned listen;
	struct sockaddr_in targets[PROXY_TARGETS_MAX];
	size_t n_targets;
	char *from; /* prefixes, separated by commas */
};

/* 1 something of the proxy was in the kernel before, 0 nothing was, -1 after saying why. */
int proxy_rules_apply(const struct proxy *proxy);
int proxy_rules_flush(void);
/* 1 in place, 0 not, -1 cannot be seen: nothing is said. */
int proxy_rules_look(void);

struct proxy_health {
	bool healthy;
	char mode[32];	  /* leader, follower, standalone; "" not told */
	int connections;  /* that the server has; -1 not told */
	const char *text; /* one sentence */
};
struct proxy_health proxy_health(const struct sockaddr_in *target);

#endif
