/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_INTAKE_H
#define NETI_INTAKE_H
/*
 * The handlers that the registry calls on the worker.
 */
#include "reconcile.h"

struct registry_handler intake_handler(struct convergence *convergence);

#endif
