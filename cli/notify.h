/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_NOTIFY_H
#define NETI_CLI_NOTIFY_H
/*
 * systemd's view of "run": ready, reloading, stopping, and the watchdog. Nothing happens where
 * no supervisor asked for it, or without libsystemd.
 */

void notify_state(const char *state);
/* How long the loop may sleep, in milliseconds; -1: for ever. */
int notify_interval(void);
/* Feeds the watchdog, unless the worker has been idle for longer than that. */
void notify_alive(unsigned idle_ms);

#endif
