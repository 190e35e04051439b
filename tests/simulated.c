/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members that are nothing but leases and entries, many to a session, straight through a store.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "registry/entry.h"
#include "simulated.h"

#define WINDOW 200 /* operations under way */
#define PATHS_MAX (ENTRY_NAME_MAX + 230)

struct simulator {
	struct store *store;
	char root[200];
	struct fleet_settings fleet;
	bool connected;
	unsigned flying;
	int result;
};

static void die(const char *what)
{
	fprintf(stderr, "simulated members: %s\n", what);
	exit(EXIT_FAILURE);
}

static void on_state(void *data, enum store_state state, const char *detail)
{
	(void)detail;
	((struct simulator *)data)->connected = state == STORE_CONNECTED;
}

static void on_changed(void *data, const char *path)
{
	(void)data;
	(void)path;
}

static void pump(struct simulator *simulator)
{
	struct store *store = simulator->store;
	struct pollfd fd = { .fd = store->backend->descriptor(store), .events = POLLIN };

	poll(&fd, 1, 1000);
	store->backend->process(store);
}

struct simulator *simulator_open(const char *uri, const struct fleet_settings *fleet,
	unsigned timeout_ms)
{
	struct simulator *simulator = calloc(1, sizeof(*simulator));
	struct store_config config = { .session_timeout_ms = timeout_ms, .state = on_state,
		.changed = on_changed, .data = simulator };
	char address[200];
	struct error error;
	int64_t end = clock_now() + 20000;

	simulator->fleet = *fleet;
	snprintf(address, sizeof(address), "%s", uri + strlen(store_zookeeper.scheme));
	snprintf(simulator->root, sizeof(simulator->root), "%s", strchr(address, '/'));
	*strchr(address, '/') = '\0';
	config.address = address;
	if (store_zookeeper.open(&simulator->store, &config, &error) < 0)
		die(error.text);
	while (!simulator->connected && clock_now() < end)
		pump(simulator);
	if (!simulator->connected)
		die("no connection");
	return simulator;
}

void simulator_close(struct simulator *simulator)
{
	simulator->store->backend->close(simulator->store);
	free(simulator);
}

static void done(void *data, const struct store_answer *answer)
{
	struct simulator *simulator = data;

	simulator->flying--;
	if (answer->result < 0 && simulator->result == 0)
		simulator->result = answer->result;
}

int simulator_wait(struct simulator *simulator, unsigned at_most)
{
	int result;

	while (simulator->flying > at_most)
		pump(simulator);
	result = simulator->result;
	if (at_most == 0)
		simulator->result = 0;
	return result;
}

struct address simulated_overlay(const struct simulator *simulator, unsigned n)
{
	return prefix_nth(&simulator->fleet.overlay_subnet, n + 1);
}

static void entry_path(const struct simulator *simulator, unsigned n, unsigned place,
	char path[PATHS_MAX])
{
	static const struct prefix real = { { AF_INET, { 10, 128 } }, 9 };
	char id[32], name[ENTRY_NAME_MAX], shard[9];
	struct error error;
	struct member member = {
		.id = id,
		.network = "ec2",
		.overlay = simulated_overlay(simulator, n),
		.private_address = prefix_nth(&real, place),
	};

	snprintf(id, sizeof(id), "sim-%u", n);
	if (entry_format(&member, name, &error) < 0)
		die(error.text);
	entry_shard_name(entry_shard(&member.overlay, simulator->fleet.shards), shard);
	snprintf(path, PATHS_MAX, "%s/ip-map/%s/%s", simulator->root, shard, name);
}

static void launch(struct simulator *simulator, const struct store_operation *operations, size_t n)
{
	struct store *store = simulator->store;

	simulator_wait(simulator, WINDOW);
	if (store->backend->multi(store, operations, n, done, simulator) < 0)
		die("no session");
	simulator->flying++;
}

void simulated_join(struct simulator *simulator, unsigned n, unsigned place)
{
	char path[PATHS_MAX];
	struct store_operation create = { .kind = STORE_CREATE_EPHEMERAL, .path = path };

	entry_path(simulator, n, place, path);
	launch(simulator, &create, 1);
}

void simulated_leave(struct simulator *simulator, unsigned n, unsigned place)
{
	char path[PATHS_MAX];
	struct store_operation delete = { .kind = STORE_DELETE, .path = path, .version = -1 };

	entry_path(simulator, n, place, path);
	launch(simulator, &delete, 1);
}

void simulated_move(struct simulator *simulator, unsigned n, unsigned from, unsigned to)
{
	char paths[2][PATHS_MAX];
	struct store_operation both[2] = {
		{ .kind = STORE_DELETE, .path = paths[0], .version = -1 },
		{ .kind = STORE_CREATE_EPHEMERAL, .path = paths[1] },
	};

	entry_path(simulator, n, from, paths[0]);
	entry_path(simulator, n, to, paths[1]);
	launch(simulator, both, 2);
}
