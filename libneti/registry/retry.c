/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pauses that grow. What worked in between is not asked for: a failure counts as another one of the
 * same row when it comes soon after the last pause.
 */
#include "base/clock.h"
#include "retry.h"

#define LOWEST_MS 50
#define LONG_MS 1000
#define SOON_MS (2 * RETRY_MOST_MS)

int64_t retry_at(struct retry *retry, int64_t first_ms)
{
	int64_t now = clock_now();

	if (retry->at && now < retry->at)
		return retry->at;
	if (!retry->at || now - retry->at > SOON_MS)
		retry->ms = 0;
	else
		retry->ms = retry->ms * 2 < LOWEST_MS ? LOWEST_MS : retry->ms * 2;
	if (retry->ms < first_ms)
		retry->ms = first_ms;
	if (retry->ms > RETRY_MOST_MS)
		retry->ms = RETRY_MOST_MS;
	retry->at = now + retry->ms;
	return retry->at;
}

bool retry_is_long(const struct retry *retry)
{
	return retry->ms >= LONG_MS;
}
