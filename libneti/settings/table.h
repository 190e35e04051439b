/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SETTINGS_TABLE_H
#define NETI_SETTINGS_TABLE_H
/*
 * Shared by the settings_*.c files alone: the table of keys, and what stands where for
 * the sentences about bad values.
 */
#include "settings.h"

/* Where a value stands, and where what is to be said about it goes. */
struct settings_at {
	const char *path; /* NULL: not from a file */
	size_t line;	  /* 0: the file as a whole */
	const char *key;  /* NULL: not about one key */
	const struct log *log;
	struct error *error;
};

enum settings_shape {
	SETTINGS_SCALAR,
	SETTINGS_LIST,	/* of items */
	SETTINGS_PAIRS, /* map from text to text; a pair is an item */
	SETTINGS_LISTS	/* map from text to a list; a pair is an item */
};

struct settings_type {
	const char *name;
	enum settings_shape shape;
	size_t size;	  /* of the value, or of one item; SETTINGS_SIZE_MAX at most */
	unsigned strings; /* how many "char *" the value or item begins with: it owns them
			   */
	/* One text into the value or item; a map's item takes its key first. */
	int (*read_key)(const struct settings_at *at, const char *text, void *item);
	int (*read)(const struct settings_at *at, const char *text, void *item);
};

#define SETTINGS_SIZE_MAX 64

struct settings_entry {
	const char *key;
	const struct settings_type *type;
	size_t offset;	      /* in struct settings: of the value, or of the pointer to the items
			*/
	size_t count;	      /* of the number of items */
	const char *standard; /* the default; NULL: none */
	const char *help;
};

/* A key of the first system that means nothing any more. */
struct settings_obsolete {
	const char *key;
	const char *why;
};

extern const struct settings_entry settings_table[];
extern const size_t settings_table_length;

const struct settings_entry *settings_find(const char *key);
const struct settings_obsolete *settings_find_obsolete(const char *key);

/* Back to the default. */
int settings_reset(struct settings *settings, const struct settings_entry *entry);
/* Takes over what value (a list: the items) points to; what was there is freed. */
void settings_replace(struct settings *settings, const struct settings_entry *entry,
	const void *value, size_t count);
void settings_clear_items(const struct settings_type *type, void *items, size_t count);

/* "FILE:LINE: KEY: " before the sentence; returns result. */
int settings_fail(const struct settings_at *at, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void settings_warn(const struct settings_at *at, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A piece of the file inside a sentence: short, on one line, in quotes. */
#define SETTINGS_QUOTE_MAX 72
const char *settings_quote(const char *text, char quoted[SETTINGS_QUOTE_MAX]);
/* -EINVAL, and the text before why: '"x" is not ...'. */
int settings_fail_value(const struct settings_at *at, const char *text, const char *why);
/* With the key that was meant, when one is near. */
int settings_fail_unknown(const struct settings_at *at, const char *key);

/*
 * Reads text into settings, all of it or none: a file, or with an entry the value of that
 * key.
 */
int settings_read(struct settings *settings, const struct settings_entry *entry, const char *text,
	size_t size, const struct settings_at *at);

/* The readers of the types: 0 or a negative errno; *ret is left alone on failure. */
int settings_read_text(const struct settings_at *at, const char *text, void *ret);
int settings_read_path(const struct settings_at *at, const char *text, void *ret);
int settings_read_node(const struct settings_at *at, const char *text, void *ret);
int settings_read_id(const struct settings_at *at, const char *text, void *ret);
int settings_read_network(const struct settings_at *at, const char *text, void *ret);
int settings_read_command(const struct settings_at *at, const char *text, void *ret);
int settings_read_engine(const struct settings_at *at, const char *text, void *ret);
int settings_read_identity(const struct settings_at *at, const char *text, void *ret);
int settings_read_boolean(const struct settings_at *at, const char *text, void *ret);
int settings_read_number(const struct settings_at *at, const char *text, void *ret);
int settings_read_timeout(const struct settings_at *at, const char *text, void *ret);
int settings_read_address(const struct settings_at *at, const char *text, void *ret);
int settings_read_overlay(const struct settings_at *at, const char *text, void *ret);
int settings_read_prefix(const struct settings_at *at, const char *text, void *ret);
int settings_read_ports(const struct settings_at *at, const char *text, void *ret);
int settings_read_override_from(const struct settings_at *at, const char *text, void *ret);
int settings_read_override_to(const struct settings_at *at, const char *text, void *ret);
int settings_read_port(const struct settings_at *at, const char *text, void *ret);
int settings_read_host(const struct settings_at *at, const char *text, void *ret);
int settings_read_zk_network(const struct settings_at *at, const char *text, void *ret);
int settings_read_zk_host(const struct settings_at *at, const char *text, void *ret);

#endif
