/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_CONNECTIONS_H
#define NETI_TESTS_CONNECTIONS_H
/*
 * A host with a member, the place it moves to and a stranger, each on a cable; an engine; and
 * connections between them, both ends in this process: a socket stays in the namespace that it
 * was made in.
 */
#include <poll.h>
#include <sys/socket.h>

#include "engine_fixture.h"

#define HERE_MEMBER "10.9.1.1" /* this host on the member's cable */
#define MEMBER "10.9.1.2"
#define HERE_STRANGER "10.9.2.1"
#define STRANGER "10.9.2.2"
#define HERE_STRANGER6 "fd00:9::1"
#define STRANGER6 "fd00:9::2"
#define MOVED "10.9.3.2"
#define OVERLAY "192.168.0.5" /* the member's */
#define OTHER "192.168.0.6"   /* of another member at the same address */

#define SHORT 300 /* milliseconds to wait for an answer that should not come */

extern struct netns_host self, member, moved, stranger;
extern struct error error;
extern struct engine_report report;
extern struct engine *engine;
extern struct ruleset *rules; /* the member alone, reject_all */

/* Over the engine at hand. False: it is not possible here. Ends on the host itself. */
bool connections_start(void);
void connections_stop(void);
void connections_apply(void);
void connections_update(const struct ruleset *from);

struct end {
	const struct netns_host *host;
	const char *address;
};

struct pair {
	int caller, called;
};

socklen_t connections_name(struct sockaddr_storage *ret, const char *address, uint16_t port);
int connections_begin(const struct end *from, const char *address, uint16_t port);
/* listen_at: where the called end listens, when that is not the address it is called at. */
struct pair connections_make(const struct end *from, const struct end *to, const char *listen_at,
	uint16_t port);
bool connections_wait(int fd, short events, int milliseconds);
/* One byte from one end to the other. */
bool connections_carry(int from, int to, int milliseconds);
unsigned connections_retransmitted(int fd);
/* Every byte comes through at once, whoever speaks first. */
void connections_assert_lives(const struct pair *pair, bool called_first, const char *what);

#endif
