/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_BENCH_PATH_H
#define NETI_BENCH_PATH_H
/*
 * What the rules cost the packets: connections and throughput beside conntrack alone, and
 * beside the linear chain of the first system. Prints its figures.
 */
#include <stddef.h>

void path_figures(size_t members);

struct engine *bench_engine(const char *name);

#endif
