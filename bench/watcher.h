/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_BENCH_WATCHER_H
#define NETI_BENCH_WATCHER_H
/*
 * A real agent in a process and a network namespace of its own, with a cable to the registry: it
 * tells when which changes were in its kernel.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct watcher_sum {
	unsigned long added, moved, removed;
};

struct watcher {
	unsigned number;
	pid_t pid;
	int pipe;
	char left[256]; /* the part of a line that was read */
	size_t n_left;
	double started, applied;	     /* CLOCK_MONOTONIC, seconds */
	unsigned long added, moved, removed; /* in the kernel at "applied", since the base */
	struct watcher_sum sum, base;
};

/* In main(), first: does not return in a process that watcher_start() made. */
void watcher_main(const char *folder);
/* registry: its URI has the word HOST where the watcher's view of the server belongs. */
void watcher_start(struct watcher *watcher, unsigned number, const char *folder,
	const char *registry);
void watcher_stop(struct watcher *watcher); /* it leaves the fleet */
/* Reads what it told, waiting until so many changes are in its kernel; false after the seconds. */
bool watcher_wait(struct watcher *watcher, unsigned long added, unsigned long moved,
	unsigned long removed, double seconds);
/* What it told until now counts no more. */
void watcher_rebase(struct watcher *watcher);
/* 1 when its kernel is not what the registry's members make of it, and the lines that differ are
 * printed. */
int watcher_drift(const struct watcher *watcher, const char *folder, const char *registry);

double watcher_cpu(const struct watcher *watcher);    /* seconds */
double watcher_memory(const struct watcher *watcher); /* MB now */
double watcher_peak(const struct watcher *watcher);   /* MB at most */
unsigned watcher_descriptors(const struct watcher *watcher);
double watcher_received(const struct watcher *watcher); /* bytes */

#endif
