/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_ENGINE_CHECKS_H
#define NETI_TESTS_ENGINE_CHECKS_H
/*
 * What the suites that run an engine share: calls that must succeed, a ruleset with every kind
 * of rule, and iptables-save and ipset as independent witnesses.
 */
#include "engine/engine.h"
#include "rules.h"

/* Of the last call below. */
extern struct error check_error;
extern struct engine_report check_report;

struct engine *check_open(void);
void check_apply(struct engine *engine, const struct ruleset *rules);
void check_update(struct engine *engine, const struct ruleset *from, const struct ruleset *to);
void check_flush(struct engine *engine);

/* The difference between kernel and rules: none, or one that has this line. */
void check_equal(struct engine *engine, const struct ruleset *rules);
void check_difference(struct engine *engine, const struct ruleset *rules, const char *line);

/* Everything at once: every kind of rule in both families. */
struct ruleset *check_rules(void);
/* Own chains and sets as the tools print them equal the text that the ruleset stands for. */
void check_golden(const struct ruleset *rules);

#endif
