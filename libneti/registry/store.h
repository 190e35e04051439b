/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_STORE_H
#define NETI_STORE_H
/*
 * A small tree of nodes with sessions, ephemeral nodes, one-shot watches and atomic
 * multi-operations: what a registry needs of its server. ZooKeeper has it, SQLite plays it.
 *
 * One thread uses a store. Calls only start work; every answer comes from process(), in order
 * of completion. A call that returns -errno gives no answer: -ENOTCONN when the store is not
 * CONNECTED. Every call is answered before EXPIRED is told. A watch is left only by a read that
 * succeeded; it outlives SUSPENDED and dies with the session.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"

struct store;

enum store_state {
	STORE_CONNECTING, /* never had a session, or it expired and a new one is asked for */
	STORE_CONNECTED,
	STORE_SUSPENDED, /* connection lost; the session may live on */
	STORE_EXPIRED,	 /* ephemeral nodes and watches are gone; CONNECTING follows by itself */
	STORE_REFUSED	 /* the credentials were; CONNECTED follows if they are taken later */
};

struct store_config {
	const char *address;	 /* after the scheme: "h1:2181,h2:2181" or a file */
	const char *credentials; /* "user:password" or NULL */
	unsigned session_timeout_ms;
	bool create; /* a store that is a file may be made; else it must be there */
	const struct log *log;
	/* Both run inside store_process(). detail: one sentence or NULL. */
	void (*state)(void *data, enum store_state state, const char *detail);
	void (*changed)(void *data, const char *path); /* a watch went off; read again to re-arm */
	/* Between EXPIRED and CONNECTED: what follows is another store. May be NULL. */
	void (*replaced)(void *data, const char *why);
	void *data;
};

enum store_operation_kind {
	STORE_CREATE,
	STORE_CREATE_EPHEMERAL,
	STORE_DELETE, /* version -1: any */
	STORE_SET,    /* version -1: any */
	STORE_CHECK   /* the node exists and has this version (-1: any) */
};

struct store_operation {
	enum store_operation_kind kind;
	const char *path;
	const char *bytes; /* create and set; may be NULL when size is 0 */
	size_t size;
	int version;
};

struct store_answer {
	/* 0; -ENOENT, -EEXIST, -EAGAIN (version), -ENOTEMPTY, -EACCES, -EINVAL;
	 * -ECONNRESET: connection lost, the outcome is unknown; -ESTALE: the session expired;
	 * -EBADMSG: the answer is none, and nothing in it counts; the outcome is unknown
	 * any other: the store is in trouble (-ENOSPC, -EBUSY), nothing was done */
	int result;
	size_t failed;	   /* multi: which operation has that result */
	const char *bytes; /* get; NUL-terminated behind size */
	size_t size;
	const char *const *names; /* children */
	size_t n_names;
	uint64_t revision; /* children: of the store, when a child came or went last */
	uint64_t owner;	   /* get: session of an ephemeral node; 0: it stays */
	int version;	   /* get */
	int64_t created;   /* get: milliseconds of the epoch */
	int64_t modified;
};

/* More than any store of a fleet holds: an answer beyond that is none. */
#define STORE_NAME_MAX 1024
#define STORE_NAMES_MAX (1u << 22)
#define STORE_BYTES_MAX (4u << 20)

/* Whether a node can be called so: no path, nothing that cannot be printed. NULL is none. */
bool store_is_name(const char *name);

typedef void (*store_done)(void *data, const struct store_answer *answer);

struct store_backend {
	const char *scheme; /* with its punctuation: "zookeeper://", "sqlite:" */
	bool rooted;	    /* behind the scheme stands ADDRESS/ROOT, many fleets share a store */
	int (*open)(struct store **ret, const struct store_config *config, struct error *error);
	void (*close)(struct store *store);	/* closes the session: its ephemeral nodes go; no
					       answers any more */
	int (*descriptor)(struct store *store); /* poll for reading; never changes */
	int (*process)(struct store *store);
	uint64_t (*session)(struct store *store); /* 0: none */
	unsigned (*timeout)(struct store *store); /* negotiated, milliseconds */
	int (*children)(struct store *store, const char *path, bool watch, store_done done,
		void *data);
	int (*get)(struct store *store, const char *path, bool watch, store_done done, void *data);
	int (*multi)(struct store *store, const struct store_operation *operations, size_t n,
		store_done done, void *data);
};

/* Every store begins with this. */
struct store {
	const struct store_backend *backend;
};

extern const struct store_backend store_zookeeper, store_sqlite;

#endif
