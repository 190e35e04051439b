/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLOCK_H
#define NETI_CLOCK_H
/*
 * The clocks, in milliseconds. Pure code gets them passed in.
 */
#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Never goes back, whatever happens to the wall clock. */
static inline int64_t clock_now(void)
{
	return clock_ms_of(CLOCK_MONOTONIC);
}

static inline double clock_seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
