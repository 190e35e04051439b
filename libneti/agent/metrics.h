/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_METRICS_H
#define NETI_METRICS_H
/*
 * The status as Prometheus reads it: the text file of metrics_file.
 */
#include "base/buffer.h"
#include "status.h"

/* Pure; now in seconds of the epoch. -ENOMEM. */
int metrics_print(const struct status *status, int64_t now, struct buffer *text);
/* Removes what an agent that was killed left of it half written. */
void metrics_sweep(const char *path);
/* Replaces the file in one step. */
int metrics_write(const char *path, const struct status *status, struct error *error);

#endif
