/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_STATUS_H
#define NETI_STATUS_H
/*
 * The agent's files in state_dir: its lock, and the status that "netictl status" shows.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include "../error.h"
#include "../registry/registry.h"

struct status {
	const char *id;
	const char *network;
	char overlay[NETI_ADDRESS_MAX];
	char session[24]; /* "" when there is none */
	char registry[16]; /* connecting, connected, suspended, expired, refused */
	bool ready;	   /* the whole list was read */
	size_t members;
	size_t skipped;
	const char *skipped_entries[REGISTRY_SKIPPED_NAMED]; /* sentences; the registry's */
	size_t n_skipped_entries;
	unsigned session_timeout_ms; /* negotiated */
	size_t held;
	uint64_t revision;
	int64_t applied_at; /* seconds of the epoch, 0: not yet */
	double applied_seconds;
	size_t peers, peers_max;
	uint64_t addresses; /* of the overlay subnet */
	uint64_t repairs;
	char trouble[ERROR_TEXT_MAX]; /* the last that stands, or "" */
};

/* Takes the lock; the descriptor keeps it until it is closed. -EBUSY: says which process has it. */
int status_lock(const char *state_dir, struct error *error);
/* Replaces the status file in one step. */
int status_write(const char *state_dir, const struct status *status, struct error *error);
/* How full conntrack is; false when this kernel does not tell. */
bool status_conntrack(uint64_t *ret_entries, uint64_t *ret_max);

#endif
