/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_RULES_H
#define NETI_TESTS_RULES_H
/*
 * Rulesets made by hand, member by member, for tests and benchmarks.
 */
#include "ruleset/ruleset.h"

/* Empty: 192.168.0.0/18, icmp answered, nothing open. */
struct ruleset *rules_new(const char *overlay);
struct ruleset *rules_free(struct ruleset *rules);
struct ruleset *rules_copy(const struct ruleset *rules);
/* The n-th member: overlay address n of the subnet, seen at and reached at 10.0.0.0 + n. */
void rules_fill(struct ruleset *rules, size_t n);
/* Keeps both lists sorted; an overlay address that is there gets the new target. */
void rules_member(struct ruleset *rules, const char *overlay, const char *target);
void rules_remove(struct ruleset *rules, const char *overlay);
void rules_open(struct ruleset *rules, uint8_t protocol, uint16_t low, uint16_t high);
void rules_ssh(struct ruleset *rules, const char *prefix);
void rules_trust(struct ruleset *rules, const char *prefix);
void rules_override(struct ruleset *rules, const char *from, const char *to);

#endif
