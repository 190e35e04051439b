/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables, triggers and views, and the statements over them. No calls.
 */
#include "schema.h"

/*
 * "touched" and "grown" are the numbers of the last change of a node's bytes and of its list of
 * children. Triggers keep them, so that a row changed by hand is noticed like any other.
 */
const char sqlite_clock[] = "CREATE TABLE IF NOT EXISTS clock (boot TEXT PRIMARY KEY,"
			    " offset INTEGER NOT NULL) WITHOUT ROWID;";

const char sqlite_schema[] =
	"CREATE TABLE counter (serial INTEGER NOT NULL);"
	"INSERT INTO counter VALUES (1);"
	"CREATE TABLE session (id INTEGER PRIMARY KEY, expires INTEGER NOT NULL,"
	" boot TEXT NOT NULL, pid INTEGER NOT NULL);"
	"CREATE TABLE node (path TEXT PRIMARY KEY, parent TEXT, bytes BLOB NOT NULL,"
	" version INTEGER NOT NULL DEFAULT 0, touched INTEGER NOT NULL DEFAULT 0,"
	" grown INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL,"
	" modified INTEGER NOT NULL, session INTEGER) WITHOUT ROWID;"
	"CREATE INDEX node_parent ON node (parent, path);"
	"CREATE INDEX node_session ON node (session) WHERE session IS NOT NULL;"
	"CREATE TRIGGER node_inserted AFTER INSERT ON node BEGIN"
	" UPDATE counter SET serial = serial + 1;"
	" UPDATE node SET touched = (SELECT serial FROM counter) WHERE path = NEW.path;"
	" UPDATE node SET grown = (SELECT serial FROM counter) WHERE path = NEW.parent; END;"
	"CREATE TRIGGER node_updated AFTER UPDATE OF bytes ON node BEGIN"
	" UPDATE counter SET serial = serial + 1;"
	" UPDATE node SET touched = (SELECT serial FROM counter) WHERE path = NEW.path; END;"
	"CREATE TRIGGER node_deleted AFTER DELETE ON node BEGIN"
	" UPDATE counter SET serial = serial + 1;"
	" UPDATE node SET grown = (SELECT serial FROM counter) WHERE path = OLD.parent; END;"
	"CREATE TRIGGER session_deleted AFTER DELETE ON session BEGIN"
	" DELETE FROM node WHERE session = OLD.id; END;"
	"INSERT INTO node (path, bytes, created, modified) VALUES ('/', x'', 0, 0);"
	"CREATE VIEW leases AS SELECT CAST(bytes AS TEXT) AS overlay,"
	" substr(path, length('/id-to-ip/') + 1) AS id,"
	" datetime(created / 1000, 'unixepoch') AS taken,"
	" datetime(modified / 1000, 'unixepoch') AS used FROM node WHERE parent = '/id-to-ip';"
	"CREATE VIEW members AS SELECT substr(path, length(parent) + 2) AS entry,"
	" CAST(bytes AS TEXT) AS data, datetime(created / 1000, 'unixepoch') AS joined,"
	" node.session, pid FROM node LEFT JOIN session ON session.id = node.session"
	" WHERE parent LIKE '/ip-map/%';";

const char *const sqlite_statements[SQLITE_STATEMENTS] = {
	[SAFE] = "PRAGMA synchronous=FULL",
	[QUICK] = "PRAGMA synchronous=NORMAL",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[DATA_VERSION] = "PRAGMA data_version",
	[NODE_GET] = "SELECT bytes, version, created, modified, session, touched, grown"
		     " FROM node WHERE path = ?1",
	[NODE_CHILDREN] = "SELECT substr(path, ?2) FROM node WHERE parent = ?1",
	[NODE_CREATE] = "INSERT INTO node (path, parent, bytes, created, modified, session)"
			" VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
	[NODE_DELETE] = "DELETE FROM node WHERE path = ?1",
	[NODE_SET] = "UPDATE node SET bytes = ?2, version = version + 1, modified = ?3"
		     " WHERE path = ?1",
	[CLOCK_GET] = "SELECT offset FROM clock WHERE boot = ?1",
	[CLOCK_SET] = "INSERT INTO clock VALUES (?1, ?2)",
	[SESSION_CREATE] = "INSERT INTO session VALUES (?1, ?2, ?3, ?4)",
	[SESSION_EXTEND] = "UPDATE session SET expires = ?2 WHERE id = ?1 AND boot = ?3",
	[SESSION_CHECK] = "SELECT 1 FROM session WHERE id = ?1 AND boot = ?2",
	[SESSION_DELETE] = "DELETE FROM session WHERE id = ?1",
	[SESSION_DEAD] = "SELECT 1 FROM session WHERE boot <> ?1 OR expires < ?2 LIMIT 1",
	[SESSION_REAP] = "DELETE FROM session WHERE boot <> ?1 OR expires < ?2",
};
