/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SQLITE_WATCHES_H
#define NETI_SQLITE_WATCHES_H
/*
 * The watches of the SQLite store, and when to look whether the file changed: inotify on the -wal
 * file says so, a slow poll is behind it. Times are milliseconds of CLOCK_MONOTONIC.
 */
#include <stdbool.h>
#include <stdint.h>

#include "db.h"

struct sqlite_watch;

struct sqlite_watches {
	bool again; /* one could not be looked at: next time, whether the file moved or not */
	struct sqlite_watch *first;
	int inotify; /* -1: none, the poll is faster then */
	int64_t look_at, hint_ms;
};

#define SQLITE_WATCHES_NONE ((struct sqlite_watches){ .inotify = -1 })

/* Hints about the file become readable on the epoll, when the system gives them. */
void sqlite_watches_start(struct sqlite_watches *watches, const char *path, int epoll);
void sqlite_watches_stop(struct sqlite_watches *watches);

/* serial: of the state that the reader saw. 0 there was one, 1 new, -ENOMEM. */
int sqlite_watches_add(struct sqlite_watches *watches, const char *path, bool children,
	int64_t serial);
/* Takes out those that went off, then tells each. */
void sqlite_watches_tell(struct sqlite_watches *watches, struct sqlite_db *db,
	void (*changed)(void *data, const char *path), void *data);
void sqlite_watches_clear(struct sqlite_watches *watches);

/* Reads the hints away: whether there was one. */
bool sqlite_watches_hinted(struct sqlite_watches *watches);
/* Whether it is time to look. After a look comes _looked(). */
bool sqlite_watches_due(struct sqlite_watches *watches, bool hinted);
void sqlite_watches_looked(struct sqlite_watches *watches);
/* When to look next; 0: nobody watches. */
int64_t sqlite_watches_next(const struct sqlite_watches *watches);

#endif
