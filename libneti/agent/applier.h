/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_APPLIER_H
#define NETI_APPLIER_H
/*
 * Keeps the kernel in step with a ruleset that changes: the smallest work that is known to be
 * enough, all of it when nothing is known, and a look at the kernel from time to time.
 */
#include "base/sealed_file.h"
#include "engine/engine.h"

struct applier {
	struct engine *engine;
	const struct log *log;
	struct ruleset *applied; /* what the kernel holds; NULL: not known */
	bool unsure;		 /* the next apply looks at everything */
	bool counted;  /* the guard counted the first change that the registry asked for */
	bool accepted; /* an operator lets go what is held back from the first apply */
	size_t held;   /* removals the guard holds back from the first apply */
};

int applier_open(struct applier *applier, const struct settings *settings, const struct log *log,
	struct error *error);
/* With other settings of the engine: opened anew, and the next apply looks at everything. After a
 * failure the old one goes on. */
int applier_reopen(struct applier *applier, const struct settings *settings, struct error *error);
void applier_close(struct applier *applier);
/* Steals the ruleset on success. -EPERM (NETI_REASON_HELD): nothing was changed. After any
 * other failure the kernel's content is not known, and the next apply looks at all of it. */
int applier_apply(struct applier *applier, const struct fleet_settings *fleet,
	struct ruleset *wanted, struct engine_report *ret, struct error *error);
/* The same when nothing changed but the members at these overlay addresses, which are sorted: changes
 * has the difference. -ESTALE: nothing was done, a ruleset has to be built. */
int applier_follow(struct applier *applier, const struct fleet_settings *fleet,
	const struct member *self, const struct member_list *members,
	const struct address *overlays, size_t n, struct changes *changes,
	struct engine_report *ret, struct error *error);
/* Before the registry was read: the ruleset, and whatever peers the kernel has. Steals it on
 * success. */
int applier_start(struct applier *applier, struct ruleset *wanted, struct error *error);
/* 1 when the kernel had drifted (the diff says how) and was repaired, 0 when it held. */
int applier_check(struct applier *applier, struct buffer *diff, struct error *error);
/* Of the members known from before, leaves those that the kernel still lets in. */
int applier_filter(struct applier *applier, const struct policy *policy,
	const struct fleet_settings *fleet, const struct member *self, struct member_list *members,
	struct error *error);

#endif
