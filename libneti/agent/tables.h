/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TABLES_H
#define NETI_TABLES_H
/*
 * Looks at how full the tables are, and tells the caller when one becomes nearly full.
 */
#include "agent.h"

/* Writes into the status. To be called before it is written. */
void tables_look(struct agent *agent);

#endif
