/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keys of neti.yml: the one place that knows which there are, their types, defaults
 * and meaning. The manual is checked against it. How a value is read stands in value.c.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "table.h"

_Static_assert(sizeof(struct prefix) <= SETTINGS_SIZE_MAX, "the largest single value");

static const struct settings_type registry_address = { "registry address", SETTINGS_SCALAR,
	sizeof(char *), 1, NULL, settings_read_text };
static const struct settings_type path = { "absolute path", SETTINGS_SCALAR, sizeof(char *), 1,
	NULL, settings_read_path };
static const struct settings_type node = { "ZooKeeper path", SETTINGS_SCALAR, sizeof(char *), 1,
	NULL, settings_read_node };
static const struct settings_type id = { "id", SETTINGS_SCALAR, sizeof(char *), 1, NULL,
	settings_read_id };
static const struct settings_type network = { "network name", SETTINGS_SCALAR, sizeof(char *), 1,
	NULL, settings_read_network };
static const struct settings_type word = { "word", SETTINGS_SCALAR, sizeof(char *), 1, NULL,
	settings_read_engine };
static const struct settings_type command = { "command", SETTINGS_SCALAR, sizeof(char *), 1, NULL,
	settings_read_command };
static const struct settings_type identity = { "word", SETTINGS_SCALAR, sizeof(enum identity), 0,
	NULL, settings_read_identity };
static const struct settings_type boolean = { "boolean", SETTINGS_SCALAR, sizeof(bool), 0, NULL,
	settings_read_boolean };
static const struct settings_type number = { "number", SETTINGS_SCALAR, sizeof(uint32_t), 0, NULL,
	settings_read_number };
static const struct settings_type timeout = { "duration", SETTINGS_SCALAR, sizeof(unsigned), 0,
	NULL, settings_read_timeout };
static const struct settings_type address = { "IPv4 address", SETTINGS_SCALAR,
	sizeof(struct address), 0, NULL, settings_read_address };
static const struct settings_type overlay = { "IPv4 prefix", SETTINGS_SCALAR, sizeof(struct prefix),
	0, NULL, settings_read_overlay };
static const struct settings_type prefixes = { "list of prefixes", SETTINGS_LIST,
	sizeof(struct prefix), 0, NULL, settings_read_prefix };
static const struct settings_type ports = { "list of ports", SETTINGS_LIST,
	sizeof(struct port_range), 0, NULL, settings_read_ports };
static const struct settings_type port = { "port", SETTINGS_SCALAR, sizeof(uint16_t), 0, NULL,
	settings_read_port };
static const struct settings_type servers = { "list of servers", SETTINGS_LIST, sizeof(char *), 1,
	NULL, settings_read_host };
static const struct settings_type overrides = { "map of addresses", SETTINGS_PAIRS,
	sizeof(struct override), 0, settings_read_override_from, settings_read_override_to };
static const struct settings_type hosts = { "map of lists", SETTINGS_LISTS, sizeof(struct zk_hosts),
	2, settings_read_zk_network, settings_read_zk_host };

#define VALUE(field) offsetof(struct settings, field), 0
#define ITEMS(field) offsetof(struct settings, field), offsetof(struct settings, n_##field)
#define POLICY_ITEMS(field)                                                                        \
	offsetof(struct settings, policy.field), offsetof(struct settings, policy.n_##field)

const struct settings_entry settings_table[] = {
	{ "registry", &registry_address, VALUE(registry), NULL,
		"where leases and live members are kept" },
	{ "zk_hosts", &hosts, ITEMS(zk_hosts), NULL,
		"the ZooKeeper servers as each network reaches them" },
	{ "zk_prefix", &node, VALUE(zk_prefix), "/neti",
		"the node below which the fleet lives, with zk_hosts" },
	{ "id", &id, VALUE(id), NULL, "the name under which this host holds its lease" },
	{ "network", &network, VALUE(network), NULL, "the network this host is in" },
	{ "private_ip", &address, VALUE(private_ip), NULL,
		"where members of the same network reach this host" },
	{ "public_ip", &address, VALUE(public_ip), NULL,
		"where members of other networks reach this host" },
	{ "identity", &identity, VALUE(identity), "host",
		"where id, network and addresses come from when they are not set" },
	{ "overlay_subnet", &overlay, VALUE(overlay_subnet), "192.168.0.0/18",
		"the addresses the fleet is given" },
	{ "overlay_exclude", &prefixes, ITEMS(overlay_exclude), NULL,
		"overlay addresses that are never given" },
	{ "open_ports", &ports, POLICY_ITEMS(open_ports), NULL, "ports open to everybody" },
	{ "reject_all", &boolean, VALUE(policy.reject_all), "false", "drop what no rule lets in" },
	{ "ssh_whitelist", &prefixes, POLICY_ITEMS(ssh_whitelist), NULL,
		"who may reach TCP port 22 without being a member" },
	{ "trusted", &prefixes, POLICY_ITEMS(trusted), NULL,
		"who may reach every port without being a member" },
	{ "nat_overrides", &overrides, POLICY_ITEMS(nat_overrides), NULL,
		"destinations that are sent elsewhere, before the members' paths" },
	{ "forwarded", &boolean, VALUE(policy.forwarded), "false",
		"map overlay addresses also in forwarded traffic" },
	{ "icmp", &boolean, VALUE(policy.icmp), "true", "answer the echo requests of strangers" },
	{ "engine", &word, VALUE(engine), "auto",
		"what keeps the kernel's rules: auto takes the best that the kernel has" },
	{ "xtables_lock", &path, VALUE(xtables_lock), NULL,
		"the lock file that the iptables of this host take" },
	{ "conntrack_max", &number, VALUE(conntrack_max), "0",
		"least size of the connection table; 0: from the machine's memory" },
	{ "session_timeout", &timeout, VALUE(session_timeout_ms), "10s",
		"how long a host may be silent before it counts as gone" },
	{ "state_dir", &path, VALUE(state_dir), "/var/lib/neti",
		"where the agent keeps its lock, state and status" },
	{ "credentials_file", &path, VALUE(credentials_file), NULL,
		"the file with the registry's user and password" },
	{ "on_register", &command, VALUE(on_register), NULL,
		"a command that is run when the lease is there" },
	{ "metrics_file", &path, VALUE(metrics_file), NULL,
		"a file for Prometheus, with the figures of the agent" },
	{ "listen", &port, VALUE(listen), NULL,
		"the port on which this host is a proxy for ZooKeeper" },
	{ "to", &servers, ITEMS(to), NULL, "the ZooKeeper servers that the proxy leads to" },
	{ "from", &prefixes, ITEMS(from), NULL, "who may use the proxy" },
};
const size_t settings_table_length = sizeof(settings_table) / sizeof(*settings_table);

static const struct settings_obsolete obsolete[] = {
	{ "aws_key", "identity: ec2 asks the metadata service, which wants no key" },
	{ "aws_secret_key", "no key is wanted; the secret can be deleted here" },
	{ "log_file", "messages go to standard error, and from there to the journal" },
	{ "table_files_path", "rules go to the kernel without table files" },
	{ "zk_iptoid_node", "the layout below zk_prefix is fixed" },
	{ "zk_idtoip_node", "the layout below zk_prefix is fixed" },
	{ "zk_ip_map_node", "the layout below zk_prefix is fixed" },
	{ "zk_update_interval_path", "changes are applied at once, without an interval" },
	{ "zk_max_change_threshold_path",
		"the fleet's max_removals and max_removals_percent take its place" },
};

#define N_OBSOLETE (sizeof(obsolete) / sizeof(*obsolete))

const struct settings_entry *settings_find(const char *key)
{
	for (size_t i = 0; i < settings_table_length; i++)
		if (strcmp(settings_table[i].key, key) == 0)
			return &settings_table[i];
	return NULL;
}

const struct settings_obsolete *settings_find_obsolete(const char *key)
{
	for (size_t i = 0; i < N_OBSOLETE; i++)
		if (strcmp(obsolete[i].key, key) == 0)
			return &obsolete[i];
	return NULL;
}

#define NEAR_MAX 32 /* longer words are near to no key */

/* The number of letters to insert, delete or change (Wagner and Fischer), one row at a
 * time. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[NEAR_MAX + 1], length = strlen(b);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t change = diagonal + (a[i] != b[j]);
			size_t gap = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;

			diagonal = row[j + 1];
			row[j + 1] = change < gap ? change : gap;
		}
	}
	return row[length];
}

static const char *nearest_to(const char *key)
{
	const char *nearest = NULL;
	/* A third of the letters may be wrong: beyond that a guess misleads. */
	size_t length = strlen(key), least = length < 3 ? 2 : length / 3 + 1;

	if (length > NEAR_MAX)
		return NULL;
	for (size_t i = 0; i < settings_table_length; i++) {
		size_t distance = edit_distance(settings_table[i].key, key);

		if (distance < least) {
			least = distance;
			nearest = settings_table[i].key;
		}
	}
	return nearest;
}

int settings_fail_unknown(const struct settings_at *at, const char *key)
{
	const char *nearest = nearest_to(key);
	char quoted[SETTINGS_QUOTE_MAX];

	settings_quote(key, quoted);
	if (!nearest)
		return settings_fail(at, -EINVAL, "unknown key %s", quoted);
	return settings_fail(at, -EINVAL, "unknown key %s: did you mean \"%s\"?", quoted, nearest);
}

const char *settings_key(size_t n)
{
	return n < settings_table_length ? settings_table[n].key : NULL;
}

const char *settings_type(size_t n)
{
	return n < settings_table_length ? settings_table[n].type->name : NULL;
}

const char *settings_default(size_t n)
{
	return n < settings_table_length ? settings_table[n].standard : NULL;
}

const char *settings_help(size_t n)
{
	return n < settings_table_length ? settings_table[n].help : NULL;
}

const char *settings_obsolete_key(size_t n)
{
	return n < N_OBSOLETE ? obsolete[n].key : NULL;
}
