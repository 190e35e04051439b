/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work is owed for, and the debt runs off with the time. A small one does not hold up the next
 * change; so the first ones after a quiet time go in at once, and a burst is gathered.
 */
#include "pace.h"

#define SHARE 20	 /* one part of so many of a core */
#define CREDIT_MS 2000	 /* four changes with 16,000 members */
#define DEBT_MAX_MS 5000 /* nobody waits for a change much longer, however large the fleet */
#define QUIET_LEAST_MS 100
#define QUIET_MOST_MS 2000

int64_t pace_debt(double seconds)
{
	return (int64_t)(seconds * 1000 * SHARE);
}

int64_t pace_quiet(double seconds)
{
	int64_t quiet = QUIET_LEAST_MS + pace_debt(seconds);

	return quiet < QUIET_MOST_MS ? quiet : QUIET_MOST_MS;
}

void pace_pay(struct pace *pace, double seconds, int64_t now)
{
	if (pace->paid_at < now)
		pace->paid_at = now;
	pace->paid_at += pace_debt(seconds);
	if (pace->paid_at > now + DEBT_MAX_MS)
		pace->paid_at = now + DEBT_MAX_MS;
	if (pace->not_before < pace->paid_at - CREDIT_MS)
		pace->not_before = pace->paid_at - CREDIT_MS;
}
