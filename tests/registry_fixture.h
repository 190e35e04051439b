/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_REGISTRY_FIXTURE_H
#define NETI_TESTS_REGISTRY_FIXTURE_H
/*
 * What the suites of the registry share: a registry for every test, over SQLite or over a real
 * ZooKeeper server; hosts that note what their registry tells them; members in processes of
 * their own; and the store without a registry.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "registry/registry.h"
#include "test.h"
#include "zookeeper_server.h"

#define TIMEOUT_MS 1000 /* of a session */
#define SHARDS 64
#define WAIT_MS 10000
#define N(array) (sizeof(array) / sizeof(*(array)))

extern char folder[];			/* for files; goes with the suite */
extern struct zookeeper_server *server; /* NULL: none on this machine */
extern bool on_zookeeper;
extern char uri[200]; /* of the test's own registry */

#define NEED_STORE()                                                                               \
	do {                                                                                       \
		if (on_zookeeper && !server)                                                       \
			test_skip("%s", zookeeper_server_missing());                               \
	} while (0)

/* Every test_suite() of these begins with it: a program that member_process() started gets no
 * further. */
Suite *fixture_suite(const char *name);
/* A test case over that store; add() fills it. */
void fixture_sqlite(Suite *suite, void (*add)(void));
void fixture_zookeeper(Suite *suite, void (*add)(void));
/* A server for each test: they treat it badly. */
void fixture_outages(Suite *suite, void (*add)(void));

int64_t now_ms(void); /* CLOCK_MONOTONIC */

/* --- a host ------------------------------------------------------------------------------ */

struct host {
	struct registry *registry;
	struct member_list shards[FLEET_SHARDS_MAX];
	size_t skipped;
	unsigned reads, joins, troubles, fleets;
	bool stands[REGISTRY_TROUBLES];
	uint64_t revision; /* of the shard read last */
	enum store_state state;
	unsigned expiries, suspensions, replaced;
	struct fleet_settings fleet;
	struct address overlay;
	struct error trouble;
};

struct fleet_settings initial(const char *subnet);
void try_open(struct host *host, const struct registry_config *config);
void host_open(struct host *host, const char *subnet);
/* Watches, and has read every shard. */
void watcher_open(struct host *host);
void host_close(struct host *host);
/* How many members it sees; that one, or NULL. */
size_t seen(const struct host *host);
const struct member *sees(const struct host *host, const char *id);
/* One round for at most eight. */
void pump(struct host **hosts, size_t n, int timeout_ms);
void pump_for(int ms, struct host *host);

/* Processes the hosts until the condition holds; fails loudly when it never does. */
#define UNTIL(condition, ...)                                                                      \
	do {                                                                                       \
		struct host *hosts_[] = { __VA_ARGS__ };                                           \
		int64_t deadline_ = now_ms() + WAIT_MS;                                            \
                                                                                                   \
		while (!(condition)) {                                                             \
			ck_assert_msg(now_ms() < deadline_, "never: %s", #condition);              \
			pump(hosts_, N(hosts_), 100);                                              \
		}                                                                                  \
	} while (0)

struct member self(const char *id, const char *private);
void join(struct host *host, const char *id, const char *private, bool takeover);
struct address take(struct host *host, const char *id);

/* --- processes --------------------------------------------------------------------------- */

/* A process with a member of its own, that goes on until it is killed or told to leave. */
pid_t member_process(const char *id, const char *private);
void end_process(pid_t pid, int signal);
/* In a child made by fork() nothing is asserted: Check's pipe belongs to the test. */
struct registry *child_open(const char *subnet);

/* --- straight to the store --------------------------------------------------------------- */

struct raw {
	struct store *store;
	const char *root;
	bool connected, answered;
	int result;
};

void raw_open(struct raw *raw);
void raw_close(struct raw *raw);
/* One operation below the registry's root, with any version; its result. */
int raw_multi(struct raw *raw, enum store_operation_kind kind, const char *path);
void raw_done(void *data, const struct store_answer *answer);
/* Processes until the flag is set. */
void raw_pump(struct raw *raw, const bool *flag);

#endif
