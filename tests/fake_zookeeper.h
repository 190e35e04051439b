/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_FAKE_ZOOKEEPER_H
#define NETI_TESTS_FAKE_ZOOKEEPER_H
/*
 * The server's part of ZooKeeper's protocol on a loopback port, as far as a fleet needs it, with one
 * or more fields of its answers as no server would write them. One thread, no waiting: the owner
 * polls.
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "fake_writer.h"

#define FAKE_CONNECTIONS 4
#define FAKE_FDS (1 + FAKE_CONNECTIONS)

struct fake;

/* root: of the fleet, as in "/neti"; with: there is one of two members already. */
struct fake *fake_new(const char *root, bool with_fleet);
struct fake *fake_free(struct fake *fake); /* returns NULL */
unsigned fake_port(const struct fake *fake);
void fake_mutate(struct fake *fake, const struct mutation *mutations, size_t n);
bool fake_mutated(const struct fake *fake); /* all of them were written */
/* From now on every request of these kinds is answered by that error, and by nothing else; every watch
 * goes off. error 0: what is asked for comes, but its watch goes off at once, again and again. */
enum { FAKE_GET = 1, FAKE_CHILDREN = 2, FAKE_MULTI = 4, FAKE_ALL = 7 };
void fake_fail(struct fake *fake, int error, unsigned kinds);
unsigned fake_requests(const struct fake *fake); /* since the beginning, without pings */
/* From now on it is a server like any other. Another member comes, and every watch goes off. */
void fake_heal(struct fake *fake);
/* What no request asked for, by name; NULL: there are no more. */
const char *fake_extra(size_t which);
void fake_send_extra(struct fake *fake, size_t which);
void fake_drop(struct fake *fake); /* all connections */

size_t fake_fds(const struct fake *fake, struct pollfd fds[FAKE_FDS]);
void fake_serve(struct fake *fake, const struct pollfd *fds, size_t n);

/* What was answered, for whoever goes through all of it. */
const struct script *fake_script(const struct fake *fake);

#endif
