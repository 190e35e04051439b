/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_SIMULATED_H
#define NETI_TESTS_SIMULATED_H
/*
 * Members that are nothing but entries of one session: the n-th has the overlay address
 * n + 1 of the subnet, and is at the private address 10.128.0.0 + place. For faults and
 * benchmarks; what goes wrong ends the program.
 */
#include "fleet/fleet_settings.h"
#include "registry/store.h"

struct simulator;

/* A session on a fleet that is there. */
struct simulator *simulator_open(const char *uri, const struct fleet_settings *fleet,
	unsigned timeout_ms);
void simulator_close(struct simulator *simulator); /* its members leave */
struct address simulated_overlay(const struct simulator *simulator, unsigned n);
/* These start, many at a time. */
void simulated_join(struct simulator *simulator, unsigned n, unsigned place);
/* With a lease, an entry's data and the public address 11.0.0.0 + n, at the place n. */
void simulated_register(struct simulator *simulator, unsigned n);
void simulated_leave(struct simulator *simulator, unsigned n, unsigned place);
void simulated_move(struct simulator *simulator, unsigned n, unsigned from, unsigned to);
/* Until so many are under way; with 0 the first failure of them, or 0. */
int simulator_wait(struct simulator *simulator, unsigned at_most);

#endif
