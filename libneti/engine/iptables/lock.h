/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_XTABLES_LOCK_H
#define NETI_XTABLES_LOCK_H
/*
 * The lock that every user of iptables takes round a change.
 */
#include <stdbool.h>

#include "base/error.h"

#define XTABLES_LOCK_TIMEOUT 5000 /* milliseconds */

/* A descriptor for xtables_unlock; -EBUSY with who holds it. busy: whether it was not to be had, the
 * last time and this time. waited: seconds, added to. */
int xtables_lock(unsigned timeout_ms, bool *busy, double *waited, struct error *error);
void xtables_unlock(int fd);

#endif
