/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_STATE_H
#define NETI_STATE_H
/*
 * What the kernel was made to hold last, in state_dir: the fleet, which a restarted agent counts
 * removals against, and the ruleset, which is put up at boot.
 */
#include "base/buffer.h"
#include "fleet/fleet_settings.h"
#include "fleet/member.h"
#include "ruleset/ruleset.h"

/* Any file of that form: a head with the version and a checksum, then the body. Of what was read
 * the caller frees *ret_text, also after a failure; the body points into it. */
int state_write(const char *state_dir, const char *name, const struct buffer *body,
	struct error *error);
int state_read(const char *state_dir, const char *name, char **ret_text, char **ret_body,
	size_t *ret_length, struct error *error);

int state_save(const char *state_dir, const struct fleet_settings *fleet,
	const struct member_list *members, struct error *error);
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

/* The last good ruleset, for "apply --from-state" at boot. Errors as above. */
int state_save_ruleset(const char *state_dir, const struct ruleset *ruleset, struct error *error);
int state_load_ruleset(const char *state_dir, struct ruleset **ret, struct error *error);
/* From now on there is none to put up again, and a boot leaves the host as it is. */
int state_forget_ruleset(const char *state_dir, struct error *error);

/*
 * What shall stand until the registry has been read, under the settings' own policy: one of
 * NETI_RESTORED_*. -ENOENT when strangers are not to be refused anyway, or the ruleset was to be
 * forgotten.
 */
int state_restore(const struct settings *settings, struct ruleset **ret, struct error *error);

#endif
