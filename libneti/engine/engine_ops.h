/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ENGINE_OPS_H
#define NETI_ENGINE_OPS_H
/*
 * What an engine has to offer, a row in the table of engine.c: two small tables of operations, the
 * filter (who gets in) and the paths (where overlay addresses lead). Each does one step; engine.c
 * has their order. All results are 0 or -errno with the error, unless said otherwise.
 */
#include "engine.h"
#include "engine/netlink/netlink.h"

/* One pass from what the kernel holds to what is wanted. */
struct engine_work {
	struct engine *engine;
	/* What the kernel is known to hold; NULL: anything, or what "to" is without "diff". */
	const struct ruleset *from;
	const struct ruleset *to;
	/* Of the two, when only members came, moved or went, so that all else is left alone: -ESTALE
	 * when the kernel holds another state. NULL: all of it is compared with the kernel. */
	const struct ruleset_diff *diff;
	struct engine_report *report;
	bool useless;	    /* all was carried out, and the kernel does nothing with it */
	struct error later; /* what failed although the rest can be done: told at the end */
};

struct engine_filter {
	/* Whatever rules ask for members is there, with every wanted peer; surplus ones stay. */
	int (*peers_in)(struct engine_work *work, struct error *error);
	/* Where strangers are not refused yet: the same rules without the final drop, which have the
	 * kernel track connections and refuse nobody. 1 when there was such a place. */
	int (*observe)(struct engine_work *work, struct error *error);
	int (*enforce)(struct engine_work *work, struct error *error); /* the rules, whole */
	/* Surplus peers leave, and whatever else is too much. */
	int (*peers_out)(struct engine_work *work, struct error *error);
	/* 1, with the error: something stays that does nothing any more. */
	int (*remove)(struct engine *engine, struct engine_report *report, struct error *error);
	/* As in engine.h, of the filter alone. */
	int (*compare)(struct engine *engine, const struct ruleset *wanted, struct buffer *diff,
		struct error *error);
	int (*render)(const struct ruleset *ruleset, struct buffer *text);
	int (*peers)(struct engine *engine, struct address **ret, size_t *ret_n,
		struct error *error);
	int (*denied)(struct engine *engine, struct denied **ret, size_t *ret_n,
		struct error *error);
	int (*enforces)(struct engine *engine, struct error *error);
	void (*levels)(struct engine *engine, struct engine_level ret[ENGINE_TABLES]);
};

struct engine_paths {
	int (*write)(struct engine_work *work, struct error *error); /* 1: something was changed */
	int (*remove)(struct engine *engine, struct engine_report *report, struct error *error);
	int (*compare)(struct engine *engine, const struct ruleset *wanted, struct buffer *diff,
		struct error *error);
	int (*render)(const struct ruleset *ruleset, struct buffer *text);
};

struct engine_kind {
	const char *name;
	size_t size; /* of the engine's own struct, which begins with struct engine */
	/* -EPROTONOSUPPORT: this kernel lacks what it needs. */
	int (*open)(struct engine *engine, struct error *error);
	/* Whether the kernel is known to hold exactly the ruleset of that serial, without a look at all
	 * of it. May be NULL. */
	bool (*holds)(struct engine *engine, uint64_t serial);
	/* As in engine.h; all three may be NULL. */
	int (*descriptor)(struct engine *engine);
	int (*hear)(struct engine *engine, struct engine_heard *ret);
	void (*close)(struct engine *engine);
	/* 1: rules of this engine are in the kernel, whoever put them there; 0 or -errno. */
	int (*is_there)(struct error *error);
	/* 1, with the reason: these rules must not be exchanged for another engine's on its own
	 * account, for members would be refused then. NULL: never. */
	int (*stays)(struct error *reason);
	bool changes_in_place; /* a difference is enough, without what was before */
	const struct engine_filter *filter;
	const struct engine_paths *paths;
};

struct engine {
	const struct engine_kind *kind;
	struct settings *settings;
	const struct log *log;
	struct netlink_line line;
	bool leftover_said; /* that something of it stays: once */
	bool alone;	    /* no other engine's rules are there */
	bool proved;	    /* the kernel was seen to do what the rules say */
	bool flows_unknown; /* some may lead where older paths sent them */
	bool size_said;	    /* that conntrack_max cannot be had: once */
};

extern const struct engine_kind iptables_engine, nftables_engine;

#endif
