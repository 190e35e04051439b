/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_BENCH_PAIR_H
#define NETI_BENCH_PAIR_H
/*
 * Two hosts in namespaces of their own on one cable, and traffic between them. One thread is
 * both ends: a veth hands its packets over on the sender's processor, so all the work that a
 * packet causes on both hosts is done before the call that sent it returns, and time measures
 * that work and no waiting.
 */
#include <stddef.h>

#define CLIENT "10.255.0.1"
#define SERVER "10.255.0.2"
#define PORTS 4 /* from 7000 */

struct pair {
	int client, server; /* namespaces */
	int listeners[PORTS];
	int from, to;	      /* of the stream */
	unsigned connections; /* so far: each takes another source port */
};

/* Both ends filtered by whoever likes; the client's default route leads to the server. */
void pair_make(struct pair *ret);
void pair_enter(int namespace);
/* TCP connections a second: each set up, accepted, reset. */
double pair_connect(struct pair *pair, const char *address, unsigned n);
/* A connection that stays open, and megabytes a second through it. */
void pair_open_stream(struct pair *pair, const char *address);
double pair_stream(struct pair *pair, size_t size);

#endif
