/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_HOST_H
#define NETI_HOST_H
/*
 * What this host keeps to whatever the registry says: its own networks stay its own, and with
 * reject_all it is closed to strangers from the first start on. Looked at every few seconds.
 */
#include "agent.h"

void host_begin(struct agent *agent, int64_t now);
void host_end(struct agent *agent);
void host_turn(struct agent *agent, int64_t now);
int64_t host_due(const struct agent *agent); /* -1: never */

#endif
