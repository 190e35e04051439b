/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The size of the table of connections, and other numbers the kernel keeps in files.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conntrack.h"

#define FOLDER "/proc/sys/net/netfilter/"

/* An entry takes a third of a kilobyte: a full table of this size takes a fiftieth of the
 * memory. */
#define MEMORY_AN_ENTRY 16384
#define ENTRIES_MAX 4194304 /* of those that nobody asked for */
/* Buckets take their eight bytes at once, filled or not, and each flow that is looked for by its
 * address costs a walk through all of them: 10 ms for 262,144. */
#define ENTRIES_A_BUCKET 4
#define BUCKETS_MAX 4194304
#define SIZE_MAX_ALL INT32_MAX /* the kernel reads it as an int */

static bool read_number(const char *name, uint64_t *ret)
{
	char path[96];
	FILE *file;
	bool done;

	snprintf(path, sizeof(path), FOLDER "%s", name);
	file = fopen(path, "re");
	done = file && fscanf(file, "%" SCNu64, ret) == 1;
	if (file)
		fclose(file);
	return done;
}

/* 0 or -errno; -EROFS for one that nobody may write. */
static int write_number(const char *name, uint64_t number)
{
	char path[96];
	struct stat file;
	int fd, r = 0;

	snprintf(path, sizeof(path), FOLDER "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		return stat(path, &file) == 0 && !(file.st_mode & 0222) ? -EROFS : r;
	}
	if (dprintf(fd, "%" PRIu64 "\n", number) < 0)
		r = -errno;
	close(fd);
	return r;
}

bool conntrack_fill(uint64_t *ret_entries, uint64_t *ret_max)
{
	return read_number("nf_conntrack_count", ret_entries) &&
	       read_number("nf_conntrack_max", ret_max) && *ret_max > 0;
}

uint32_t conntrack_timeout(const char *name, uint32_t otherwise)
{
	uint64_t seconds;

	return read_number(name, &seconds) && seconds > 0 && seconds < UINT32_MAX ?
		       (uint32_t)seconds :
		       otherwise;
}

static uint64_t from_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	uint64_t entries =
		pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / MEMORY_AN_ENTRY : 0;

	return entries < ENTRIES_MAX ? entries : ENTRIES_MAX;
}

static int raise_to(uint64_t wanted)
{
	uint64_t present, buckets = wanted / ENTRIES_A_BUCKET;
	int r = 0;

	if (buckets > BUCKETS_MAX)
		buckets = BUCKETS_MAX;
	if (read_number("nf_conntrack_buckets", &present) && present < buckets)
		r = write_number("nf_conntrack_buckets", buckets);
	return r < 0 ? r : write_number("nf_conntrack_max", wanted);
}

static void say(int result, uint64_t present, uint64_t wanted, const struct log *log)
{
	if (result == 0)
		log_info(log,
			"the table of connections has room for %" PRIu64 " now, for %" PRIu64
			" before",
			wanted, present);
	else if (result == -EROFS)
		log_info(log,
			"the table of connections keeps room for %" PRIu64 ", not for %" PRIu64
			" (conntrack_max): a network namespace has the size of the machine's",
			present, wanted);
	else
		log_warning(log,
			"cannot raise the table of connections from %" PRIu64 " to %" PRIu64 ": %s",
			present, wanted, strerrordesc_np(-result));
}

void conntrack_size(uint32_t setting, bool *said, const struct log *log)
{
	uint64_t present, wanted = setting ? setting : from_memory();
	int r;

	if (wanted > SIZE_MAX_ALL)
		wanted = SIZE_MAX_ALL;
	if (!read_number("nf_conntrack_max", &present) || present >= wanted)
		return;
	r = raise_to(wanted);
	if (r == 0 || !*said)
		say(r, present, wanted, log);
	*said |= r < 0;
}
