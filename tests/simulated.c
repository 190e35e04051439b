/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members that are nothing but leases and entries, many to a session, straight through a store.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
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

static const struct store_backend *backend_of(const char *uri)
{
	return strncmp(uri, store_sqlite.scheme, strlen(store_sqlite.scheme)) == 0 ?
		       &store_sqlite :
		       &store_zookeeper;
}

struct simulator *simulator_open(const char *uri, const struct fleet_settings *fleet,
	unsigned timeout_ms)
{
	struct simulator *simulator = calloc(1, sizeof(*simulator));
	const struct store_backend *backend = backend_of(uri);
	struct store_config config = { .session_timeout_ms = timeout_ms,
		.state = on_state,
		.changed = on_changed,
		.data = simulator };
	char address[200];
	struct error error;
	int64_t end = clock_now() + 20000;

	simulator->fleet = *fleet;
	snprintf(address, sizeof(address), "%s", uri + strlen(backend->scheme));
	if (backend->rooted) {
		snprintf(simulator->root, sizeof(simulator->root), "%s", strchr(address, '/'));
		*strchr(address, '/') = '\0';
	}
	config.address = address;
	if (backend->open(&simulator->store, &config, &error) < 0)
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

static struct member describe(const struct simulator *simulator, unsigned n, unsigned place,
	char id[32])
{
	static const struct prefix real = { { AF_INET, { 10, 128 } }, 9 };

	snprintf(id, 32, "sim-%u", n);
	return (struct member){
		.id = id,
		.network = "ec2",
		.overlay = simulated_overlay(simulator, n),
		.private_address = prefix_nth(&real, place),
	};
}

static void member_path(const struct simulator *simulator, const struct member *member,
	char path[PATHS_MAX])
{
	char name[ENTRY_NAME_MAX], shard[9];
	struct error error;

	if (entry_format(member, name, &error) < 0)
		die(error.text);
	entry_shard_name(address_modulo(&member->overlay, simulator->fleet.shards), shard);
	snprintf(path, PATHS_MAX, "%s/ip-map/%s/%s", simulator->root, shard, name);
}

static void entry_path(const struct simulator *simulator, unsigned n, unsigned place,
	char path[PATHS_MAX])
{
	char id[32];
	struct member member = describe(simulator, n, place, id);

	member_path(simulator, &member, path);
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

void simulated_register(struct simulator *simulator, unsigned n)
{
	static const struct prefix open = { { AF_INET, { 11 } }, 8 };
	static const char data[] = "{\"version\":\"0.1.0\",\"since\":1763901441,\"revision\":1}";
	char id[32], overlay[ADDRESS_TEXT_MAX], paths[3][PATHS_MAX];
	struct member member = describe(simulator, n, n, id);
	struct store_operation all[3] = {
		{ STORE_CREATE, paths[0], overlay, 0, 0 },
		{ STORE_CREATE, paths[1], id, strlen(id), 0 },
		{ STORE_CREATE_EPHEMERAL, paths[2], data, strlen(data), 0 },
	};

	member.public_address = prefix_nth(&open, n);
	address_format(&member.overlay, overlay);
	all[0].size = strlen(overlay);
	snprintf(paths[0], PATHS_MAX, "%s/id-to-ip/%s", simulator->root, id);
	snprintf(paths[1], PATHS_MAX, "%s/ip-to-id/%s", simulator->root, overlay);
	member_path(simulator, &member, paths[2]);
	launch(simulator, all, 3);
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
