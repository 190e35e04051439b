/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_H
#define NETI_REGISTRY_H
/*
 * Where leases and live members are kept: the layout of the registry over any store.
 * One thread uses a registry; handlers run inside registry_process() and inside the calls
 * that wait. A handler may call registry_watch(), _join() and _publish(); the calls that wait
 * answer -EDEADLK there, and registry_close() must not be called. The layout (paths, entry names,
 * JSON) is a contract with other versions.
 */
#include "fleet/fleet.h"
#include "fleet/fleet_settings.h"
#include "fleet/member.h"
#include "store.h"

#define REGISTRY_SKIPPED_NAMED 10

struct registry;

struct registry_config {
	const char *uri; /* zookeeper://h1:2181,h2:2181/root or sqlite:/path; all is copied */
	const char *credentials;
	unsigned session_timeout_ms;
	const struct log *log;
	/* What the fleet (and the file of a registry that is one) is made with when there is none
	 * yet; NULL: that is an error. */
	const struct fleet_settings *initial;
	const struct prefix *exclude; /* addresses never given to this host */
	size_t n_exclude;
};

/* What may be wrong for long, each by itself. */
enum registry_trouble {
	REGISTRY_TROUBLE_FLEET,	 /* the fleet's settings cannot be read or made; access refused */
	REGISTRY_TROUBLE_SHARDS, /* members cannot be read */
	REGISTRY_TROUBLE_ENTRY,	 /* this host has no lease or no entry */
	REGISTRY_TROUBLE_TWIN,	 /* it has, and another living agent wants the same id */
	REGISTRY_TROUBLES
};

/* Any of them may be NULL. */
struct registry_handler {
	void (*state)(void *data, enum store_state state, const char *detail);
	/* Read for the first time, and after every change. */
	void (*fleet)(void *data, const struct fleet_settings *settings);
	/* The registry lost what it held, or went back to an older state. All shards are read
	 * again after this. */
	void (*replaced)(void *data);
	/* One shard as just read; below 0 it was not taken in, and is read again. */
	int (*shard)(void *data, const struct fleet_reading *reading);
	/* This host's entry stands (again, after an expiry); below 0: it is told again. */
	int (*joined)(void *data, const struct member *self);
	/* Something an operator has to end: a conflict, exhausted subnet, refused credentials.
	 * Told once while it lasts, and tried again all the same; error NULL: it is over. */
	void (*trouble)(void *data, enum registry_trouble which, const struct error *error);
	void *data;
};

int registry_open(struct registry **ret, const struct registry_config *config,
	const struct registry_handler *handler, struct error *error);
/* Leaves: the entry goes with the session. */
struct registry *registry_close(struct registry *registry);
int registry_descriptor(struct registry *registry);
int registry_process(struct registry *registry);
uint64_t registry_session(struct registry *registry); /* 0: none */
unsigned registry_timeout(struct registry *registry); /* negotiated session time-out, ms */

/* Sentences about the first entries that were skipped; valid until the next process. */
size_t registry_skipped(const struct registry *registry, const char *ret[REGISTRY_SKIPPED_NAMED]);
/* Nodes beside the shards that are none: in no reading. */
size_t registry_strays(const struct registry *registry);

/*
 * Sessions of this host, the newest first: an entry of one of them is no other's, also when it was
 * left by an earlier process. To be kept by whoever restarts, and given back before the first
 * processing; the state CONNECTED is told before anything is written in a new session.
 */
#define REGISTRY_SESSIONS 8
void registry_remember(struct registry *registry, const uint64_t *sessions, size_t n);
size_t registry_sessions(const struct registry *registry, const uint64_t **ret);

/* These last: they are taken up again after every reconnect and expiry, until the close. */
int registry_watch(struct registry *registry);	     /* fleet settings and every shard */
void registry_read_again(struct registry *registry); /* every shard, once more */
/*
 * Takes the lease, then holds the entry. self->overlay may be unset; when it is set and the
 * registry knows no lease of the id (it was emptied), that address is asked for. Called again
 * with other addresses it moves the member in one multi-operation. takeover counts until the
 * member has joined once. The lease's time is renewed at the join and once a day.
 */
int registry_join(struct registry *registry, const struct member *self, bool takeover,
	struct error *error);
/* Whether the entry stands, as far as it is known. */
bool registry_joined(const struct registry *registry);
/* Into the entry's data, the latest: at once, then at most every ten seconds; in a large fleet at
 * a random moment, so that all of it writes some 200 times a second. */
int registry_publish(struct registry *registry, uint64_t revision, uint64_t held);

/* These wait, processing meanwhile, at most timeout_ms (-ETIMEDOUT, and the sentence says what
 * for; negative: for ever). Outputs are untouched on failure. */
int registry_connect(struct registry *registry, int timeout_ms, struct error *error);
/* Finds the fleet's settings, or makes them with config.initial. 0 found, 1 made since the
 * last call. */
int registry_fleet(struct registry *registry, struct fleet_settings *ret, int timeout_ms,
	struct error *error);
/* -EAGAIN when somebody changed them since this registry read them. */
int registry_fleet_set(struct registry *registry, const struct fleet_settings *settings,
	int timeout_ms, struct error *error);
/* 0 found, 1 newly taken. */
int registry_lease_take(struct registry *registry, const char *id, struct address *ret,
	int timeout_ms, struct error *error);
int registry_lease_find(struct registry *registry, const char *id, struct address *ret,
	int timeout_ms, struct error *error);
/* The id that holds an overlay address; the caller frees. */
int registry_lease_holder(struct registry *registry, const struct address *overlay, char **ret,
	int timeout_ms, struct error *error);
/* Leases as members that are not live, sorted by overlay address; since: when the lease was last
 * taken, joined with or renewed. */
int registry_leases(struct registry *registry, struct member_list *ret, int timeout_ms,
	struct error *error);
/* Gives it back: -EBUSY while a member is live with it. */
int registry_lease_release(struct registry *registry, const char *id, int timeout_ms,
	struct error *error);
/* Gives back those that are not live and were last joined with longer ago than so many seconds, by
 * the registry's clock; dry: only tells which. */
int registry_lease_reclaim(struct registry *registry, int64_t older_than, bool dry,
	struct member_list *ret, int timeout_ms, struct error *error);
/* Live members, sorted by overlay address; details: version, since and revision too. */
int registry_members(struct registry *registry, struct member_list *ret, bool details,
	int timeout_ms, struct error *error);
/* The member, or else the lease, that an id or any address belongs to, with its details, without
 * reading the fleet. Of several with that address the one in the network (may be NULL) is meant;
 * -ENOTUNIQ when that leaves not one, -ENOENT when there is none at all. */
int registry_lookup(struct registry *registry, const char *key, const char *network,
	struct member **ret, int timeout_ms, struct error *error);
/* The newest revision that registry_members() has met. */
uint64_t registry_newest(const struct registry *registry);

#endif
