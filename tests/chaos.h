/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_CHAOS_H
#define NETI_TESTS_CHAOS_H
/*
 * The n-th allocation, system call, request or answer fails, for n = 0, 1, 2, ... until nothing
 * is left to fail. Each life ends in success or in a clean error with a sentence, and gives back
 * all that it took.
 */
#include "chaos_faults.h"
#include "neti/neti.h"

/* One life: 0 or -errno, with its sentence in the context. */
typedef int (*chaos_life)(struct neti_context *context);

/* While faults are armed: Check's own asserts take memory also when they hold. */
#define chaos_assert(holds)                                                                        \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			faults_disarm();                                                           \
			ck_abort_msg("%s", #holds);                                                \
		}                                                                                  \
	} while (0)

/* A folder of the test's own. */
void chaos_setup(void);
void chaos_teardown(void);
/* hudson, on the embedded registry in that folder. */
extern const char *chaos_engine;
int chaos_settings(struct neti_settings **ret, struct neti_context *context);
/* Their registry. */
int chaos_registry(struct neti_registry **ret, struct neti_context *context);
/* Its rules for n members. */
int chaos_ruleset(struct neti_ruleset **ret, struct neti_context *context, int n);
/* The folder itself. */
const char *chaos_folder(void);

/* An agent's life, and the part of it in which something fails. */
enum chaos_part { CHAOS_LIFE, CHAOS_START, CHAOS_STOP };
struct chaos_agent {
	bool member, rules;
	enum chaos_part part;
};
/* Started, waited for until it has arrived whatever failed, and stopped, which never fails. */
int chaos_agent(struct neti_context *context, const struct chaos_agent *plan);
/* step: one failure of so many, but all of them with NETI_CHAOS in the environment; each is told
 * with NETI_CHAOS_TELL. */
void chaos_each(chaos_life life, enum fault fault, long step, long at_least);

#endif
