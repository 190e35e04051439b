/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REFRESH_H
#define NETI_REFRESH_H
/*
 * Asks from time to time whether the addresses that were found are still this host's. Never
 * waits.
 */
#include "settings/identity_ec2.h"
#include "settings/settings.h"

#define REFRESH_MS 60000

struct refresh {
	int64_t due;
	struct ec2_ask *ask; /* under way */
	bool failed;	     /* the last time: told once */
};

void refresh_init(struct refresh *refresh, int64_t now);
void refresh_clear(struct refresh *refresh);
/* 1 and a copy of the settings with other addresses; 0 when they are the same, are not known
 * yet, or cannot be found now. refresh->due is when to come again; -1: never. */
int refresh_turn(struct refresh *refresh, const struct settings *settings, int64_t now,
	const struct log *log, struct settings **ret);

#endif
