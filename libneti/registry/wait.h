/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_WAIT_H
#define NETI_REGISTRY_WAIT_H
#include "base/error.h"
#include "retry.h"

struct registry;

struct deadline {
	int64_t at; /* -1: none */
	int timeout_ms;
	const char *doing; /* "looking for ..." for the sentence */
};
struct deadline wait_deadline(int timeout_ms, const char *doing);
/* One round of poll() and processing; -ETIMEDOUT, -EDEADLK, or the credentials were refused.
 * It ends at that moment; 0: none. */
int wait_once(struct registry *registry, int64_t at, const struct deadline *deadline,
	struct error *error);
int wait_fleet(struct registry *registry, const struct deadline *deadline, struct error *error);
/* Until what failed may be tried again. */
int wait_again(struct registry *registry, struct retry *retry, const struct deadline *deadline,
	struct error *error);

#endif
