/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SQLITE_DB_H
#define NETI_SQLITE_DB_H
/*
 * The file of the SQLite store as typed operations on nodes and sessions. Every call does its
 * work at once and leaves no statement open; results are -errno, -EBUSY after ten seconds of
 * waiting for another process. Rules (parents, versions, who may) stand above.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite_db;

struct sqlite_node {
	int version;
	int64_t created, modified; /* milliseconds of the epoch, by the file's own clock */
	int64_t session;	   /* that owns it; 0: none */
	int64_t touched, grown;	   /* numbers of the last change: of the bytes, of the children */
	const void *bytes;	   /* in the visitor only */
	size_t size;
};

/* create: the file may be made. The schema is made in an empty file and checked in any other. */
int sqlite_db_open(struct sqlite_db **ret, const char *path, bool create);
/* NULL is fine; returns NULL. Of a file that was exchanged, or removed, what stands in its log goes into
 * the file first, wherever that is by now, and the log that stayed behind is deleted: SQLite would
 * play it into the other file. path NULL: nobody can have exchanged it yet. */
struct sqlite_db *sqlite_db_close(struct sqlite_db *db, const char *path);
/* Whether another file stands under the path now, or none. */
bool sqlite_db_exchanged(const struct sqlite_db *db, const char *path);
bool sqlite_db_readonly(const struct sqlite_db *db);

/* Whether another process changed the file since the last call; the first time it did. */
bool sqlite_db_moved(struct sqlite_db *db);

/* Whether commits wait for the disk, from now on. At first they do not. */
void sqlite_db_durable(struct sqlite_db *db, bool durable);
int sqlite_db_begin(struct sqlite_db *db);
/* Commits after a result of 0, else rolls back; returns the result or the commit's. */
int sqlite_db_end(struct sqlite_db *db, int result);

/* -ENOENT when there is no such node. A visitor's -errno ends the reading and is returned. */
int sqlite_db_find(struct sqlite_db *db, const char *path, struct sqlite_node *ret);
int sqlite_db_get(struct sqlite_db *db, const char *path,
	int (*visit)(void *data, const struct sqlite_node *node), void *data);
/* Names without their path; *ret_grown belongs to the same state of the file. */
int sqlite_db_children(struct sqlite_db *db, const char *path,
	int (*visit)(void *data, const char *name), void *data, int64_t *ret_grown);
int sqlite_db_has_children(struct sqlite_db *db, const char *path); /* 1, 0 */

/* The node alone; -EEXIST. session 0: it stays. */
int sqlite_db_create(struct sqlite_db *db, const char *path, const char *parent, int64_t session,
	const void *bytes, size_t size);
int sqlite_db_delete(struct sqlite_db *db, const char *path);
int sqlite_db_set(struct sqlite_db *db, const char *path, const void *bytes, size_t size);

/* Sessions of this boot of the machine; times are milliseconds of CLOCK_MONOTONIC. A session's
 * nodes go with it. */
int sqlite_db_session_create(struct sqlite_db *db, int64_t session, int64_t expires);
/* 1, or 0 when it is gone. */
int sqlite_db_session_extend(struct sqlite_db *db, int64_t session, int64_t expires);
int sqlite_db_session_check(struct sqlite_db *db, int64_t session);
int sqlite_db_session_delete(struct sqlite_db *db, int64_t session);
/* Whether anybody's session is over, 1 or 0; and the deletion of those, how many there were. */
int sqlite_db_dead(struct sqlite_db *db, int64_t now);
int sqlite_db_reap(struct sqlite_db *db, int64_t now);

#endif
