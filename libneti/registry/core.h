/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_CORE_H
#define NETI_REGISTRY_CORE_H
/*
 * What the files of the registry share. Everything that lasts is a small state machine with at
 * most one request under way (the watch: one a shard). It is advanced after every event and starts
 * what it has to do and can do now; its answers only note the outcome. Its X_next() tells when
 * X_advance() would start something, by the same conditions: REGISTRY_NEVER while only an event
 * can change that.
 * Requests are all answered before an expiry is told, so no answer meets a later session.
 */
#include <limits.h>

#include "entry.h"
#include "registry.h"
#include "retry.h"

#define REGISTRY_ROOT_MAX 256
#define REGISTRY_PATH_MAX (REGISTRY_ROOT_MAX + ENTRY_NAME_MAX + 32)
#define REGISTRY_RETRY_MS 1000 /* after trouble that may be over soon */
#define REGISTRY_AGAIN_MS 50   /* after losing a race; after more of them longer: retry.h */
#define REGISTRY_NEVER INT64_MAX
#define MEMBERSHIP_OTHERS 3

struct node_path {
	char text[REGISTRY_PATH_MAX];
};

/* ROOT/fleet and the folders below ROOT. */
struct layout {
	struct fleet_settings initial, settings;
	bool has_initial;
	bool known;	/* settings are as last read */
	bool dirty;	/* to be read */
	bool busy;
	bool ours;	/* this registry made the fleet */
	bool missing;	/* they were known, and are gone from the registry */
	bool repair;	/* something below ROOT is missing: make what is */
	int version;
	size_t pending; /* answers awaited while making */
	int made;	/* how that went: the first failure */
	bool pieces;	/* the whole cannot be made in one: parts of it are there */
	int64_t retry_at;
	struct retry retry;
	struct error error; /* result < 0: why the settings cannot be read or made */
};

/* result: 0 found, 1 taken, or -errno with the error. Once. */
typedef void (*lease_done)(void *data, int result, const struct address *overlay,
	const struct error *error);

struct lease_take {
	struct registry *registry;
	char id[NAME_ID_MAX + 1];
	struct address wanted; /* tried first when there is no lease; or unset */
	struct address drawn;
	struct address *listed; /* free when they were listed, in random order */
	size_t n_listed;
	unsigned draws, lists;
	int version; /* of the lease */
	bool busy;
	int64_t retry_at;
	struct retry retry;
	lease_done done; /* NULL: nobody waits for it any more */
	void *data;
	struct lease_take *next;
};

struct membership {
	struct member *wanted; /* NULL: not joined */
	bool takeover;
	bool dirty; /* lease and entry are to be looked at, from the beginning */
	bool check; /* only whether the entry is still there, and ours */
	bool busy;
	struct address overlay;
	bool remembered; /* "overlay" is what an earlier process had: there was a lease */
	char held[ENTRY_NAME_MAX]; /* our entry as last seen; "" none */
	char name[ENTRY_NAME_MAX]; /* our entry as it should be */
	struct member *told;	   /* as the handler knows it; NULL: not joined */
	char others[MEMBERSHIP_OTHERS][ENTRY_NAME_MAX]; /* found with our id, in the way */
	size_t n_others, n_checked;
	bool own;	 /* of those, "name" is there and of this session */
	int64_t since;	 /* of the first join, by the registry's clock; 0: not known yet */
	uint64_t revision, published, publishing;
	uint64_t held_back, held_published, held_publishing; /* removals, by the guard */
	struct lease_take *take; /* under way */
	int lease_version;	 /* as read before the others were looked for */
	int64_t retry_at, check_at, publish_at, renew_at;
	struct retry retry, checks;
};

struct twin {
	uint64_t sessions[REGISTRY_SESSIONS]; /* of this host, the newest first */
	size_t n_sessions;
	int64_t mark_at; /* refused: no mark before; 0 none */
	uint64_t seen;	 /* number of the mark that was read last */
	int64_t until;	 /* holder: so long another is known to want the id; 0 nobody */
	int64_t took_at; /* the entry went, and the session lives; 0 never */
};

struct watch_shard {
	struct registry *registry;
	bool dirty, reading;
	bool failed;	/* at the last read */
	size_t skipped; /* at the last read: bad entries are logged when that changes */
	uint64_t revision; /* at the last read; it only grows */
	size_t members;	   /* at the last read */
	int64_t read_at;   /* when it is dirty: not before */
	struct retry retry;
};

struct skipped_list {
	struct {
		unsigned shard;
		char *text;
	} items[REGISTRY_SKIPPED_NAMED];
	size_t n;
};

struct watch {
	bool active;
	unsigned n;
	struct watch_shard *shards;
	size_t strays;	/* nodes beside the shards that are none */
	bool beside_dirty, beside_reading;
	int64_t beside_at; /* when that is dirty: not before */
	struct retry beside_retry;
	int64_t retry_at;
	int64_t read_at; /* of the dirty shards, the first; 0: none waits */
	struct retry replaced;
};

struct change_window {
	int64_t at; /* the second in which changes are counted */
	unsigned changes;
};

struct registry {
	const struct store_backend *backend;
	struct store *store;
	struct registry_handler handler;
	struct log log;
	char *uri;
	char root[REGISTRY_ROOT_MAX + 1]; /* "" or "/a/b" */
	struct prefix *exclude;
	size_t n_exclude;
	enum store_state state;
	char detail[256];
	bool processing;
	int epoll, timer;
	uint64_t newest; /* revision that registry_members() has met */
	struct layout layout;
	struct lease_take *takes; /* those that wait */
	struct membership membership;
	struct twin twin;
	struct watch watch;
	size_t n_members; /* in all shards that are watched */
	struct change_window changes;
	const char *replaced; /* why; NULL: it was not, or it was told */
	struct skipped_list skipped;
	char told[REGISTRY_TROUBLES][ERROR_TEXT_MAX]; /* of each trouble the last sentence; "" none */
	struct duplicate *duplicates;
	struct bulk *bulks; /* those with answers on the way */
};

/* core.c */
int64_t registry_now(void); /* milliseconds of CLOCK_MONOTONIC */
uint64_t registry_random(uint64_t limit); /* below the limit */
/* What a whole fleet would do in one millisecond is spread: a random time up to so much for each
 * member, 0 in a small fleet. */
int64_t registry_spread(const struct registry *registry, unsigned microseconds, unsigned most_ms);
bool registry_connected(const struct registry *registry);
/* The next turn comes at once. */
void registry_wake(struct registry *registry);
/* The registry is not what it was: the watch tells it in its turn, and reads all again. */
void registry_replaced(struct registry *registry, const char *why);
/* How long a change that was told waits until it is read. */
int64_t registry_change_delay(struct registry *registry);
/* To the handler, and only when it differs from what was told last; NULL: it is over. A call that
 * waits says it itself. */
void registry_trouble(struct registry *registry, enum registry_trouble which,
	const struct error *error);
struct node_path registry_path(const struct registry *registry, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int registry_create(struct registry *registry, const char *path, const char *bytes,
	store_done done, void *data);
/* The sentence for an answer that nothing special is known about. */
int registry_explain(const struct registry *registry, int result, const char *doing,
	struct error *error);
/* The same, told as trouble. */
void registry_failed(struct registry *registry, enum registry_trouble which, int result,
	const char *doing);
/* The first pause after that answer: what passes by itself, as a rule, is tried again soon. */
int64_t registry_pause(int result);
/* False while a retry lies ahead; 0 is "none", and what is due becomes that. */
bool registry_due(int64_t *at);
/* Lost connection or session: whatever waits for the next one is started again when it advances. */
bool registry_lost(int result);

/* registry.c */
void registry_advance(struct registry *registry);
void registry_on_state(void *data, enum store_state state, const char *detail);
void registry_on_changed(void *data, const char *path);

/* layout.c */
struct node_path layout_shard_path(const struct registry *registry, unsigned shard);
void layout_advance(struct registry *registry);
int64_t layout_next(const struct registry *registry);
void layout_repair(struct registry *registry); /* makes what is missing below ROOT */
bool layout_may_make(const struct registry *registry);
void layout_lost(struct registry *registry);
void layout_changed(struct registry *registry, const char *path);
/* Settings that this registry wrote itself. */
void layout_wrote(struct registry *registry, const struct fleet_settings *settings, int version);

/* lease.c */
/* Goes on through lost connections and expiries until it is done; done comes from
 * registry_process(). */
int lease_take_start(struct registry *registry, const char *id, const struct address *wanted,
	lease_done done, void *data, struct lease_take **ret);
void lease_advance(struct registry *registry);
int64_t lease_next(const struct registry *registry);
void lease_clear(struct registry *registry);

/* membership.c */
void membership_advance(struct registry *registry);
int64_t membership_next(const struct registry *registry);
void membership_lost(struct registry *registry); /* with the session */
void membership_changed(struct registry *registry, const char *path);
void membership_clear(struct registry *registry);

/* twin.c */
void twin_connected(struct registry *registry);
bool twin_is_own(struct registry *registry, const struct store_answer *answer); /* this session's */
/* Whether an entry of this host's id stands in nobody's way; same: it has the right name. */
bool twin_may_go(const struct registry *registry, const struct store_answer *answer, bool same);
/* Tells the holder of that entry, as just read; the error for this host, and how long to wait. */
int64_t twin_refuse(struct registry *registry, const char *other, const char *path,
	const struct store_answer *answer, struct error *error);
void twin_look(struct registry *registry, const struct store_answer *answer); /* at our own */
void twin_forget(struct registry *registry); /* with the entry */
/* Somebody took our entry while the session lives. Once it is made again at once: false. Whoever does
 * it over and over is not fought: true, with the sentence. */
bool twin_took(struct registry *registry, struct error *error);
void twin_advance(struct registry *registry);
int64_t twin_next(const struct registry *registry);

/* watch.c */
void watch_advance(struct registry *registry);
int64_t watch_next(const struct registry *registry);
void watch_lost(struct registry *registry);
void watch_changed(struct registry *registry, const char *path);
void watch_clear(struct registry *registry);
void watch_replaced(void *data, const char *why);
void watch_connected(struct registry *registry);

/* skipped.c */
#define SKIPPED_BESIDE UINT_MAX /* instead of a shard */
void skipped_forget(struct registry *registry, unsigned shard);
void skipped_note(struct registry *registry, unsigned shard, const char *sentence);
void skipped_clear(struct registry *registry);

/* duplicates.c: begin, ask for each of those that share an overlay address in the shard, end. */
void duplicates_begin(struct registry *registry, unsigned shard);
typedef void (*duplicates_known)(struct registry *registry, unsigned shard, int64_t after_ms);
/* Whether another id has the lease; false while that is being asked: known tells when to read the
 * shard again. */
bool duplicates_has_lost(struct registry *registry, const struct member *member, unsigned shard,
	duplicates_known known);
void duplicates_end(struct registry *registry);
void duplicates_lost(struct registry *registry);
void duplicates_clear(struct registry *registry);

/* wait.c */
struct deadline {
	int64_t at; /* -1: none */
	int timeout_ms;
	const char *doing; /* "looking for ..." for the sentence */
};
struct deadline wait_deadline(int timeout_ms, const char *doing);
/* One round of poll() and processing; -ETIMEDOUT, -EDEADLK, or the credentials were refused. With
 * a connection it ends at that moment; 0: none. */
int wait_until(struct registry *registry, int64_t at, const struct deadline *deadline,
	struct error *error);
int wait_once(struct registry *registry, const struct deadline *deadline, struct error *error);
int wait_connected(struct registry *registry, const struct deadline *deadline, struct error *error);
int wait_fleet(struct registry *registry, const struct deadline *deadline, struct error *error);
/* Until what failed may be tried again. */
int wait_again(struct registry *registry, struct retry *retry, const struct deadline *deadline,
	struct error *error);

/* bulk_read.c */
enum bulk_kind { BULK_GET, BULK_CHILDREN };
/*
 * Reads n nodes, many at a time, each again when the connection was lost meanwhile. take sees
 * every answer once, in any order, and returns 0 or a -errno that ends it all.
 */
struct bulk_plan {
	enum bulk_kind kind;
	size_t n;
	struct node_path (*path)(void *data, size_t i);
	int (*take)(void *data, size_t i, const struct store_answer *answer);
	void *data;
};
int bulk_read(struct registry *registry, const struct bulk_plan *plan,
	const struct deadline *deadline, struct error *error);
/* The answer's result; failed: which operation. */
int wait_multi(struct registry *registry, const struct store_operation *operations, size_t n,
	size_t *failed, const struct deadline *deadline, struct error *error);
void bulk_clear(struct registry *registry);

/* clock.c */
/* Milliseconds of the epoch, as the registry counts them. Needs the right to write. */
int registry_clock(struct registry *registry, int64_t *ret_ms, const struct deadline *deadline,
	struct error *error);

/* members.c */
/* Live members in whose entries' names this text stands; not of all shards but of the one where an
 * overlay address belongs, unless that is NULL. The others cost next to nothing. */
int members_with(struct registry *registry, const char *part, const struct address *overlay,
	const struct deadline *deadline, struct member_list *ret, struct error *error);
/* Exchanges a live member for one with version, since and revision; it stays when it has left. */
int members_detail(struct registry *registry, struct member **member,
	const struct deadline *deadline, struct error *error);

/* The live member of a lease: 1 and a reference, or 0. */
int members_live(struct registry *registry, const char *id, const struct address *overlay,
	const struct deadline *deadline, struct member **ret, struct error *error);

/* leases.c */
/* The lease of an id, as a member that is not live. -ENOENT when there is none. */
int lease_of_id(struct registry *registry, const char *id, const struct deadline *deadline,
	struct member **ret, struct error *error);
/* registry_lease_release(), but -EBUSY also when the lease was joined with at that time, in seconds
 * of the epoch, or later. */
int lease_release(struct registry *registry, const char *id, int64_t before,
	const struct deadline *deadline, struct error *error);

#endif
