/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One turn: what the store has to say, then every state machine that lasts advances, and their next
 * moments go into one timer.
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core.h"
#include "lease.h"

#define STARTED_MS 10 /* what was due and did not start waits for so long */

static void arm_timer(struct registry *registry)
{
	const int64_t next[] = { layout_next(registry), watch_next(registry),
		membership_next(registry), lease_next(registry), twin_next(registry) };
	int64_t at = REGISTRY_NEVER, soonest = registry_now() + STARTED_MS;
	struct itimerspec when = { 0 };

	for (size_t i = 0; i < sizeof(next) / sizeof(*next); i++)
		if (next[i] < at)
			at = next[i];
	if (at < soonest)
		at = soonest;
	if (at < REGISTRY_NEVER) {
		when.it_value.tv_sec = at / 1000;
		when.it_value.tv_nsec = at % 1000 * 1000000 + 1;
	}
	timerfd_settime(registry->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

int registry_process(struct registry *registry)
{
	uint64_t count;
	int result;

	if (registry->processing)
		return -EDEADLK;
	registry->processing = true;
	while (read(registry->timer, &count, sizeof(count)) > 0)
		;
	result = registry->backend->process(registry->store);
	/* In the order in which they build on each other. */
	layout_advance(registry);
	watch_advance(registry);
	membership_advance(registry);
	lease_advance(registry);
	twin_advance(registry);
	arm_timer(registry);
	registry->processing = false;
	return result;
}

int registry_descriptor(struct registry *registry)
{
	return registry->epoll;
}
