/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_RETRY_H
#define NETI_RETRY_H
/*
 * When to try again what failed. Whoever is answered by the same failure for ever shall not ask at the
 * speed of the answers: the first pause is the caller's, each that follows soon is twice as long.
 */
#include <stdbool.h>
#include <stdint.h>

#define RETRY_MOST_MS                                                                              \
	3000 /* five steps that wait for one another are over in a quarter of a minute */
#define RETRY_SESSIONS "the sessions are ended one after the other: the next one waits"

/* Zeroed memory is a new one. */
struct retry {
	int64_t at; /* the end of the last pause, in milliseconds of CLOCK_MONOTONIC */
	int64_t ms; /* how long it was */
};

/* The moment, never 0; until it has come, further failures are the same one. */
int64_t retry_at(struct retry *retry, int64_t first_ms);
/* Whether it has gone on for so long that somebody should hear of it. */
bool retry_is_long(const struct retry *retry);

#endif
