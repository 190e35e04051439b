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
#include "entry.h"
#include "layout.h"
#include "membership.h"
#include "registry.h"
#include "retry.h"
#include "skipped.h"
#include "twin.h"
#include "watch.h"

#define REGISTRY_ROOT_MAX 256
#define REGISTRY_PATH_MAX (REGISTRY_ROOT_MAX + ENTRY_NAME_MAX + 32)
#define REGISTRY_RETRY_MS 1000 /* after trouble that may be over soon */
#define REGISTRY_AGAIN_MS 50   /* after losing a race; after more of them longer: retry.h */
#define REGISTRY_NEVER INT64_MAX

struct node_path {
	char text[REGISTRY_PATH_MAX];
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
	size_t n_members;  /* in all shards that are watched */
	int64_t window_at; /* the second in which changes are counted */
	unsigned changes;
	const char
		*replaced; /* why: the watch tells it in its turn, and reads all again; or NULL */
	struct skipped_list skipped;
	char told[REGISTRY_TROUBLES]
		 [ERROR_TEXT_MAX]; /* of each trouble the last sentence; "" none */
	struct duplicate *duplicates;
	struct bulk *bulks; /* those with answers on the way */
};

int64_t registry_now(void);		  /* milliseconds of CLOCK_MONOTONIC */
uint64_t registry_random(uint64_t limit); /* below the limit */
/* What a whole fleet would do in one millisecond is spread: a random time up to so much for each
 * member, 0 in a small fleet. */
int64_t registry_spread(const struct registry *registry, unsigned microseconds, unsigned most_ms);
bool registry_connected(const struct registry *registry);
/* The next turn comes at once. */
void registry_wake(struct registry *registry);
/* How long a change that was told waits until it is read. */
int64_t registry_change_delay(struct registry *registry);
/* To the handler, and only when it differs from what was told last; NULL: it is over. A call that
 * waits says it itself. */
void registry_trouble(struct registry *registry, enum registry_trouble which,
	const struct error *error);
struct node_path registry_path(const struct registry *registry, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int registry_create(struct registry *registry, const char *path, const char *bytes, store_done done,
	void *data);
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

#endif
