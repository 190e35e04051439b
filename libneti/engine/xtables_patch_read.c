/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a table's bytes and finds the chains in them. What does not stand as libiptc writes it
 * is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xtables_patch.h"

#define HEAD_LENGTH (sizeof(struct ipt_entry) + XT_ALIGN(sizeof(struct xt_error_target)))

static bool is_head(const struct ipt_entry *entry)
{
	return entry->next_offset == HEAD_LENGTH && entry->target_offset == sizeof(*entry) &&
	       strcmp(target_of(entry)->u.user.name, XT_ERROR_TARGET) == 0;
}

/* One stretch of address space: counters, counters, table, each with room to double. It is kept
 * from change to change: fresh memory costs a tenth of the whole. */
static int reserve(struct patch *patch)
{
	struct xtables_memory *memory = patch->memory;
	size_t counters = (patch->info.num_entries + 1) * sizeof(struct xt_counters);
	size_t added = sizeof(struct xt_counters_info) + 2 * counters;
	size_t size = counters + added + sizeof(struct ipt_replace) + 2 * (size_t)patch->info.size;

	if (memory->size < size) {
		xtables_memory_clear(memory);
		memory->start = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (memory->start == MAP_FAILED) {
			memory->start = NULL;
			return -ENOMEM;
		}
		memory->size = size;
	}
	patch->counters = (void *)memory->start;
	patch->added = (void *)(memory->start + counters);
	patch->table = (void *)(memory->start + counters + added);
	return 0;
}

void xtables_memory_clear(struct xtables_memory *memory)
{
	if (memory->start)
		munmap(memory->start, memory->size);
	*memory = (struct xtables_memory){ 0 };
}

/* The entries are read to where they are written from: the one header is as good as the other,
 * and the smaller one comes first. */
static int read_table(struct patch *patch, const char *name)
{
	struct ipt_get_entries *got;
	socklen_t size = sizeof(patch->info);
	int r;

	strncpy(patch->info.name, name, sizeof(patch->info.name) - 1);
	if (getsockopt(patch->fd, SOL_IP, IPT_SO_GET_INFO, &patch->info, &size) < 0)
		return -errno;
	r = reserve(patch);
	if (r < 0)
		return r;
	got = (void *)(bytes_of(patch) - sizeof(*got));
	strncpy(got->name, name, sizeof(got->name) - 1);
	got->size = patch->info.size;
	size = (socklen_t)(sizeof(*got) + got->size);
	/* EAGAIN: its size has changed */
	return getsockopt(patch->fd, SOL_IP, IPT_SO_GET_ENTRIES, got, &size) < 0 ? -errno : 0;
}

static int add_place(struct patch *patch, size_t head, size_t number)
{
	struct xt_error_target *mark = (void *)target_of(entry_at(patch, head));
	struct place *place = patch->places;
	size_t size = patch->size ? 2 * patch->size : 256;

	if (patch->n == patch->size) {
		place = realloc(patch->places, size * sizeof(*place));
		if (!place)
			return -ENOMEM;
		patch->places = place;
		patch->size = size;
	}
	place += patch->n++;
	*place = (struct place){ .name = mark->errorname, .start = head + HEAD_LENGTH,
		.number = number + 1 };
	return 0;
}

static void find_builtins(struct patch *patch)
{
	static const char *const names[NF_INET_NUMHOOKS] = {
		"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"
	};

	for (size_t i = 0; i < NF_INET_NUMHOOKS; i++)
		if (patch->info.valid_hooks & (1u << i))
			patch->builtins[i] = (struct place){ .name = names[i], .builtin = true,
				.start = patch->info.hook_entry[i],
				.end = patch->info.underflow[i] };
}

/* As libiptc writes them: the built-in ones first, the others by their names. */
static bool in_order(const struct patch *patch)
{
	for (size_t i = 0; i < NF_INET_NUMHOOKS; i++)
		if (patch->n && patch->builtins[i].end > patch->places[0].start)
			return false;
	for (size_t i = 1; i < patch->n; i++)
		if (strcmp(patch->places[i - 1].name, patch->places[i].name) >= 0)
			return false;
	return true;
}

/* A chain's last entry is its policy. The table's last is a head without a chain. */
static int find_places(struct patch *patch)
{
	size_t number = 0, length, last = 0;
	int r = 0;

	find_builtins(patch);
	for (size_t at = 0; r == 0 && at < patch->info.size; last = at, at += length, number++) {
		length = length_of(entry_at(patch, at));
		if (length < sizeof(struct ipt_entry) || length > patch->info.size - at)
			return -EOPNOTSUPP;
		if (!is_head(entry_at(patch, at)))
			continue;
		if (patch->n)
			patch->places[patch->n - 1].end = last;
		r = add_place(patch, at, number);
	}
	if (r < 0 || patch->n == 0 || number != patch->info.num_entries)
		return r < 0 ? r : -EOPNOTSUPP;
	patch->n--;
	return in_order(patch) ? 0 : -EOPNOTSUPP;
}

void patch_free(void *handle)
{
	struct patch *patch = handle;

	for (size_t i = 0; i < patch->n; i++) {
		for (size_t slot = 0; slot < patch->places[i].n; slot++)
			free(patch->places[i].slots[slot].entry);
		free(patch->places[i].slots);
	}
	free(patch->places);
	if (patch->memory->start)
		madvise(patch->memory->start, patch->memory->size, MADV_FREE);
	if (patch->fd >= 0)
		close(patch->fd);
	free(patch);
}

void *patch_read(const char *table, struct xtables_memory *memory)
{
	struct patch *patch = calloc(1, sizeof(*patch));
	int r;

	if (!patch)
		return NULL;
	patch->memory = memory;
	patch->fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	r = patch->fd < 0 ? -errno : 0;
	if (r == 0)
		do {
			r = read_table(patch, table);
		} while (r == -EAGAIN);
	if (r == 0)
		r = find_places(patch);
	if (r == 0)
		return patch;
	patch_free(patch);
	errno = -r;
	return NULL;
}
