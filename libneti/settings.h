/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SETTINGS_H
#define NETI_SETTINGS_H
/*
 * The settings of one host, from neti.yml and from calls. Pure: reads a file, asks no kernel.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "error.h"
#include "log.h"
#include "policy.h"

enum identity { IDENTITY_HOST, IDENTITY_EC2 };

struct zk_hosts {
	char *network;
	char *hosts; /* "h1:2181,h2:2181" */
};

struct settings {
	char *registry; /* NULL: from zk_hosts and zk_prefix */
	struct zk_hosts *zk_hosts;
	size_t n_zk_hosts;
	char *zk_prefix;
	char *id;      /* NULL: found by identity */
	char *network; /* NULL: not set */
	struct address private_ip, public_ip;
	enum identity identity;
	struct prefix overlay_subnet;
	bool overlay_subnet_given;
	struct prefix *overlay_exclude;
	size_t n_overlay_exclude;
	struct policy policy;
	uint32_t conntrack_max; /* 0: from the machine's memory */
	unsigned session_timeout_ms;
	char *state_dir;
	char *credentials_file;
	char *on_register;
};

/* With every default in place. */
int settings_new(struct settings **ret);
struct settings *settings_free(struct settings *settings);
int settings_copy(struct settings **ret, const struct settings *settings);
/* Reads a YAML file over what is there; on failure settings is as before. */
int settings_load(struct settings *settings, const char *path, const struct log *log, struct error *error);
/* One key, its value as it would stand in the file ("[80, 53/udp]"). */
int settings_set(struct settings *settings, const char *key, const char *value, struct error *error);
/* The registry's address: registry itself, or the zk_hosts of the own network. The caller frees. */
int settings_registry(const struct settings *settings, char **ret, struct error *error);
/* The table's keys in order, NULL after the last: for manuals and tests. */
const char *settings_key(size_t n);

#endif
