/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a table counts as nearly full. Reads none itself.
 */
#include <inttypes.h>
#include <stdio.h>

#include "fill.h"

/* Per cent. The gap keeps a level that sways round the mark from being told again and again. */
#define FULL 80
#define ROOM 75

static const struct {
	const char *name, *what, *help;
} tables[FILL_TABLES] = {
	[FILL_CONNTRACK] = { "conntrack", "the kernel's table of connections",
		"raise conntrack_max, in a network namespace that of the machine; when it is full "
		"new connections are dropped" },
	[FILL_PEERS] = { "peers", "the set of peers",
		"that is all an engine can hold; when it is full further members are refused" },
	[FILL_DENIED] = { "denied", "the set of denied",
		"see \"netictl denied\" for who knocks; when it is full further strangers are "
		"refused without being listed" },
	[FILL_OVERLAY] = { "overlay", "the overlay subnet",
		"give leases back with \"netictl reclaim\", or make overlay_subnet larger; when it "
		"is full no host can join" },
};

const char *fill_name(enum fill_table table)
{
	return tables[table].name;
}

bool fill_note(struct fill fill[FILL_TABLES], enum fill_table table, uint64_t entries, uint64_t max,
	char *text, size_t size)
{
	struct fill *row = &fill[table];
	bool told = row->told;

	row->entries = entries;
	row->max = max;
	/* In floating point, which does not overflow and is exact for any table that exists. */
	row->told = max > 0 && (double)entries * 100 >= (double)max * (told ? ROOM : FULL);
	if (told || !row->told)
		return false;
	snprintf(text, size, "%s is %" PRIu64 " %% full, %" PRIu64 " of %" PRIu64 ": %s",
		tables[table].what, (uint64_t)((double)entries / (double)max * 100), entries, max,
		tables[table].help);
	return true;
}
