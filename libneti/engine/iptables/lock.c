/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes the lock file of iptables with a deadline. iptables without -w waits for ever while
 * we hold it: hold it for milliseconds and run nothing under it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "lock.h"

/* Nanoseconds. Short, because a program that takes the lock all the time lets go for moments
 * only; a question costs a microsecond. */
#define POLL_FIRST 500000  /* who has it mostly has it for milliseconds */
#define POLL_LAST 3000000  /* some let go for two of them only */
#define POLL_LONG 50000000 /* after a second, or when it was not to be had the last time either */

#define TIMEOUT_SECONDS 5

static const char *usual_path(void)
{
	const char *path = secure_getenv("XTABLES_LOCKFILE");

	return path && *path ? path : "/run/xtables.lock";
}

/* A line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 231 00:19:1043 0 EOF"; 0 when no match. */
static int pid_of_line(const char *line, const struct stat *file)
{
	unsigned device_major, device_minor;
	uint64_t inode;
	int pid;

	if (sscanf(line, "%*u: FLOCK %*s %*s %d %x:%x:%" SCNu64, &pid, &device_major, &device_minor,
		    &inode) != 4)
		return 0;
	return inode == file->st_ino && device_major == major(file->st_dev) &&
			       device_minor == minor(file->st_dev) ?
		       pid :
		       0;
}

static int find_holder(int fd)
{
	FILE *locks = fopen("/proc/locks", "re");
	struct stat file;
	char line[256];
	int pid = 0;

	if (!locks)
		return 0;
	if (fstat(fd, &file) == 0)
		while (pid <= 0 && fgets(line, sizeof(line), locks))
			pid = pid_of_line(line, &file);
	fclose(locks);
	return pid;
}

/* The word after the verb: "iptables (process 231)". */
static void describe_holder(int fd, char *text, size_t size)
{
	int pid = find_holder(fd);
	char path[64], name[64] = "";
	FILE *file;

	snprintf(text, size, "another process");
	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file) {
		if (!fgets(name, sizeof(name), file))
			name[0] = '\0';
		fclose(file);
	}
	name[strcspn(name, "\n")] = '\0';
	snprintf(text, size, "%s (process %d)", *name ? name : "another program", pid);
}

static int wait_for(int fd, double deadline, bool was_busy)
{
	struct timespec pause = { .tv_nsec = POLL_FIRST };
	double begin = clock_seconds(CLOCK_MONOTONIC), now;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		now = clock_seconds(CLOCK_MONOTONIC);
		if (now >= deadline)
			return -EBUSY;
		nanosleep(&pause, NULL);
		if (was_busy || now - begin > 1)
			pause.tv_nsec = POLL_LONG;
		else if (pause.tv_nsec < POLL_LAST)
			pause.tv_nsec += pause.tv_nsec / 4;
	}
	return 0;
}

int xtables_lock(const char *path, bool *busy, struct error *error)
{
	char holder[128];
	int fd, r;

	if (!path)
		path = usual_path();
	fd = file_open(path, O_RDONLY | O_CREAT, 0600);
	if (fd < 0)
		return error_set(error, fd, NETI_REASON_SYSTEM,
			"cannot open the xtables lock %s: %s", path, file_why(fd));
	r = wait_for(fd, clock_seconds(CLOCK_MONOTONIC) + TIMEOUT_SECONDS, *busy);
	*busy = r == -EBUSY;
	if (r == 0)
		return fd;
	describe_holder(fd, holder, sizeof(holder));
	close(fd);
	if (r == -EBUSY)
		return error_set(error, r, NETI_REASON_BUSY, "the xtables lock %s is held by %s",
			path, holder);
	return error_set(error, r, NETI_REASON_SYSTEM, "cannot lock %s: %s", path, strerror(-r));
}

void xtables_unlock(int fd)
{
	close(fd);
}
