/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many processes that register at once. Their parent has no thread yet: they are mere forks.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocation.h"
#include "base/clock.h"
#include "figures.h"
#include "registry/registry.h"

#define PROCESSES 50
#define TIMEOUT_MS 60000

#define ADDRESSES (1u << 16)

/* What the processes share. */
struct table {
	atomic_uint holders[ADDRESSES]; /* by the last two bytes of an address */
	atomic_uint taken, duplicates;
};

struct work {
	const char *uri, *subnet;
	unsigned first, each;
	bool give_back;
	struct table *table;
};

static struct registry *open_one(const struct work *work)
{
	struct fleet_settings settings;
	struct registry_config config = {
		.uri = work->uri, .session_timeout_ms = 20000, .initial = &settings
	};
	struct registry *registry;
	struct prefix subnet;
	struct error error;

	figure_must(prefix_parse(work->subnet, &subnet) == 0, "subnet", work->subnet);
	fleet_settings_default(&settings, &subnet);
	figure_must(registry_open(&registry, &config, NULL, &error) == 0 &&
			    registry_fleet(registry, &settings, TIMEOUT_MS, &error) >= 0,
		"registry", error.text);
	return registry;
}

static void take_and_note(const struct work *work, struct registry *registry, const char *id)
{
	struct address address;
	struct error error;
	unsigned at;

	figure_must(registry_lease_take(registry, id, &address, TIMEOUT_MS, &error) == 1, "lease",
		error.text);
	at = (unsigned)address.bytes[2] << 8 | address.bytes[3];
	work->table->taken++;
	if (atomic_exchange(&work->table->holders[at], 1))
		work->table->duplicates++;
	if (!work->give_back)
		return;
	work->table->holders[at] = 0;
	figure_must(registry_lease_release(registry, id, TIMEOUT_MS, &error) == 0, "release",
		error.text);
}

/* Ready, then go. */
static void take_leases(const struct work *work, unsigned process, int ready, int go)
{
	struct registry *registry = open_one(work);
	char id[32], byte = 0;

	figure_must(write(ready, &byte, 1) == 1 && read(go, &byte, 1) == 0, "gate", "broken");
	for (unsigned i = process * work->each; i < (process + 1) * work->each; i++) {
		snprintf(id, sizeof(id), "host-%u", work->first + i);
		take_and_note(work, registry, id);
	}
	byte = 1;
	figure_must(write(ready, &byte, 1) == 1, "gate", "broken");
	registry_close(registry);
	_exit(0);
}

static void wait_for_all(int ready)
{
	char byte;

	for (unsigned i = 0; i < PROCESSES; i++)
		figure_must(read(ready, &byte, 1) == 1, "a process", "ended");
}

/* Seconds from the open gate to the last lease. */
static double run(const struct work *work)
{
	int ready[2], go[2];
	double begin;

	figure_must(pipe(ready) == 0 && pipe(go) == 0, "pipe", "failed");
	for (unsigned i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			close(go[1]);
			take_leases(work, i, ready[1], go[0]);
		}
	close(ready[1]);
	wait_for_all(ready[0]);
	begin = clock_seconds(CLOCK_MONOTONIC);
	close(go[1]);
	wait_for_all(ready[0]);
	begin = clock_seconds(CLOCK_MONOTONIC) - begin;
	close(go[0]);
	close(ready[0]);
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status = 1;

		figure_must(wait(&status) > 0 && status == 0, "a process", "failed");
	}
	return begin;
}

void allocation_bench(const char *name, const char *uri, const char *subnet, unsigned first,
	unsigned each, bool give_back, struct table *table)
{
	struct work work = { uri, subnet, first, each, give_back, table };
	struct figure rate = { name, 0, "leases/s", GOAL_AT_LEAST, 1000, 0 };
	struct figure same = { "", 0, "duplicates", GOAL_AT_MOST, 0, 0 };
	unsigned before = table->taken;
	char text[64];
	double seconds = run(&work);

	rate.members = same.members = table->taken - before;
	figure_print(&rate, (double)rate.members / seconds);
	snprintf(text, sizeof(text), "%s-same", name);
	same.name = text;
	figure_print(&same, table->duplicates);
}

struct table *allocation_table(void)
{
	return mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
}
