/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sessions of this host, so that an agent that was killed knows what it left in the registry.
 * They count in this folder of this machine, in this boot: a copy of the folder is another host.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sealed_file.h"
#include "sessions.h"

#define NAME "sessions"
#define WORD 64
#define WORD_FILE_MAX 4096

struct place {
	char machine[WORD + 1], boot[WORD + 1]; /* "-": none */
	uintmax_t device, inode;
};

/* Not by file_read(), which takes the rights of others away: these are the machine's. */
static void read_word(const char *path, char word[WORD + 1])
{
	int fd = file_open(path, O_RDONLY, 0);
	char *text = NULL;
	size_t length;

	strcpy(word, "-");
	if (fd < 0)
		return;
	if (file_read_up_to(fd, WORD_FILE_MAX, &text, &length) == 0)
		sscanf(text, "%64s", word);
	close(fd);
	free(text);
}

static struct place find_place(const char *state_dir)
{
	struct place place = { 0 };
	struct stat folder;

	read_word("/etc/machine-id", place.machine);
	read_word("/proc/sys/kernel/random/boot_id", place.boot);
	if (stat(state_dir, &folder) == 0) {
		place.device = folder.st_dev;
		place.inode = folder.st_ino;
	}
	return place;
}

int sessions_save(const char *state_dir, const uint64_t *sessions, size_t n, struct error *error)
{
	struct place place = find_place(state_dir);
	struct buffer body = { 0 };
	int result;

	buffer_print(&body, "%s %s %ju:%ju\n", place.machine, place.boot, place.device,
		place.inode);
	for (size_t i = 0; i < n; i++)
		buffer_print(&body, "%" PRIx64 "\n", sessions[i]);
	result = buffer_result(&body) < 0 ? error_memory(error) :
					    sealed_file_write(state_dir, NAME, &body, NULL, error);
	buffer_clear(&body);
	return result;
}

/* An earlier boot is no mistake, and nothing of it lives. */
static int check_place(const char *state_dir, const char *line, struct error *error)
{
	struct place here = find_place(state_dir), there = { 0 };

	if (sscanf(line, "%64s %64s %ju:%ju", there.machine, there.boot, &there.device,
		    &there.inode) != 4)
		return sealed_file_ignored(state_dir, NAME, "its first line cannot be read", error);
	if (strcmp(here.machine, there.machine) != 0)
		return sealed_file_ignored(state_dir, NAME, "it is of another machine", error);
	if (strcmp(here.boot, there.boot) != 0)
		return error_set(error, -ENOENT, NETI_REASON_SYSTEM,
			"%s/" NAME " is of another boot", state_dir);
	if (here.device != there.device || here.inode != there.inode)
		return sealed_file_ignored(state_dir, NAME, "it was copied from another folder",
			error);
	return 0;
}

static int read_body(const char *state_dir, char *body, uint64_t ret[REGISTRY_SESSIONS],
	size_t *ret_n, struct error *error)
{
	char *next, *line = strtok_r(body, "\n", &next), *end;
	uint64_t sessions[REGISTRY_SESSIONS] = { 0 };
	size_t n = 0;
	int result = check_place(state_dir, line ? line : "", error);

	if (result < 0)
		return result;
	while ((line = strtok_r(NULL, "\n", &next)) && n < REGISTRY_SESSIONS) {
		sessions[n] = strtoull(line, &end, 16);
		if (*end || !sessions[n])
			return sealed_file_ignored(state_dir, NAME, "a session cannot be read",
				error);
		n++;
	}
	memcpy(ret, sessions, n * sizeof(*ret));
	*ret_n = n;
	return 0;
}

int sessions_load(const char *state_dir, uint64_t ret[REGISTRY_SESSIONS], size_t *ret_n,
	struct error *error)
{
	char *text = NULL, *body = NULL;
	size_t length;
	int result = sealed_file_read(state_dir, NAME, &text, &body, &length, error);

	if (result == 0)
		result = read_body(state_dir, body, ret, ret_n, error);
	free(text);
	return result;
}
