/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NETI_H
#define NETI_NETI_H
/*
 * libneti: one flat overlay network over several networks, while hosts move between them.
 *
 * The contract, for every call below unless it says otherwise:
 *
 * Results   0 or a positive number is success, else it is -errno, and the outputs (named ret_)
 *           are untouched. What errno cannot say stands in the context: one sentence for a
 *           person, neti_context_message(), and a stable code, neti_context_reason(). Any
 *           call may answer -ENOMEM; errors with a meaning of their own stand with the call.
 *           Flags that are not known answer -EINVAL.
 * Ownership Arguments are borrowed and copied. What a _new, _open, _build or _list call returns
 *           through ret_ is the caller's, given back by the _unref call of its type; strings
 *           named "the caller frees" by free(). _unref(NULL) does nothing. Text returned as
 *           const char * belongs to its object and lives as long as it. An object keeps
 *           what it was made from alive: a context may be unref'ed first.
 * Threads   A context and everything made from it belong to one thread at a time. Contexts do
 *           not affect each other. An agent has one worker thread, "neti-agent", and a ZooKeeper
 *           registry two of its client's, "neti-zookeeper"; all block every signal, and none
 *           calls back: callbacks, the log's too, run inside the calls alone, on the caller's
 *           thread, with no lock held.
 * Callbacks may call anything, and may unref anything, also what they are called from. A call on
 *           the very registry whose call they run in answers -EDEADLK.
 * fork()    A child must not use what was made before: calls on an agent or registry answer
 *           -ECHILD there. Unref gives back memory and leaves the parent's place in the fleet,
 *           session and rules alone.
 * Signals   No handler is installed. A call that is interrupted goes on.
 * Process   No exit, no output, no environment but XTABLES_LOCKFILE (not when set-user-id, nor with
 *           xtables_lock in the settings).
 *           Rules are made in the network namespace of the thread that calls, an agent's in that
 *           of the thread that started it.
 * exec()    Descriptors are close-on-exec. The ZooKeeper client and libipset make theirs without
 *           it, and they are marked as soon as they can be found: a pipe and a netlink socket
 *           within the call that makes them, a connection when its session stands. What another
 *           thread starts in that moment may inherit them; who minds calls close_range(2)
 *           between fork() and exec().
 * Unload    dlclose() leaves the library in memory: a thread of the ZooKeeper client may still
 *           be on its way out. Opening it again costs nothing.
 *
 * Addresses are text (as inet_ntop(3) writes it), times are milliseconds, unless said.
 * Everything is there since 0.1.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NETI_EXPORT __attribute__((visibility("default")))
#define NETI_MUST_CHECK __attribute__((warn_unused_result))
#define NETI_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#else
#define NETI_EXPORT
#define NETI_MUST_CHECK
#define NETI_NONNULL(...)
#endif

/* Room for any address as text. */
#define NETI_ADDRESS_MAX 46

enum neti_log_level {
	NETI_LOG_ERROR = 3, /* the numbers of syslog(3) */
	NETI_LOG_WARNING = 4,
	NETI_LOG_INFO = 6,
	NETI_LOG_DEBUG = 7
};

/* What errno cannot say. Values are stable; new ones are added at the end. */
enum neti_reason {
	NETI_REASON_NONE = 0,
	NETI_REASON_SYSTEM = 1,	      /* memory, files, system calls */
	NETI_REASON_SETTINGS = 2,     /* settings: the message names key and line */
	NETI_REASON_REGISTRY = 3,     /* the registry cannot be reached, or answers nonsense */
	NETI_REASON_DENIED = 4,	      /* the registry refuses these credentials */
	NETI_REASON_CONFLICT = 5,     /* another live member has this id or address, or another
					* fleet is there */
	NETI_REASON_EXHAUSTED = 6,    /* no free overlay address */
	NETI_REASON_NOT_FOUND = 7,    /* no such member, lease or fleet */
	NETI_REASON_HELD = 8,	      /* removals held back by the guard */
	NETI_REASON_PRIVILEGE = 9,    /* a capability is missing */
	NETI_REASON_UNSUPPORTED = 10, /* the kernel lacks a table, set type or match */
	NETI_REASON_BUSY = 11,	      /* somebody else holds a lock */
	NETI_REASON_KERNEL = 12,      /* the kernel refused a change */
	NETI_REASON_FULL = 13	      /* a table is nearly full: connections, sets, overlay */
};

/* The release of the library that is loaded, as "0.2.0". Any thread. */
const char *neti_version(void);

/*
 * Context: where messages go, and what the last failure was.
 */
struct neti_context;

/* The text is the callback's for as long as it runs. */
typedef void (*neti_log_function)(void *data, enum neti_log_level level, const char *text);

/* -ENOMEM alone. */
int neti_context_new(struct neti_context **ret_context) NETI_MUST_CHECK NETI_NONNULL(1);
struct neti_context *neti_context_ref(struct neti_context *context) NETI_NONNULL(1);
void neti_context_unref(struct neti_context *context);
/* Messages up to level, one line each without a newline. Silent before. NULL: silent again.
 * Messages of an agent's worker come from neti_agent_dispatch(). */
void neti_context_set_log(struct neti_context *context, enum neti_log_level level,
	neti_log_function function, void *data) NETI_NONNULL(1);
/* The sentence of the last call that failed; "" when none did. Valid until the next call that
 * fails. A call that succeeds leaves it as it is. */
const char *neti_context_message(const struct neti_context *context) NETI_NONNULL(1);
/* The code of the same call. */
enum neti_reason neti_context_reason(const struct neti_context *context) NETI_NONNULL(1);

/*
 * Settings of this host: the keys of neti.yml(5). With every default in place when new.
 */
struct neti_settings;

int neti_settings_new(struct neti_settings **ret_settings,
	struct neti_context *context) NETI_MUST_CHECK NETI_NONNULL(1, 2);
struct neti_settings *neti_settings_ref(struct neti_settings *settings) NETI_NONNULL(1);
void neti_settings_unref(struct neti_settings *settings);
/* Reads a file over what is there. On failure the settings are as before: -ENOENT, -EACCES and
 * the like for the file, -EINVAL for what stands in it (NETI_REASON_SETTINGS, with the line). */
int neti_settings_load(struct neti_settings *settings, const char *path) NETI_MUST_CHECK
	NETI_NONNULL(1, 2);
/* One key; the value as it would stand in the file: "10s", "[80, 53/udp]". -EINVAL: no such key
 * or no such value, nothing was set. */
int neti_settings_set(struct neti_settings *settings, const char *key,
	const char *value) NETI_MUST_CHECK NETI_NONNULL(1, 2, 3);
/* The folder of lock, status and state file. Valid until the settings change. */
const char *neti_settings_state_dir(const struct neti_settings *settings) NETI_NONNULL(1);
/* The command that the settings want run when this host has joined, NULL for none. The library
 * runs no programs: this is the caller's to do, as netictl does. */
const char *neti_settings_on_register(const struct neti_settings *settings) NETI_NONNULL(1);
/* What the settings say of a proxy for ZooKeeper on this host: the port, 0 for none; servers and
 * who may use it, each separated by commas, "" for none. The caller frees both texts. */
int neti_settings_proxy(const struct neti_settings *settings, unsigned *ret_listen, char **ret_to,
	char **ret_from) NETI_MUST_CHECK NETI_NONNULL(1, 2, 3, 4);

/*
 * Members: a counted list of values that never change, sorted by overlay address.
 */
struct neti_member;
struct neti_members;

/* An empty list, and one more member for it; public_address may be NULL. -EINVAL: the message
 * names what is not an id, a network or a host's address, and the list is as before. */
int neti_members_new(struct neti_members **ret_members,
	struct neti_context *context) NETI_MUST_CHECK NETI_NONNULL(1, 2);
int neti_members_add(struct neti_members *members, const char *id, const char *network,
	const char *overlay, const char *private_address,
	const char *public_address) NETI_MUST_CHECK NETI_NONNULL(1, 2, 3, 4, 5);
struct neti_members *neti_members_ref(struct neti_members *members) NETI_NONNULL(1);
void neti_members_unref(struct neti_members *members);
size_t neti_members_count(const struct neti_members *members) NETI_NONNULL(1);
/* The registry's newest revision when neti_registry_list() read them; 0 for other lists. */
uint64_t neti_members_revision(const struct neti_members *members) NETI_NONNULL(1);
/* The i-th, or NULL past the end; belongs to the list. */
const struct neti_member *neti_members_get(const struct neti_members *members, size_t i)
	NETI_NONNULL(1);
/* By id, else by overlay, private or public address; NULL when there is none. */
const struct neti_member *neti_members_find(const struct neti_members *members, const char *key)
	NETI_NONNULL(1, 2);

/* A member lives as long as the list or event that it was taken from. */
const char *neti_member_id(const struct neti_member *member) NETI_NONNULL(1);
/* "" for a lease without a live member. */
const char *neti_member_network(const struct neti_member *member) NETI_NONNULL(1);
/* Writes the address and returns text; "" when there is none. */
const char *neti_member_overlay(const struct neti_member *member, char text[NETI_ADDRESS_MAX])
	NETI_NONNULL(1, 2);
const char *neti_member_private(const struct neti_member *member, char text[NETI_ADDRESS_MAX])
	NETI_NONNULL(1, 2);
const char *neti_member_public(const struct neti_member *member, char text[NETI_ADDRESS_MAX])
	NETI_NONNULL(1, 2);
/* False: a lease without a live member. */
bool neti_member_live(const struct neti_member *member) NETI_NONNULL(1);
/* These are read only with NETI_LIST_DETAILS: else NULL and 0. */
const char *neti_member_version(const struct neti_member *member) NETI_NONNULL(1);
/* When it joined, in seconds of the epoch. */
int64_t neti_member_since(const struct neti_member *member) NETI_NONNULL(1);
/* The registry's revision that the member's kernel holds. */
uint64_t neti_member_revision(const struct neti_member *member) NETI_NONNULL(1);
/* How many removals its agent holds back. */
uint64_t neti_member_held(const struct neti_member *member) NETI_NONNULL(1);

/*
 * Registry: leases, live members and fleet settings. These calls wait for the registry, at most
 * the time-out (10 s unless set), and answer -ETIMEDOUT after it; -EACCES (NETI_REASON_DENIED)
 * when the credentials are refused, -ENOENT (NETI_REASON_NOT_FOUND) when there is no fleet yet.
 */
struct neti_registry;

/* The registry that the settings name (a copy is kept). Waits for nothing: the first call opens
 * the registry, and says what is wrong with its name. */
int neti_registry_open(struct neti_registry **ret_registry,
	struct neti_settings *settings) NETI_MUST_CHECK NETI_NONNULL(1, 2);
struct neti_registry *neti_registry_ref(struct neti_registry *registry) NETI_NONNULL(1);
void neti_registry_unref(struct neti_registry *registry);
void neti_registry_set_timeout(struct neti_registry *registry, unsigned milliseconds)
	NETI_NONNULL(1);

#define NETI_REGISTER_TAKEOVER 1u /* also when a live member has this id at other addresses */
/* Finds or takes the lease of an id (NULL: of the settings, else of this host). The first lease
 * of all makes the fleet. 0 when it was there, 1 when it is new. Without an id and takeover:
 * -EEXIST (NETI_REASON_CONFLICT) when this host's id is live at other addresses. */
int neti_registry_register(struct neti_registry *registry, const char *id, unsigned flags,
	char ret_overlay[NETI_ADDRESS_MAX]) NETI_MUST_CHECK NETI_NONNULL(1, 4);

/* Flags of neti_registry_list(). */
#define NETI_LIST_DETAILS 1u /* version, since and revision too: one more read a member */
#define NETI_LIST_LEASES 2u  /* also leases without a live member */
/* All live members: each shard as it is at one moment, but not all shards at the same one. An empty
 * list when there are none. */
int neti_registry_list(struct neti_registry *registry, unsigned flags,
	struct neti_members **ret_members) NETI_MUST_CHECK NETI_NONNULL(1, 3);
/* The one member or lease that an id, overlay, private or public address belongs to, with its
 * details, as a list of one. -ENOENT when there is none. Networks may use the same private addresses:
 * of several members the one in the network of the settings is returned; -ENOTUNIQ
 * (NETI_REASON_CONFLICT) when that does not decide. */
int neti_registry_lookup(struct neti_registry *registry, const char *key,
	struct neti_members **ret_members) NETI_MUST_CHECK NETI_NONNULL(1, 2, 3);
/* Gives a lease back. -EBUSY when its member is live, -ENOENT when there is none. */
int neti_registry_release(struct neti_registry *registry, const char *id) NETI_MUST_CHECK
	NETI_NONNULL(1, 2);
#define NETI_RECLAIM_DRY 1u /* change nothing */
/* Gives back all leases that no live member has and that nobody has joined with for so many
 * milliseconds, by the registry's own clock. The list tells which: since is when each was joined
 * with last. */
int neti_registry_reclaim(struct neti_registry *registry, uint64_t older_than, unsigned flags,
	struct neti_members **ret_members) NETI_MUST_CHECK NETI_NONNULL(1, 4);

/* Fleet-wide settings. set_initial: one that the fleet begins with, should this handle make it;
 * before the call that does. -EINVAL: no such key, no such value. init: 1 when made, 0 when there
 * was a fleet already; -EEXIST (NETI_REASON_CONFLICT) when that one is not as set_initial wants
 * it. */
int neti_registry_set_initial(struct neti_registry *registry, const char *key,
	const char *value) NETI_MUST_CHECK NETI_NONNULL(1, 2, 3);
int neti_registry_fleet_init(struct neti_registry *registry) NETI_MUST_CHECK NETI_NONNULL(1);
/* As JSON; the caller frees. */
int neti_registry_fleet_show(struct neti_registry *registry, char **ret_json) NETI_MUST_CHECK
	NETI_NONNULL(1, 2);
/* -EINVAL: no such key, no such value, or one that is fixed when the fleet is made. */
int neti_registry_fleet_set(struct neti_registry *registry, const char *key,
	const char *value) NETI_MUST_CHECK NETI_NONNULL(1, 2, 3);
/* Confirms that the members whose removal agents hold now are gone: they are removed. */
int neti_registry_fleet_accept(struct neti_registry *registry) NETI_MUST_CHECK NETI_NONNULL(1);

/*
 * Ruleset: what the kernel should hold, as a value. Needs neither registry nor root.
 */
struct neti_ruleset;

/* For the host that the settings describe (id and network must be set there or be found), from
 * a list of members. */
int neti_ruleset_build(struct neti_ruleset **ret_ruleset, struct neti_settings *settings,
	const struct neti_members *members) NETI_MUST_CHECK NETI_NONNULL(1, 2, 3);
/* The same from what a registry holds now, with the fleet's own settings. 1: the message names a
 * network of this host that overlaps the overlay; addresses there have no path. */
int neti_ruleset_fetch(struct neti_ruleset **ret_ruleset,
	struct neti_registry *registry) NETI_MUST_CHECK NETI_NONNULL(1, 2);
struct neti_ruleset *neti_ruleset_ref(struct neti_ruleset *ruleset) NETI_NONNULL(1);
void neti_ruleset_unref(struct neti_ruleset *ruleset);
/* All that should be in the kernel, in the words of the engine that the settings name; the caller
 * frees. */
int neti_ruleset_print(const struct neti_ruleset *ruleset, char **ret_text) NETI_MUST_CHECK
	NETI_NONNULL(1, 2);
/* The last good ruleset of a host, in a folder (state_dir): written in one step and with a
 * checksum. load: -ENOENT when there is none, -EBADMSG when it is torn, foreign or newer.
 * forget: 0 also when there is none. */
int neti_ruleset_save(const struct neti_ruleset *ruleset, const char *folder) NETI_MUST_CHECK
	NETI_NONNULL(1, 2);
int neti_ruleset_load(struct neti_ruleset **ret_ruleset, struct neti_context *context,
	const char *folder) NETI_MUST_CHECK NETI_NONNULL(1, 2, 3);
/* What a host holds until it has read its registry, with the policy and the state_dir of the
 * settings: one of these. -ENOENT: nothing to put up, as reject_all is false, or the ruleset was
 * forgotten. */
#define NETI_RESTORED_WHOLE 1  /* what it held last */
#define NETI_RESTORED_POLICY 2 /* its policy alone, without peers: nothing is kept */
#define NETI_RESTORED_TORN 3   /* likewise: what is kept cannot be used, the message says why */
int neti_ruleset_restore(struct neti_ruleset **ret_ruleset,
	struct neti_settings *settings) NETI_MUST_CHECK NETI_NONNULL(1, 2);
int neti_ruleset_forget(struct neti_context *context, const char *folder) NETI_NONNULL(1, 2);
/* Peers and paths that differ, a line each, "+" and "-"; NULL is an empty ruleset. 1 when they
 * differ, 0 and "" when not. The caller frees. */
int neti_ruleset_diff(const struct neti_ruleset *from, const struct neti_ruleset *to,
	char **ret_text) NETI_MUST_CHECK NETI_NONNULL(3);

/*
 * Engine: makes the kernel hold a ruleset. Needs CAP_NET_ADMIN and CAP_NET_RAW.
 */
struct neti_engine;

/* With the engine, xtables_lock and conntrack_max that the settings have now. -EPERM
 * (NETI_REASON_PRIVILEGE), or -EPROTONOSUPPORT (NETI_REASON_UNSUPPORTED): the message names the
 * capability or the kernel's module. -EINVAL: there is no engine of that name. */
int neti_engine_open(struct neti_engine **ret_engine,
	struct neti_settings *settings) NETI_MUST_CHECK NETI_NONNULL(1, 2);
struct neti_engine *neti_engine_ref(struct neti_engine *engine) NETI_NONNULL(1);
void neti_engine_unref(struct neti_engine *engine);
/* Makes the kernel match. 1 when something had to be changed, 0 when nothing. With force false,
 * -EPERM (NETI_REASON_HELD) when more peers would be removed than the fleet's guard allows:
 * nothing was done. -EBUSY: a lock that all who change rules take was not free for 5 s. After a
 * failure each table and each set is whole, as it was or as it should be; calling again does the
 * rest. */
int neti_engine_apply(struct neti_engine *engine, const struct neti_ruleset *ruleset,
	bool force) NETI_MUST_CHECK NETI_NONNULL(1, 2);
/* The difference as a diff, "-" in the kernel and "+" wanted, in the engine's own words; the caller
 * frees. 0 equal, 1 different. Changes nothing. Ruleset NULL: nothing of Neti is wanted. */
int neti_engine_verify(struct neti_engine *engine, const struct neti_ruleset *ruleset,
	char **ret_diff) NETI_MUST_CHECK NETI_NONNULL(1, 3);
/* Takes away all that Neti put into the kernel, and nothing else. 1 when there was something. */
int neti_engine_flush(struct neti_engine *engine) NETI_MUST_CHECK NETI_NONNULL(1);

/* Who was refused, or with reject_all false would have been: the most packets first. */
struct neti_denied;

int neti_engine_denied(struct neti_engine *engine, struct neti_denied **ret_denied) NETI_MUST_CHECK
	NETI_NONNULL(1, 2);
void neti_denied_unref(struct neti_denied *denied);
size_t neti_denied_count(const struct neti_denied *denied) NETI_NONNULL(1);
/* i is below the count; protocol as in netinet/in.h; seconds since the first packet. */
const char *neti_denied_source(const struct neti_denied *denied, size_t i,
	char text[NETI_ADDRESS_MAX]) NETI_NONNULL(1, 3);
int neti_denied_protocol(const struct neti_denied *denied, size_t i) NETI_NONNULL(1);
unsigned neti_denied_port(const struct neti_denied *denied, size_t i) NETI_NONNULL(1);
uint64_t neti_denied_packets(const struct neti_denied *denied, size_t i) NETI_NONNULL(1);
unsigned neti_denied_seconds(const struct neti_denied *denied, size_t i) NETI_NONNULL(1);

/*
 * Agent: keeps this host in the fleet and the kernel in step with it, on a thread of its own.
 */
struct neti_agent;
struct neti_event;

enum neti_event_type {
	NETI_EVENT_LOST = 1,	 /* events were dropped (never dispatched): read everything again */
	NETI_EVENT_REGISTRY = 2, /* registry state changed: text */
	NETI_EVENT_REGISTERED = 3, /* this host's lease: member */
	NETI_EVENT_JOINED = 4,	   /* this host's entry stands: member */
	NETI_EVENT_MEMBERS = 5,	   /* the fleet changed: added, moved, removed */
	NETI_EVENT_APPLIED = 6,	   /* the kernel holds a revision: revision, seconds */
	NETI_EVENT_HELD = 7,	   /* removals held back, or no longer: count */
	NETI_EVENT_DRIFT = 8,	   /* somebody changed our rules; they were repaired: text */
	NETI_EVENT_TROUBLE = 9 /* something is not well: text, reason; or is again: text, and reason
				* NETI_REASON_NONE */
};

typedef void (*neti_event_function)(void *data, const struct neti_event *event);

/* Takes a copy of the settings. -EMFILE and the like: no descriptor is free. */
int neti_agent_new(struct neti_agent **ret_agent, struct neti_settings *settings) NETI_MUST_CHECK
	NETI_NONNULL(1, 2);
struct neti_agent *neti_agent_ref(struct neti_agent *agent) NETI_NONNULL(1);
/* The last one stops the agent, as neti_agent_stop() does, and frees it. */
void neti_agent_unref(struct neti_agent *agent);
/* Before start. Both true unless set: be a member; make rules. */
void neti_agent_set_member(struct neti_agent *agent, bool member) NETI_NONNULL(1);
void neti_agent_set_rules(struct neti_agent *agent, bool rules) NETI_NONNULL(1);
/* Before start. Take this host's id over from a live member that has other addresses. */
void neti_agent_set_takeover(struct neti_agent *agent, bool takeover) NETI_NONNULL(1);
/* At any time; NULL: events are taken and forgotten. */
void neti_agent_set_callback(struct neti_agent *agent, neti_event_function function, void *data)
	NETI_NONNULL(1);
/* One descriptor, valid from creation to the end and always the same: readable when there is
 * something to dispatch. It belongs to the agent. */
int neti_agent_fd(const struct neti_agent *agent) NETI_NONNULL(1);
/* Starts the worker. Fails at once for what can be seen at once: settings, capabilities, a
 * second agent in the same state_dir (-EBUSY). -EALREADY: it runs. An unreachable registry is
 * no failure. A stopped agent can be started again. */
int neti_agent_start(struct neti_agent *agent) NETI_MUST_CHECK NETI_NONNULL(1);
/* Calls back for what has happened; never waits. The number of events. At most 256 wait to be
 * dispatched: beyond that they collapse to one NETI_EVENT_LOST, and the rules are kept all the
 * same. A callback may stop, start or unref the agent; after the last unref it is not called. */
int neti_agent_dispatch(struct neti_agent *agent) NETI_NONNULL(1);
/* New settings: policy and addresses take effect at once, registry and state_dir at the next
 * start. A member's id cannot change while it runs (-EINVAL). */
int neti_agent_reload(struct neti_agent *agent, struct neti_settings *settings) NETI_MUST_CHECK
	NETI_NONNULL(1, 2);
/* Leaves the fleet, keeps the rules, ends the worker. Waits for it: milliseconds, but 5 s when
 * the registry does not answer, and as long again while somebody holds the xtables lock. What
 * was not dispatched yet still can be. 0 also when it does not run. */
int neti_agent_stop(struct neti_agent *agent) NETI_NONNULL(1);
/* The fleet as the worker sees it now. -ENODATA before the whole list was read. */
int neti_agent_members(struct neti_agent *agent, struct neti_members **ret_members) NETI_MUST_CHECK
	NETI_NONNULL(1, 2);
/* Milliseconds since the worker last went round its loop (at least once a second). */
unsigned neti_agent_last_turn_ms(const struct neti_agent *agent) NETI_NONNULL(1);

enum neti_event_type neti_event_get_type(const struct neti_event *event) NETI_NONNULL(1);
/* An event and what belongs to it live as long as the callback. One sentence for every event: */
const char *neti_event_text(const struct neti_event *event) NETI_NONNULL(1);
/* This host, of NETI_EVENT_REGISTERED and NETI_EVENT_JOINED; NULL for others. */
const struct neti_member *neti_event_member(const struct neti_event *event) NETI_NONNULL(1);
/* The delta of NETI_EVENT_MEMBERS, NULL for others; moved: as they are now, removed: as they
 * were. Belong to the event. */
const struct neti_members *neti_event_added(const struct neti_event *event) NETI_NONNULL(1);
const struct neti_members *neti_event_moved(const struct neti_event *event) NETI_NONNULL(1);
const struct neti_members *neti_event_removed(const struct neti_event *event) NETI_NONNULL(1);
/* Each is 0 for events of a type that does not have it. */
uint64_t neti_event_revision(const struct neti_event *event) NETI_NONNULL(1);
double neti_event_seconds(const struct neti_event *event) NETI_NONNULL(1);
size_t neti_event_count(const struct neti_event *event) NETI_NONNULL(1);
enum neti_reason neti_event_reason(const struct neti_event *event) NETI_NONNULL(1);

#ifdef __cplusplus
}
#endif

#endif
