/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_BENCH_GAP_H
#define NETI_BENCH_GAP_H
/*
 * How long strangers get in after another program has flushed all rules of a host.
 */
#include "watcher.h"

void gap_bench(const struct watcher *watcher, unsigned members);

#endif
