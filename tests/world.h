/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_WORLD_H
#define NETI_TESTS_WORLD_H
/*
 * A small world for faults: two hosts whose agents are processes of their own, a stranger, a
 * cable from each host to where the ZooKeeper servers run, and probers that ask all the time
 * whether a member was refused or the stranger let in.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "netns.h"
#include "zookeeper_server.h"

#define WORLD_HOSTS 2

struct world_host {
	struct netns_host netns;
	const char *id, *address;
	char overlay[64];
	pid_t agent; /* 0: none runs */
};

extern struct world_host world_hosts[WORLD_HOSTS];
/* One more, which no call below starts: its lease lies outside of the fleet's first overlay,
 * 192.168.0.0/18. */
extern struct world_host world_late;

/* In the program that test_suite() belongs to: true in a process that world_start_agent() made,
 * when its agent has ended. */
bool world_is_agent(void);

/* False: no namespaces or no server here; the test is noted as skipped. servers: to be started,
 * or 0; they are then started by the test in the world's own namespace. */
bool world_begin(struct zookeeper_server *servers[], unsigned n);
void world_end(struct zookeeper_server *servers[], unsigned n);
/* The same, with agents that run and probers that ask; at the end every kernel must be right. */
bool world_open(struct zookeeper_server *servers[], unsigned n);
void world_close(struct zookeeper_server *servers[], unsigned n);
bool world_deep(void); /* for longer, and more often */
bool world_lets_in(const struct world_host *host, const char *peer, int seconds);
/* The registry as every host knows it; lasts. */
const char *world_registry(void);

void world_start_agent(struct world_host *host);
void world_end_agent(struct world_host *host, int signal);
/* Both run, and each lets the other in. */
void world_start_agents(void);
/* Repeats a shell command on the host until it succeeds; false when it does not in time. */
bool world_becomes(const struct world_host *host, int seconds, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Waits until the host's kernel is what the registry's members make of it. */
void world_check_kernel(const struct world_host *host);
void world_check_kernels(void);
/* Whether it is accepted at the overlay address, where the probe listens. */
bool world_reaches(const struct world_host *host, const struct world_host *other);
void world_cut(const struct world_host *host, bool cut); /* the cable to the servers */
void world_sleep(int ms);
/* Makes the fleet, with one setting chosen. */
void world_fleet_init(const char *key, const char *value);
/* One key of the fleet's settings, as "netictl fleet set"; NULL: accept. */
void world_fleet_set(const char *key, const char *value);
/* Writes what the host's overlay address is. */
void world_learn_overlay(struct world_host *host);
/* -errno, and the sentence about it in "text". */
int world_fleet_refuses(const char *key, const char *value, char text[200]);

/* From here to the end the probers must find nothing; counts are told by the second call, which
 * fails the test when they did. */
void world_probe(void); /* listens on the late host, too */
void world_probe_end(void);

/* The wall clock of agents, in seconds from the right one; also of those that run. */
void world_set_clock(int seconds);

#endif
