/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_ZOOKEEPER_SERVER_H
#define NETI_TESTS_ZOOKEEPER_SERVER_H
/*
 * Real ZooKeeper servers for tests, alone or as an ensemble: on free ports of the namespace at
 * hand, each in a folder of its own that goes with it. They die with the process that started
 * them.
 */
#include <stdbool.h>

#define ZOOKEEPER_SERVERS_MAX 5

struct zookeeper_server;

/* Where servers that are started from now on listen; loopback unless said. For namespaces. */
void zookeeper_servers_listen_on(const char *address);
/* NULL when the machine has none; why, zookeeper_server_missing() says. A server that does not
 * come up ends the program. */
struct zookeeper_server *zookeeper_server_start(void);
const char *zookeeper_server_missing(void);
/* n servers that serve together; false when the machine has none. */
bool zookeeper_servers_start(struct zookeeper_server *servers[], unsigned n);
bool zookeeper_server_leads(const struct zookeeper_server *server);
struct zookeeper_server *zookeeper_server_stop(struct zookeeper_server *server); /* returns NULL */
unsigned zookeeper_server_port(const struct zookeeper_server *server);
/* Without ceremony, and up again with the same data on the same port. */
void zookeeper_server_kill(struct zookeeper_server *server);
void zookeeper_server_restart(struct zookeeper_server *server);
/* Of one that was killed: all its data is lost. */
void zookeeper_server_empty(struct zookeeper_server *server);
/* Of one that was killed: keeps a copy of its data, and puts that copy in the place of it. */
void zookeeper_server_copy(struct zookeeper_server *server);
void zookeeper_server_restore(struct zookeeper_server *server);
/* Stands still: connections stay open, nothing is answered. */
void zookeeper_server_freeze(struct zookeeper_server *server);
void zookeeper_server_thaw(struct zookeeper_server *server);

#endif
