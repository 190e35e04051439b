/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_STATUS_H
#define NETI_STATUS_H
/*
 * The agent's files in state_dir: its lock, and the status that "netictl status" shows.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include <jansson.h>

#include "base/error.h"
#include "fill.h"
#include "registry/registry.h"
#include "trouble.h"

struct status {
	const char *id;
	const char *network;
	char overlay[NETI_ADDRESS_MAX];
	char session[24];  /* "" when there is none */
	char registry[16]; /* connecting, connected, suspended, expired, refused */
	bool refusing;	   /* the kernel refuses strangers */
	bool ready;	   /* the whole list was read */
	bool member;	   /* this host wants to be one */
	bool joined;	   /* and its entry stands */
	size_t members;
	size_t skipped;
	const char *skipped_entries[REGISTRY_SKIPPED_NAMED]; /* sentences; the registry's */
	size_t n_skipped_entries;
	unsigned session_timeout_ms; /* negotiated */
	size_t held;
	uint64_t revision;    /* that the kernel holds */
	uint64_t newest;      /* of the registry, as far as it was read */
	int64_t behind_since; /* seconds of the epoch, 0: the kernel holds the newest */
	int64_t applied_at;   /* seconds of the epoch, 0: not yet */
	double applied_seconds;
	uint64_t commits; /* how often something was applied, and the time of them all */
	double commit_seconds;
	size_t peers;
	uint64_t addresses; /* of the overlay subnet */
	struct fill tables[FILL_TABLES];
	size_t denied_sources; /* source and port, of the last hour */
	uint64_t denied_packets;
	uint64_t repairs;
	const char *engine;	/* its name; NULL: none */
	int64_t repaired_at;	/* seconds of the epoch, 0: never */
	char repaired_from[40]; /* what had changed them, "nft, pid 6952"; empty: not known */
	struct troubles troubles;
};

/* Takes the lock; the descriptor keeps it until it is closed. -EBUSY: says which process has it. */
int status_lock(const char *state_dir, struct error *error);
/* The content of the status file: times in seconds of the epoch. NULL without memory. */
json_t *status_json(const struct status *status);
/* Replaces the status file in one step. */
int status_write(const char *state_dir, const struct status *status, struct error *error);

#endif
