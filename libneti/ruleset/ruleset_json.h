/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_RULESET_JSON_H
#define NETI_RULESET_JSON_H
/*
 * A ruleset as text that another run can read back: for the state file. Pure.
 */
#include "base/buffer.h"
#include "base/error.h"
#include "ruleset.h"

int ruleset_to_text(const struct ruleset *ruleset, struct buffer *text); /* -ENOMEM */
/* -EBADMSG with a sentence when it is not what ruleset_to_text() writes. */
int ruleset_from_text(struct ruleset **ret, const char *text, size_t size, struct error *error);

#endif
