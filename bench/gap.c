/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stranger knocks at a closed port two thousand times a second: silence is refused, an answer is
 * let in. Meanwhile somebody flushes the ruleset, whom the agent hears.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "figures.h"
#include "gap.h"

#define GAP_UP_TO 16000 /* members */
#define RUNS 7
#define KNOCKS 2000
#define EVERY_US 500
#define QUIET_US 1500000 /* past the agent's next look, and its debt for the last one */

static double now(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

static int knock(const struct watcher *watcher)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[32];

	snprintf(text, sizeof(text), "10.9.%u.1", watcher->number);
	inet_pton(AF_INET, text, &to.sin_addr);
	figure_must(fd >= 0, "socket", "no more of them");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS)
		return fd;
	figure_must(errno == ECONNREFUSED, "connect", text);
	close(fd);
	return -1; /* answered before connect() returned */
}

static bool answered(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLOUT };

	return poll(&poller, 1, 0) == 1;
}

/* From the first one let in to the last. */
static double run(const struct watcher *watcher)
{
	static struct pollfd fds[KNOCKS];
	double begun[KNOCKS], first = 0, last = 0;
	char command[120];

	snprintf(command, sizeof(command),
		"sh -c 'sleep 0.2; exec nsenter --net=/proc/%d/ns/net nft flush ruleset' &",
		watcher->pid);
	figure_must(system(command) == 0, command, "failed");
	for (unsigned i = 0; i < KNOCKS; i++) {
		begun[i] = now();
		fds[i].fd = knock(watcher);
		usleep(EVERY_US);
		/* Sent again a second later, so what is answered is answered at once. */
		if (fds[i].fd < 0 || answered(fds[i].fd)) {
			first = first > 0 ? first : begun[i];
			last = begun[i];
		}
	}
	for (unsigned i = 0; i < KNOCKS; i++)
		if (fds[i].fd >= 0)
			close(fds[i].fd);
	figure_must(first > 0, "gap", "nobody got in");
	return last - first;
}

void gap_bench(const struct watcher *watcher, unsigned members)
{
	struct figure gap = { "gap-after-flush", members, "ms",
		members <= GAP_UP_TO ? GOAL_AT_MOST : GOAL_NONE, 50, 0 };
	double runs[RUNS];

	for (unsigned i = 0; i < RUNS; i++) {
		usleep(QUIET_US);
		runs[i] = run(watcher) * 1e3;
	}
	figure_print(&gap, figure_hundredth(runs, RUNS, 50));
	gap.name = "gap-after-flush-max";
	gap.kind = GOAL_NONE;
	figure_print(&gap, figure_hundredth(runs, RUNS, 100));
}
