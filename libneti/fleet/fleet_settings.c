/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fleet's settings as JSON and as the text of a command line. A key is one row of a table:
 * reading, printing and setting all go through it. Does no input or output of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json_text.h"
#include "fleet_settings.h"
#include "member.h"

#define PERCENT_MAX 100
#define REMOVALS_MAX 1000000
#define DELAY_MAX_MS (24u * 3600 * 1000)
#define SUBNET_SHORTEST 8 /* a wider IPv4 overlay could not be drawn from, nor listed */

struct key {
	const char *name;
	bool required;
	bool fixed; /* decided when the fleet is made */
	size_t offset;
	uint64_t low, high; /* of a count */
	int (*read)(struct fleet_settings *, const struct key *, const json_t *, struct error *);
	json_t *(*print)(const struct fleet_settings *, const struct key *);
	json_t *(*from_text)(const char *text); /* NULL result: not a value of this key */
};

static int bad(struct error *error, const struct key *key, const char *what)
{
	return error_set(error, -EINVAL, NETI_REASON_SETTINGS, "%s: %s", key->name, what);
}

static int read_count(struct fleet_settings *settings, const struct key *key, const json_t *value,
	struct error *error)
{
	json_int_t count = json_integer_value(value);

	if (!json_is_integer(value) || count < (json_int_t)key->low || (uint64_t)count > key->high)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"%s: not a whole number from %" PRIu64 " to %" PRIu64, key->name, key->low,
			key->high);
	*(unsigned *)((char *)settings + key->offset) = (unsigned)count;
	return 0;
}

static json_t *print_count(const struct fleet_settings *settings, const struct key *key)
{
	return json_integer(*(const unsigned *)((const char *)settings + key->offset));
}

static json_t *count_from_text(const char *text)
{
	char *end;
	long long number;

	if (text[0] < '0' || text[0] > '9')
		return NULL;
	errno = 0;
	number = strtoll(text, &end, 10);
	return *end || errno ? NULL : json_integer(number);
}

static int read_layout(struct fleet_settings *settings, const struct key *key, const json_t *value,
	struct error *error)
{
	int result = read_count(settings, key, value, error);

	if (result == 0 && settings->layout > FLEET_LAYOUT)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"layout: the fleet has layout %u, newer than this release, which knows %u",
			settings->layout, FLEET_LAYOUT);
	return result;
}

static int read_accepted(struct fleet_settings *settings, const struct key *key,
	const json_t *value, struct error *error)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return bad(error, key, "not a whole number");
	settings->accepted = (uint64_t)json_integer_value(value);
	return 0;
}

static json_t *print_accepted(const struct fleet_settings *settings, const struct key *key)
{
	(void)key;
	return json_integer((json_int_t)settings->accepted);
}

static int read_subnet(struct fleet_settings *settings, const struct key *key, const json_t *value,
	struct error *error)
{
	const char *text = json_string_value(value);
	char clean[PREFIX_TEXT_MAX];
	struct prefix subnet;
	int result;

	result = text ? prefix_parse(text, &subnet) : -EINVAL;
	if (result < 0)
		return bad(error, key, "not a subnet such as 192.168.0.0/18");
	if (result > 0)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"%s: %s has host bits set, the subnet is %s", key->name, text,
			prefix_format(&subnet, clean));
	if (subnet.length < SUBNET_SHORTEST || subnet.length > address_bits(&subnet.address) - 2)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"%s: the length of %s is not between /%d and /%u", key->name, text,
			SUBNET_SHORTEST, address_bits(&subnet.address) - 2);
	settings->overlay_subnet = subnet;
	return 0;
}

static json_t *print_subnet(const struct fleet_settings *settings, const struct key *key)
{
	char text[PREFIX_TEXT_MAX];

	(void)key;
	return json_string(prefix_format(&settings->overlay_subnet, text));
}

static int read_delay(struct fleet_settings *settings, const struct key *key, const json_t *value,
	struct error *error)
{
	uint64_t parsed = UINT64_MAX; /* stays when it is too long to count */
	double ms = -1;

	if (json_is_number(value))
		ms = json_number_value(value) * 1000;
	else if (json_is_string(value) &&
		 duration_parse(json_string_value(value), &parsed) != -EINVAL)
		ms = (double)parsed;
	if (!(ms >= 0))
		return bad(error, key, "not a time such as \"5s\"");
	if (ms > DELAY_MAX_MS)
		return bad(error, key, "longer than a day");
	settings->removal_delay_ms = (unsigned)ms;
	return 0;
}

static json_t *print_delay(const struct fleet_settings *settings, const struct key *key)
{
	unsigned ms = settings->removal_delay_ms;
	char text[32];

	(void)key;
	if (ms % 1000)
		snprintf(text, sizeof(text), "%ums", ms);
	else
		snprintf(text, sizeof(text), "%us", ms / 1000);
	return json_string(text);
}

static int read_pair(struct peered *ret, const json_t *pair)
{
	const char *a = json_string_value(json_array_get(pair, 0));
	const char *b = json_string_value(json_array_get(pair, 1));

	if (json_array_size(pair) != 2 || !a || !b || name_check_network(a) < 0 ||
		name_check_network(b) < 0)
		return -EINVAL;
	strcpy(ret->a, a);
	strcpy(ret->b, b);
	return 0;
}

static int read_peered(struct fleet_settings *settings, const struct key *key, const json_t *value,
	struct error *error)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value))
		return bad(error, key, "not pairs of networks such as \"ec2:vpc,vpc:lab\"");
	if (n > FLEET_PEERED_MAX)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS, "%s: more than %d pairs",
			key->name, FLEET_PEERED_MAX);
	for (size_t i = 0; i < n; i++)
		if (read_pair(&settings->peered[i], json_array_get(value, i)) < 0)
			return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
				"%s: item %zu is not a pair of network names", key->name, i + 1);
	settings->n_peered = (unsigned)n;
	return 0;
}

static json_t *print_peered(const struct fleet_settings *settings, const struct key *key)
{
	json_t *list = json_array();

	(void)key;
	for (unsigned i = 0; i < settings->n_peered; i++)
		json_array_append_new(list,
			json_pack("[s, s]", settings->peered[i].a, settings->peered[i].b));
	return list;
}

/* "ec2:vpc,vpc:lab"; nothing at all is the empty list; a JSON list is taken too. */
static json_t *peered_from_text(const char *text)
{
	json_t *list;

	if (text[0] == '[')
		return json_loads(text, 0, NULL);
	list = json_array();
	while (*text) {
		size_t length = strcspn(text, ",");
		const char *colon = memchr(text, ':', length);

		if (!colon) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list,
			json_pack("[s%, s%]", text, (size_t)(colon - text), colon + 1,
				length - (size_t)(colon - text) - 1));
		text += length + (text[length] == ',');
	}
	return list;
}

#define COUNT(field, low, high, fixed)                                                             \
	{                                                                                          \
#field, false, fixed, offsetof(struct fleet_settings, field), low, high,           \
			read_count, print_count, count_from_text                                   \
	}

static const struct key keys[] = {
	{ "layout", true, true, offsetof(struct fleet_settings, layout), 1, INT32_MAX, read_layout,
		print_count, count_from_text },
	{ "overlay_subnet", true, false, 0, 0, 0, read_subnet, print_subnet, json_string },
	COUNT(shards, 1, FLEET_SHARDS_MAX, true),
	COUNT(max_removals, 0, REMOVALS_MAX, false),
	COUNT(max_removals_percent, 0, PERCENT_MAX, false),
	{ "removal_delay", false, false, 0, 0, 0, read_delay, print_delay, json_string },
	{ "peered", false, false, 0, 0, 0, read_peered, print_peered, peered_from_text },
	{ "accepted", false, false, 0, 0, 0, read_accepted, print_accepted, count_from_text },
};

void fleet_settings_default(struct fleet_settings *settings, const struct prefix *overlay_subnet)
{
	*settings = (struct fleet_settings){
		.layout = FLEET_LAYOUT,
		.overlay_subnet = *overlay_subnet,
		.shards = FLEET_SHARDS_DEFAULT,
		.max_removals = 20,
		.max_removals_percent = 10,
		.removal_delay_ms = 5000,
	};
}

static int read_keys(struct fleet_settings *settings, const json_t *root, struct error *error)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const json_t *value = json_object_get(root, keys[i].name);
		int result;

		if (!value && keys[i].required)
			return bad(error, &keys[i], "missing");
		if (!value)
			continue;
		result = keys[i].read(settings, &keys[i], value, error);
		if (result < 0)
			return result;
	}
	return 0;
}

int fleet_settings_parse(struct fleet_settings *ret, const char *json, size_t size,
	struct error *error)
{
	struct fleet_settings settings;
	struct prefix none = { 0 };
	json_error_t trouble;
	json_t *root;
	int result;

	root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &trouble);
	if (!root && json_error_code(&trouble) == json_error_out_of_memory)
		return error_memory(error);
	if (!json_is_object(root)) {
		json_decref(root);
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"the fleet's settings are not a JSON object: %.100s",
			root ? "another kind of value" : trouble.text);
	}
	fleet_settings_default(&settings, &none);
	result = read_keys(&settings, root, error);
	json_decref(root);
	if (result == 0)
		*ret = settings;
	return result;
}

int fleet_settings_print(const struct fleet_settings *settings, struct buffer *json)
{
	json_t *root = json_object();
	int failed = 0, result;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		failed |=
			json_object_set_new(root, keys[i].name, keys[i].print(settings, &keys[i]));
	result = json_text(json, failed ? NULL : root, JSON_COMPACT);
	json_decref(root);
	return result;
}

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* A subnet that loses addresses would leave their leases outside of it. */
static int check_growth(const struct fleet_settings *old, const struct fleet_settings *new,
	struct error *error)
{
	char from[PREFIX_TEXT_MAX], to[PREFIX_TEXT_MAX];

	if (!address_is_set(&old->overlay_subnet.address) ||
		(new->overlay_subnet.length <=
			old->overlay_subnet.length &&prefix_contains(&new->overlay_subnet,
				&old->overlay_subnet.address)))
		return 0;
	return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
		"overlay_subnet: can only grow, and %s does not contain %s",
		prefix_format(&new->overlay_subnet, to), prefix_format(&old->overlay_subnet, from));
}

static int unknown_key(const char *key, struct error *error)
{
	return error_set(error, -EINVAL, NETI_REASON_SETTINGS, "%.64s: no such key", key);
}

static int set_key(struct fleet_settings *settings, const struct key *row, const char *value,
	struct error *error)
{
	json_t *json = row->from_text(value);
	int result;

	if (!json)
		json = json_null(); /* every reader refuses it, in words of its own */
	result = row->read(settings, row, json, error);
	json_decref(json);
	return result;
}

int fleet_settings_set(struct fleet_settings *settings, const char *key, const char *value,
	struct error *error)
{
	const struct key *row = find_key(key);
	struct fleet_settings changed = *settings;
	int result;

	if (!row)
		return unknown_key(key, error);
	if (row->fixed)
		return bad(error, row, "fixed when the fleet is made");
	result = set_key(&changed, row, value, error);
	if (result == 0)
		result = check_growth(settings, &changed, error);
	if (result == 0)
		*settings = changed;
	return result;
}

int fleet_settings_choose(struct fleet_settings *initial, unsigned *chosen, const char *key,
	const char *value, struct error *error)
{
	const struct key *row = find_key(key);
	struct fleet_settings changed = *initial;
	int result;

	if (!row)
		return unknown_key(key, error);
	result = set_key(&changed, row, value, error);
	if (result < 0)
		return result;
	*initial = changed;
	*chosen |= 1u << (row - keys);
	return 0;
}

/* -EEXIST when that key has different values. */
static int compare_key(const struct fleet_settings *fleet, const struct fleet_settings *initial,
	const struct key *row, struct error *error)
{
	json_t *is = row->print(fleet, row), *wanted = row->print(initial, row);
	char *text = json_dumps(is, JSON_ENCODE_ANY | JSON_COMPACT);
	int result = !is || !wanted || !text ? error_memory(error) : 0;

	if (result == 0 && !json_equal(is, wanted))
		result = error_set(error, -EEXIST, NETI_REASON_CONFLICT,
			"the fleet was there already, with %s %.200s, which %s", row->name, text,
			row->fixed ? "is fixed when a fleet is made" :
				     "netictl fleet set can change");
	free(text);
	json_decref(is);
	json_decref(wanted);
	return result;
}

int fleet_settings_check_chosen(const struct fleet_settings *fleet,
	const struct fleet_settings *initial, unsigned chosen, struct error *error)
{
	int result = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys) && result == 0; i++)
		if (chosen & 1u << i)
			result = compare_key(fleet, initial, &keys[i], error);
	return result;
}

bool fleet_settings_peered(const struct fleet_settings *settings, const char *a, const char *b)
{
	for (unsigned i = 0; i < settings->n_peered; i++) {
		const struct peered *pair = &settings->peered[i];

		if ((strcmp(pair->a, a) == 0 && strcmp(pair->b, b) == 0) ||
			(strcmp(pair->a, b) == 0 && strcmp(pair->b, a) == 0))
			return true;
	}
	return false;
}
