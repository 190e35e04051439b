/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_EVENTS_H
#define NETI_REGISTRY_EVENTS_H
/*
 * The handlers that the registry calls on the worker.
 */
#include "agent.h"

struct registry_handler registry_events_handler(struct agent *agent);

#endif
