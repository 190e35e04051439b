/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_STATE_H
#define NETI_STATE_H
/*
 * The last fleet that the kernel was made to hold, in state_dir: what a restarted agent counts
 * removals against, and what "apply --from-state" puts up at boot.
 */
#include "../fleet_settings.h"
#include "../member.h"

int state_save(const char *state_dir, const struct fleet_settings *fleet,
	const struct member_list *members, struct error *error);
/* -ENOENT when there is none; -EBADMSG when it is torn, foreign or newer: the sentence names it. */
int state_load(const char *state_dir, struct fleet_settings *ret_fleet,
	struct member_list *ret_members, struct error *error);

#endif
