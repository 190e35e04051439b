/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_DURATION_H
#define NETI_DURATION_H
/*
 * Spans of time as people write them: "500ms", "10s", "5m", "2h", "30d"; a number alone
 * is seconds. Whole numbers, one unit, no blanks.
 */
#include <stdint.h>

#define DURATION_TEXT_MAX 24

int duration_parse(const char *text, uint64_t *ret_ms); /* -EINVAL, -ERANGE */
/* In the largest unit that needs no fraction ("90s", "2m"), so that parsing gives ms
 * again. */
const char *duration_format(uint64_t ms, char text[DURATION_TEXT_MAX]);

#endif
