/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SETTINGS_H
#define NETI_SETTINGS_H
/*
 * The settings of one host, from neti.yml and from calls. Pure: reads a file, asks no
 * kernel.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/log.h"
#include "policy.h"

/* Where id and private_ip come from when they are not set. */
enum identity { IDENTITY_HOST, IDENTITY_EC2 };

/* What identity filled in, and not the file. */
enum settings_found {
	SETTINGS_FOUND_ID = 1,
	SETTINGS_FOUND_NETWORK = 2,
	SETTINGS_FOUND_PRIVATE = 4,
	SETTINGS_FOUND_PUBLIC = 8 /* that there is none may be found too */
};

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
	unsigned found; /* enum settings_found */
	struct prefix overlay_subnet;
	bool overlay_subnet_given;
	struct prefix *overlay_exclude;
	size_t n_overlay_exclude;
	struct policy policy;
	char *engine;		/* its name, or "auto" */
	char *xtables_lock;	/* NULL: as iptables has it */
	uint32_t conntrack_max; /* 0: from the machine's memory */
	unsigned session_timeout_ms;
	char *state_dir;
	char *credentials_file;
	char *on_register;
	char *metrics_file;
	uint16_t listen; /* 0: not set */
	char **to;	 /* "10.8.0.5:2181" */
	size_t n_to;
	struct prefix *from;
	size_t n_from;
};

/* With every default in place. */
int settings_new(struct settings **ret);
struct settings *settings_free(struct settings *settings);
int settings_copy(struct settings **ret, const struct settings *settings);
/*
 * Reads a YAML file over what is there: keys it names are replaced, null means the
 * default. On failure settings is as before. Keys of the first system without a meaning
 * are warned about.
 */
int settings_load(struct settings *settings, const char *path, const struct log *log,
	struct error *error);
/* The same for text in memory; path stands in the sentences alone. */
int settings_parse(struct settings *settings, const char *path, const char *text, size_t size,
	const struct log *log, struct error *error);
/* One key, its value as it would stand in the file ("[80, 53/udp]"). */
int settings_set(struct settings *settings, const char *key, const char *value,
	struct error *error);
/* The registry's address: registry itself, or the zk_hosts of the own network. The caller
 * frees. */
int settings_registry(const struct settings *settings, char **ret, struct error *error);
/*
 * What the first line of credentials_file holds, "user:password"; NULL when the key is
 * not set. A file that others than its owner may read or write is refused. The caller
 * frees.
 */
int settings_credentials(const struct settings *settings, char **ret, struct error *error);

/*
 * The table, for manuals and tests: NULL after the last key. A default is as it would
 * stand in the file, and NULL when there is none; an obsolete key still loads and means
 * nothing.
 */
const char *settings_key(size_t n);
const char *settings_type(size_t n);
const char *settings_default(size_t n);
const char *settings_help(size_t n);
const char *settings_obsolete_key(size_t n);

#endif
