/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_BENCH_COMMANDS_H
#define NETI_BENCH_COMMANDS_H
/*
 * What a person waits for: netictl on a large fleet.
 */

/* Fills the fleet of a registry with so many members, has an agent join it, and prints how long
 * each command takes. names: of the figures, "SUFFIX" behind the command's. */
void commands_bench(const char *uri, const char *suffix, unsigned members, const char *folder);

#endif
