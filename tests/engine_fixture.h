/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_ENGINE_FIXTURE_H
#define NETI_TESTS_ENGINE_FIXTURE_H
/*
 * What the suites that run an engine share: cases over every engine, each with a witness that
 * knows the kernel without Neti; calls that must succeed; a ruleset with every kind of rule.
 */
#include "engine/engine.h"
#include "netns.h"
#include "rules.h"
#include "test.h"

/* Damage, and lines of the difference that it makes to check_rules(). */
struct drift {
	const char *damage;
	const char *lines[4];
};

/*
 * What sees and disturbs an engine's rules without Neti. Text is a shell command for the namespace
 * at hand, run by witness_do(); $1 and on are the words that it is given.
 */
struct witness {
	const char *engine;  /* its name in the settings, and the first word of its cases */
	const char *missing; /* prints what this machine lacks; then the tests are skipped */

	/* Questions: the command succeeds when it is so, or prints the answer. */
	const char *is_peer;	  /* $1: an address that is let in as a member's */
	const char *is_denied;	  /* address $1, protocol $2, port $3: noted as refused */
	const char *denied;	  /* prints "ADDRESS PROTOCOL PORT PACKETS" of each */
	const char *answers_ping; /* a rule lets in whoever pings */
	const char *has_ipv6;	  /* there is a rule of ours for IPv6 */
	const char *dump;	  /* prints all, ours and others', without counters */
	const char *paths;	  /* prints all rules that map addresses */
	const char *drop_own; /* a filter: leaves out what is ours of all that the tools print */
	void (*golden)(const struct ruleset *rules); /* ours equal the text that is rendered */
	const char *save_and_restore; /* gives the same again; $1: a directory for files */

	/* Disturbances. */
	const char *deny;      /* notes address $1, protocol $2, port $3 as refused */
	const char *track;     /* a rule of others has the kernel track connections */
	const char *cut_in[2]; /* a rule of others goes before ours: in the filter, in the paths */
	const char *empty_filter; /* our rules that refuse go, in both families */
	const char *empty_paths;  /* the paths of 192.168.0.1 and its neighbours go */
	const char *tear_down;	  /* all rules go; sets stay */
	const char *redirect;	  /* path and peer of a member lead to $2 instead of $1 */
	const char *wrong_sets;	  /* before ours are made: some of their names that do not fit */
	const char *meddle; /* changes something and changes it back, without asking anybody */
	/* Other rules that let in the member $1, lead to it from $2 and refuse strangers. */
	const char *const *spoilers;
	size_t n_spoilers;
	const char *spoiled_no_more; /* nothing of them is left */
	int (*hold_lock)(void);	     /* until the descriptor is closed; NULL: there is no lock */

	/* Others in the same part of the kernel. */
	const char *foreign;	    /* rules, chains and sets of all kinds */
	const char *foreign_works;  /* beside ours */
	const char *count;	    /* rules that count datagrams, and a policy that counts all */
	const char *counted;	    /* the rules say $1 packets of $2 bytes */
	const char *policy_counted; /* and the policy these */

	const char *prepare; /* before Neti is there: what damage and a dump need */
	const struct drift *drifts;
	size_t n_drifts;

	unsigned branch_entries;	/* report.entries of a new member far from all others */
	unsigned target_entries;	/* of a member that moved */
	uint64_t peers_max, denied_max; /* entries that there is room for */
};

extern const struct witness witness_iptables, witness_nftables;

extern const struct witness *witness; /* of the engine at hand: in a test, and in add() */

/* A case for each engine, "ENGINE-THEME"; add() fills it. */
void witness_cases(Suite *suite, const struct test_frame *frame, const char *theme,
	void (*add)(void));
/* A case of what there is in this engine alone: "ENGINE-own-THEME". */
void witness_own_cases(Suite *suite, const struct test_frame *frame, const char *engine,
	const char *theme, void (*add)(void));
/* netns_start() for the engine at hand; false and noted as skipped without what it needs. */
bool witness_start(struct netns_host *ret_self);
/* Runs one of the above, with words for $1 and on; it must succeed. */
void witness_do(const char *shell, const char *words);
/* The same; it must fail. */
void witness_not(const char *shell, const char *words);

/* Of the last call below. */
extern struct error check_error;
extern struct engine_report check_report;

/* That ask for the engine at hand. */
struct settings *check_settings(void);
int check_try_open(struct engine **ret);
struct engine *check_open(void);
void check_apply(struct engine *engine, const struct ruleset *rules);
void check_update(struct engine *engine, const struct ruleset *from, const struct ruleset *to);
void check_flush(struct engine *engine);

/* The difference between kernel and rules: none, or one that has this line. */
void check_equal(struct engine *engine, const struct ruleset *rules);
void check_difference(struct engine *engine, const struct ruleset *rules, const char *line);

/* Everything at once: every kind of rule in both families. */
struct ruleset *check_rules(void);
/* A step of many: a member comes, moves or leaves. Every tenth touches the policy too, and every
 * fiftieth is found out by reading. */
void check_change(struct engine *engine, struct ruleset *rules, unsigned round);

#endif
