/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_XTABLES_LOCK_H
#define NETI_XTABLES_LOCK_H
/*
 * The lock that every user of iptables takes round a change.
 */
#include <stdbool.h>

#include "base/error.h"

/* path NULL: as iptables has it. A descriptor for xtables_unlock; -EBUSY with who holds it, after
 * five seconds. busy: whether it was not to be had, the last time and this time. */
int xtables_lock(const char *path, bool *busy, struct error *error);
void xtables_unlock(int fd);

#endif
