/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_STATE_H
#define NETI_STATE_H
/*
 * The fleet that the kernel was made to hold last, in state_dir: a restarted agent counts removals
 * against it.
 */
#include "base/sealed_file.h"
#include "fleet/fleet.h"

int state_save(const char *state_dir, const struct fleet_settings *fleet,
	const struct member_list *members, struct changes *changes, struct error *error);
/* What the view has become since then. Errors: sealed_file_append(). */
void state_note(struct changes *changes, const struct fleet_delta *delta);
int state_append(const char *state_dir, struct changes *changes, struct error *error);
/* -ENOENT when there is none; -EBADMSG when it is torn, foreign or newer: the sentence names it. */
int state_load(const char *state_dir, struct fleet_settings *ret_fleet,
	struct member_list *ret_members, struct error *error);

/* Of these members those whose removal is held, and those in doubt, with the settings of then. A
 * file for each: what has become of one says nothing of the other. None, no file; errors as above. */
int state_save_doubts(const char *state_dir, const struct fleet_settings *fleet,
	const struct member_list *held, const struct member_list *doubted, struct error *error);
int state_load_held(const char *state_dir, struct fleet_settings *ret_fleet,
	struct member_list *ret_held, struct error *error);
int state_load_doubted(const char *state_dir, struct fleet_settings *ret_fleet,
	struct member_list *ret_doubted, struct error *error);

#endif
