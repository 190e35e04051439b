/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sd_notify with watchdog.
 */
#include "config.h"

#include <stdint.h>

#include "notify.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

static uint64_t watchdog_ms(void)
{
	uint64_t microseconds;

	return sd_watchdog_enabled(0, &microseconds) > 0 ? microseconds / 1000 : 0;
}

void notify_state(const char *state)
{
	sd_notify(0, state);
}

int notify_interval(void)
{
	uint64_t watchdog = watchdog_ms();

	return watchdog ? (int)(watchdog / 3 + 1) : -1;
}

void notify_alive(unsigned idle_ms)
{
	if (watchdog_ms() && idle_ms < watchdog_ms())
		sd_notify(0, "WATCHDOG=1");
}
#else
void notify_state(const char *state)
{
	(void)state;
}

int notify_interval(void)
{
	return -1;
}

void notify_alive(unsigned idle_ms)
{
	(void)idle_ms;
}
#endif
