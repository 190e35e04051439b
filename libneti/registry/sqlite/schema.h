/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SQLITE_SCHEMA_H
#define NETI_SQLITE_SCHEMA_H
/*
 * The SQL of the SQLite store: what the file is made with, and every statement that is prepared.
 */
#define SQLITE_APPLICATION_ID 0x4e657469 /* "Neti" */
#define SQLITE_SCHEMA_VERSION 1

enum statement {
	SAFE,
	QUICK,
	BEGIN,
	COMMIT,
	ROLLBACK,
	DATA_VERSION,
	NODE_GET,
	NODE_CHILDREN,
	NODE_CREATE,
	NODE_DELETE,
	NODE_SET,
	CLOCK_GET,
	CLOCK_SET,
	SESSION_CREATE,
	SESSION_EXTEND,
	SESSION_CHECK,
	SESSION_DELETE,
	SESSION_DEAD,
	SESSION_REAP,
	SQLITE_STATEMENTS
};

extern const char sqlite_schema[];
extern const char sqlite_clock[]; /* in every file, whichever release made it */
extern const char *const sqlite_statements[SQLITE_STATEMENTS];

#endif
