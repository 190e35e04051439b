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
#include "settings/settings.h"

struct engine;

/* What a call did; filled also when it failed, for what was done by then was done. */
struct engine_report {
	bool changed;
	size_t entries;		/* entries of sets, rules and chains: added and deleted */
	size_t flows_forgotten; /* that led where their member no longer is */
	size_t sockets_learned; /* before strangers were refused for the first time */
	double seconds;
};

/* Somebody who was or, with reject_all false, would have been refused. */
struct denied {
	struct address source;
	uint8_t protocol;
	uint16_t port;
	uint64_t packets;
	unsigned seconds; /* since the first of them */
};

/* The engine that the settings name, with a copy of them; settings NULL: the defaults. The log is
 * lent, and may be NULL. Says what is missing: a capability, something of the kernel. */
int engine_open(struct engine **ret, const struct settings *settings, const struct log *log,
	struct error *error);
struct engine *engine_close(struct engine *engine);
const char *engine_name(const struct engine *engine); /* static */
/* Whether these settings ask for the same. */
bool engine_suits(const struct engine *engine, const struct settings *settings);

/* Reads the kernel and carries out the difference alone; commits nothing when equal. */
int engine_apply(struct engine *engine, const struct ruleset *wanted, struct engine_report *ret,
	struct error *error);
/* The same when the kernel is known to hold "from": touches only what differs between the two.
 * -ESTALE when the kernel turns out to hold something else: apply. */
int engine_update(struct engine *engine, const struct ruleset *from, const struct ruleset *to,
	struct engine_report *ret, struct error *error);
/* The same with the difference of the two, which then need not be looked for. from: NULL when it was
 * changed in place, which not every engine can do with. */
int engine_change(struct engine *engine, const struct ruleset *from, const struct ruleset *to,
	const struct ruleset_diff *diff, struct engine_report *ret, struct error *error);
bool engine_changes_in_place(const struct engine *engine);
/* Writes the difference between kernel and ruleset as a diff ("-" in the kernel, "+" wanted), in
 * the engine's own words. 0 equal, 1 different. Changes nothing. wanted may be NULL: nothing of
 * Neti is wanted. */
int engine_compare(struct engine *engine, const struct ruleset *wanted, struct buffer *diff,
	struct error *error);
/* How full the tables are; max 0 where that is not known. Nothing here fails. */
enum engine_table { ENGINE_CONNTRACK, ENGINE_PEERS, ENGINE_DENIED, ENGINE_TABLES };
struct engine_level {
	uint64_t entries, max;
};
void engine_levels(struct engine *engine, struct engine_level ret[ENGINE_TABLES]);
/* Whether the kernel refuses strangers now, by whatever ruleset: 1, 0, or -errno. */
int engine_enforces(struct engine *engine, struct error *error);
/* Readable when another program may have changed the rules; -1: an engine that does not hear of it.
 * It may be another one after every call. */
int engine_descriptor(struct engine *engine);
/* Reads what has come. 1: Neti's rules were changed, by whom if that was told; 0: they were not. */
struct engine_heard {
	int32_t pid; /* 0: it was not told */
	char program[16];
};
int engine_hear(struct engine *engine, struct engine_heard *ret);
/* Takes away all that Neti put into the kernel, and nothing else. */
int engine_flush(struct engine *engine, struct engine_report *ret, struct error *error);
/* The peers that the kernel lets in now, sorted; none when nothing is in place. The caller frees. */
int engine_peers(struct engine *engine, struct address **ret, size_t *ret_n, struct error *error);
/* Who was refused: the most packets first. The caller frees; none when nothing is in place. */
int engine_denied(struct engine *engine, struct denied **ret, size_t *ret_n, struct error *error);
/* Pure: all that the ruleset stands for, in the words of the engine of that name. */
int engine_render(const char *name, const struct ruleset *ruleset, struct buffer *text);

#endif
