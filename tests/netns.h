/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_NETNS_H
#define NETI_TESTS_NETNS_H
/*
 * Network namespaces for tests. They have no name and are held by descriptors alone, so they
 * vanish with the test's process. Tests call netns_start first: each runs forked.
 */
#include <stdbool.h>
#include <stdint.h>

struct netns_host {
	const char *name;
	int fd;
};

/* Leaves the machine's namespaces for fresh ones: loopback up, an xtables lock of its own.
 * False, and the test noted as skipped, when that is not possible here. */
bool netns_start(struct netns_host *ret_self);
/* A directory of the test's own, removed at exit. */
const char *netns_directory(void);
void netns_host(struct netns_host *ret, const char *name);
void netns_enter(const struct netns_host *host);
/* A cable between two hosts; addresses with their prefix length. Ends with "a" in force. */
void netns_link(const struct netns_host *a, const char *address_a, const struct netns_host *b,
	const char *address_b);

/* Runs a shell command in the namespace at hand; fails the test unless it succeeds. */
void netns_do(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same; gives back stdout alone (the caller frees), whatever the exit status: a value. */
char *netns_output(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A listening TCP socket of the namespace at hand. */
int netns_listen(const char *address, uint16_t port);
/* 0 or -errno; -ETIMEDOUT when nothing comes back. */
int netns_connect(const char *address, uint16_t port, unsigned timeout_ms);
/* The same, and whom the listener sees: text of at least 46 bytes. */
int netns_seen(int listener, const char *address, uint16_t port, char *ret_source);

#endif
