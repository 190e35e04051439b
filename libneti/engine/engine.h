/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ENGINE_H
#define NETI_ENGINE_H
/*
 * What makes the kernel hold a ruleset. One engine, one network namespace: that of the thread
 * that calls. An engine is used by one thread at a time.
 */
#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "ruleset/ruleset.h"

struct engine;

struct engine_config {
	const struct log *log;
	unsigned lock_timeout_ms; /* how long to wait for the xtables lock; 0: the default, 5 s */
	uint32_t conntrack_max; /* least size of the table of connections; 0: from the memory */
};

/* What a call did. */
struct engine_report {
	unsigned commits; /* tables replaced */
	size_t set_changes; /* entries added and deleted */
	size_t chains_changed;
	size_t flows_forgotten; /* that led where their member no longer is */
	size_t sockets_learned; /* before strangers were refused for the first time */
	double seconds;
	double lock_seconds; /* of these, waiting for the lock */
};

/* Somebody who was or, with reject_all false, would have been refused. */
struct denied {
	struct address source;
	uint8_t protocol;
	uint16_t port;
	uint64_t packets;
	unsigned seconds; /* since the first of them */
};

/* name: "iptables" (the default for NULL). Says what is missing: capability, table, set type. */
int engine_open(struct engine **ret, const char *name, const struct engine_config *config, struct error *error);
struct engine *engine_close(struct engine *engine);
/* From the next apply on. */
void engine_set_conntrack_max(struct engine *engine, uint32_t conntrack_max);

/* Reads the kernel and carries out the difference alone; commits nothing when equal. */
int engine_apply(struct engine *engine, const struct ruleset *wanted, struct engine_report *ret, struct error *error);
/* The same when the kernel is known to hold "from": touches only what differs between the two.
 * -ESTALE when the kernel turns out to hold something else: nothing was committed to that table, apply. */
int engine_update(struct engine *engine, const struct ruleset *from, const struct ruleset *to,
	struct engine_report *ret, struct error *error);
/* Writes the difference between kernel and ruleset as a diff ("-" in the kernel, "+" wanted), in
 * the words of iptables-save and ipset save. 0 equal, 1 different. Changes nothing. wanted may be
 * NULL: nothing of Neti is wanted. */
int engine_compare(struct engine *engine, const struct ruleset *wanted, struct buffer *diff, struct error *error);
/* How full the tables are; max 0 where that is not known. Nothing here fails. */
enum engine_table { ENGINE_CONNTRACK, ENGINE_PEERS, ENGINE_DENIED, ENGINE_TABLES };
struct engine_level {
	uint64_t entries, max;
};
void engine_levels(struct engine *engine, struct engine_level ret[ENGINE_TABLES]);
/* Whether the kernel refuses strangers now, by whatever ruleset: 1, 0, or -errno. */
int engine_enforces(struct engine *engine, struct error *error);
/* Takes away all own chains, jump rules and sets, and nothing else. */
int engine_flush(struct engine *engine, struct engine_report *ret, struct error *error);
/* How many entries the peer set has now, 0 when there is none. For the removal guard. */
int engine_peers(struct engine *engine, struct address **ret, size_t *ret_n, struct error *error);
/* Who was refused: the most packets first. The caller frees; none when nothing is in place. */
int engine_denied(struct engine *engine, struct denied **ret, size_t *ret_n, struct error *error);
/* Pure: the text of ipset save and iptables-save that the ruleset stands for. */
int engine_render(const char *name, const struct ruleset *ruleset, struct buffer *text);

#endif
