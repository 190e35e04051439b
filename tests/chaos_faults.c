/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The countdown, and allocations that can fail.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos_faults.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static atomic_long left = -1; /* -1: not armed, or it has struck */
static _Atomic enum fault armed;
static char struck[160];
static atomic_long live;
static _Thread_local bool spared;
static atomic_int paused;

/* What does not get over a failure of its own, and is no business of ours. */
static const struct {
	const char *call, *file; /* NULL: whatever it calls */
} excepted[] = {
	{ NULL, "/ld-linux" },
	{ NULL, "/libasan" },
	{ NULL, "/libtsan" },
	{ NULL, "/libubsan" },
	{ "malloc", "/libjansson" }, /* 2.14's parser overruns a token that it could not grow */
	{ "fcntl64", "/libip4tc" },  /* abort()s when FD_CLOEXEC cannot be set */
	{ "fcntl64", "/libip6tc" },
};

static bool is_excepted(const char *call, const char *file)
{
	for (size_t i = 0; i < sizeof(excepted) / sizeof(*excepted); i++)
		if (strstr(file, excepted[i].file) &&
			(!excepted[i].call || strcmp(excepted[i].call, call) == 0))
			return true;
	return false;
}

bool faults_possible(enum fault fault)
{
#ifdef SANITIZED
	return fault != FAULT_MEMORY;
#else
	(void)fault;
	return true;
#endif
}

void faults_arm(enum fault fault, long n)
{
	struck[0] = '\0';
	armed = fault;
	left = n;
}

const char *faults_disarm(void)
{
	left = -1;
	return struck[0] ? struck : NULL;
}

void faults_pause(bool pause)
{
	paused += pause ? 1 : -1;
}

void faults_spare(bool spare)
{
	spared = spare;
}

bool faults_strike(enum fault fault, const char *call, const void *caller)
{
	struct dl_find_object object;
	const char *file;
	Dl_info info;

	if (left < 0 || armed != fault || spared || paused)
		return false;
	/* dladdr() goes through all symbols, and this is asked at every allocation. */
	file = _dl_find_object((void *)caller, &object) == 0 ? object.dlfo_link_map->l_name : "?";
	if (is_excepted(call, file) || atomic_fetch_sub(&left, 1) != 0)
		return false;
	file = dladdr(caller, &info) && info.dli_fname ? info.dli_fname : "?";
	file = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	snprintf(struck, sizeof(struck), "%s, called by %s%s%s", call, file,
		info.dli_sname ? " near " : "", info.dli_sname ? info.dli_sname : "");
	if (getenv("NETI_CHAOS_TELL"))
		fprintf(stderr, "%s\n", struck);
	return true;
}

static int count(const char *folder)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;
	int n = 0;

	while (directory && (entry = readdir(directory)))
		n += entry->d_name[0] != '.';
	if (directory)
		closedir(directory);
	return n;
}

struct fault_holdings faults_holdings(void)
{
	return (struct fault_holdings){
		.allocations = live,
		.descriptors = count("/proc/self/fd"),
		.threads = count("/proc/self/task"),
	};
}

#ifndef SANITIZED
#pragma GCC visibility push(default) /* for the libraries, too */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

static void *counted(void *memory)
{
	live += memory != NULL;
	return memory;
}

static bool no_memory(const void *caller)
{
	if (!faults_strike(FAULT_MEMORY, "malloc", caller))
		return false;
	errno = ENOMEM;
	return true;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t size)
{
	return no_memory(CALLER) ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return no_memory(CALLER) ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *old, size_t size)
{
	void *memory = no_memory(CALLER) ? NULL : __libc_realloc(old, size);

	live += memory && !old;
	return memory;
}

void *memalign(size_t alignment, size_t size)
{
	return no_memory(CALLER) ? NULL : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return no_memory(CALLER) ? NULL : counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *memory = no_memory(CALLER) ? NULL : counted(__libc_memalign(alignment, size));

	if (!memory)
		return ENOMEM;
	*ret = memory;
	return 0;
}

void free(void *memory)
{
	live -= memory != NULL;
	__libc_free(memory);
}
#pragma GCC visibility pop
#endif
