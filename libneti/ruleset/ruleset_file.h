/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_RULESET_FILE_H
#define NETI_RULESET_FILE_H
/*
 * The ruleset that the kernel was made to hold last, in state_dir.
 */
#include "base/sealed_file.h"
#include "ruleset.h"
#include "settings/settings.h"

/* The last good ruleset, for "apply --from-state" at boot. -ENOENT when there is none;
 * -EBADMSG when it is torn, foreign or newer: the sentence names it. */
int ruleset_file_save(const char *state_dir, const struct ruleset *ruleset, struct changes *changes,
	struct error *error);
/* The lines of ruleset_diff_print(), since then. Errors: sealed_file_append(). */
int ruleset_file_append(const char *state_dir, struct changes *changes, struct error *error);
int ruleset_file_load(const char *state_dir, struct ruleset **ret, struct error *error);
/* From now on there is none to put up again, and a boot leaves the host as it is. */
int ruleset_file_forget(const char *state_dir, struct error *error);

/*
 * What shall stand until the registry has been read, under the settings' own policy: one of
 * NETI_RESTORED_*. -ENOENT when strangers are not to be refused anyway, or the ruleset was to be
 * forgotten.
 */
int ruleset_file_restore(const struct settings *settings, struct ruleset **ret,
	struct error *error);

#endif
