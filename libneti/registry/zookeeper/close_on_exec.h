/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLOSE_ON_EXEC_H
#define NETI_CLOSE_ON_EXEC_H
/*
 * For sockets and pipes that a library makes without close-on-exec and does not show.
 */
#include <sys/socket.h>

/* Looks among all of the process's descriptors for connections to this server, non-blocking and
 * undelayed, and marks them. A program executed while a connection is being made may still
 * inherit it. */
void close_on_exec(const struct sockaddr_storage *server);

#define CLOSE_ON_EXEC_KNOWN 65536

/* Which descriptors are open. */
struct open_descriptors {
	unsigned char bits[CLOSE_ON_EXEC_KNOWN / 8];
};

void close_on_exec_note(struct open_descriptors *ret);
/* Marks a pipe that has come since, and blocks neither side: the client wakes its thread by
 * one. */
void close_on_exec_pipes(const struct open_descriptors *before);

#endif
