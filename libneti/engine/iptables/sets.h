/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IPTABLES_SETS_H
#define NETI_IPTABLES_SETS_H
/*
 * The own sets as a whole: what is there, what is missing, what is too much.
 */
#include "engine/engine.h"
#include "ipset_read.h"
#include "ipset_write.h"

struct set_state {
	bool exists;
	bool right; /* of the type that the rules need, and large enough */
	struct netlink_set found;
};

int iptables_set_state(enum set set, const char *name, struct set_state *ret, struct error *error);

struct members_diff {
	struct address *missing, *surplus;
	size_t n_missing, n_surplus;
};
/* Wanted peers against the set's; a set that does not exist is empty. */
int iptables_set_diff(const char *name, const struct ruleset *wanted, struct members_diff *ret,
	struct error *error);
void members_diff_clear(struct members_diff *diff);

/*
 * Sets that are wrong under their own name. One of the right type but another shape is exchanged
 * for a right one in one step, whoever refers to it; one of another type cannot be, and the
 * name is that of its spare, made and filled.
 */
int iptables_sets_choose(const struct ruleset *wanted, const char *ret_names[SETS],
	struct engine_report *report, struct error *error);
/* Makes the sets that are missing under these names, with every wanted peer; surplus peers stay. */
int iptables_sets_fill(const struct ruleset *wanted, const char *const names[SETS],
	struct members_diff *ret, struct engine_report *report, struct error *error);
int iptables_sets_change(const struct address *added, size_t n_added, const struct address *removed,
	size_t n_removed, struct engine_report *report, struct error *error);
/* Takes surplus peers out of the set. */
int iptables_sets_trim(const char *name, const struct members_diff *diff,
	struct engine_report *report, struct error *error);
/* Every own set but those named (NULL: every one). -EBUSY: the rest was done. */
int iptables_sets_destroy(const char *const keep[SETS], struct error *error);
int iptables_set_destroy(const char *name, struct error *error);
/* The sets that are wanted. */
int iptables_sets_print(const struct ruleset *wanted, struct buffer *diff, struct error *error);
/* The others, but for those that only a rule of somebody else's can hold: when none of our own
 * rules are to go. */
int iptables_sets_print_surplus(const struct ruleset *wanted, bool rules_go, struct buffer *diff,
	struct error *error);

#endif
