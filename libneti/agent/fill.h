/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_FILL_H
#define NETI_FILL_H
/*
 * The tables that can become full, how full they are, and when to say so. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fill_table { FILL_CONNTRACK, FILL_PEERS, FILL_DENIED, FILL_OVERLAY, FILL_TABLES };

/* All zero at the start. */
struct fill {
	uint64_t entries, max; /* max 0: not known */
	bool told;
};

/* The name in the status file and in metrics. */
const char *fill_name(enum fill_table table);
/* Notes a level. True when the table has become nearly full, once until it has room again:
 * text then says which, how full, and what to do. */
bool fill_note(struct fill fill[FILL_TABLES], enum fill_table table, uint64_t entries, uint64_t max,
	char *text, size_t size);

#endif
