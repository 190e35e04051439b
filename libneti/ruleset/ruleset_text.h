/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_RULESET_TEXT_H
#define NETI_RULESET_TEXT_H
/*
 * Differences of rulesets as lines of text, for people and for the file of changes.
 */
#include "base/buffer.h"
#include "ruleset.h"

/* "- peer A", "+ peer A", "- path O to T", "+ path O to T", "~ path O to T": the new one; and
 * "~ policy". */
void ruleset_diff_print(const struct ruleset_diff *diff, struct buffer *text);
size_t ruleset_diff_lines(const struct ruleset_diff *diff);
/* Carries out lines of that kind in place; the text is changed. -EBADMSG: one of them makes no sense;
 * after any failure the ruleset is of no use. */
int ruleset_read_changes(struct ruleset *ruleset, char *text);

#endif
