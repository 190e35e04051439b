/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLOSE_ON_EXEC_H
#define NETI_CLOSE_ON_EXEC_H
/*
 * For sockets that a library makes without close-on-exec and does not show.
 */
#include <sys/socket.h>

/* Looks among all of the process's descriptors for connections to this server, non-blocking and
 * undelayed, and marks them. A program executed while a connection is being made may still
 * inherit it. */
void close_on_exec(const struct sockaddr_storage *server);

#endif
