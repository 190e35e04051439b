/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_RULESET_JSON_H
#define NETI_RULESET_JSON_H
/*
 * A ruleset as text that another run can read back: for the state file. Pure.
 */
#include "base/buffer.h"
#include "base/error.h"
#include "ruleset.h"

int ruleset_to_json(const struct ruleset *ruleset, struct buffer *json); /* -ENOMEM */
/* -EBADMSG with a sentence when it is not what ruleset_to_json() writes. */
int ruleset_from_json(struct ruleset **ret, const char *json, size_t size, struct error *error);

#endif
