/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_PROGRESS_H
#define NETI_CLI_PROGRESS_H
/*
 * A line on a terminal for what takes longer than a second; it is wiped out again. Nothing when
 * stderr is no terminal, or with --quiet.
 */
#include "netictl.h"

struct progress;

/* NULL when there is nothing to show, which stop takes. what is borrowed. */
struct progress *progress_start(const struct netictl *netictl, const char *what);
void progress_stop(struct progress *progress);

#endif
