/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_PACE_H
#define NETI_PACE_H
/*
 * How often rules may be worked on, from what the work costs: a twentieth of one core, as long as
 * nothing waits for more than a few seconds.
 * Pure: times are milliseconds of whatever clock the caller has.
 */
#include <stdint.h>

struct pace {
	int64_t not_before; /* no rule work before */
	int64_t paid_at;    /* when all work done is paid for */
};

/* How long work of so many seconds has to be paid for. */
int64_t pace_debt(double seconds);
/* How long what waits for quiet waits for it, when it took so many seconds the last time. */
int64_t pace_quiet(double seconds);
void pace_pay(struct pace *pace, double seconds, int64_t now);

#endif
