/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names and data of the nodes below ip-map. Strictness comes from one rule: a name counts only
 * when writing what was read gives the same name again, so no two names mean one member.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "base/text.h"
#include "entry.h"

#define FIELDS 5
#define QUOTED_MAX 80 /* bytes of a bad name that go into a message */
#define VERSION_MAX 64

/* Characters that mean nothing in a path, in an entry or to a shell. */
static bool is_plain(char c)
{
	return text_is_alnum(c) || (c && strchr("-_.~:@+=,", c));
}

const char *entry_encode_id(const char *id, char text[ENTRY_ID_TEXT_MAX])
{
	bool dots = strcmp(id, ".") == 0 || strcmp(id, "..") == 0; /* no names in a tree */
	char *out = text;

	for (; *id && out < text + ENTRY_ID_TEXT_MAX - 3; id++) {
		if (is_plain(*id) && !dots)
			*out++ = *id;
		else
			out += sprintf(out, "%%%02X", (unsigned char)*id);
	}
	*out = '\0';
	return text;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *digit = c ? strchr(digits, c) : NULL;

	return digit ? (int)(digit - digits) : -1;
}

int entry_decode_id(const char *text, char id[NAME_ID_MAX + 1])
{
	size_t length = 0;

	for (; *text; text++) {
		char c = *text;

		if (length == NAME_ID_MAX)
			return -EINVAL;
		if (c == '%') {
			int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);

			if (low < 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			text += 2;
		}
		id[length++] = c;
	}
	id[length] = '\0';
	return strlen(id) == length ? name_check_id(id) : -EINVAL;
}

static int check_fields(const struct member *member, const char **what)
{
	*what = "the overlay address is not one of a host";
	if (!address_is_unicast(&member->overlay))
		return -EINVAL;
	*what = "the private address is not one of a host";
	if (!address_is_unicast(&member->private_address))
		return -EINVAL;
	*what = "the public address is not one of a host";
	if (address_is_set(&member->public_address) && !address_is_unicast(&member->public_address))
		return -EINVAL;
	*what = "the network's name is empty, too long or has characters that are not allowed";
	if (name_check_network(member->network) < 0)
		return -EINVAL;
	*what = "the id is empty, too long or has characters that are not allowed";
	return name_check_id(member->id);
}

static void write_name(const struct member *member, char name[ENTRY_NAME_MAX])
{
	char overlay[ADDRESS_TEXT_MAX], private[ADDRESS_TEXT_MAX], public[ADDRESS_TEXT_MAX];
	char id[ENTRY_ID_TEXT_MAX];

	snprintf(name, ENTRY_NAME_MAX, "%s|%s|%s|%s|%s", address_format(&member->overlay, overlay),
		address_format(&member->private_address, private),
		address_format(&member->public_address, public), member->network,
		entry_encode_id(member->id, id));
}

int entry_format(const struct member *member, char name[ENTRY_NAME_MAX], struct error *error)
{
	const char *what;

	if (check_fields(member, &what) < 0)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS, "member %.*s: %s",
			NAME_ID_MAX, member->id, what);
	write_name(member, name);
	return 0;
}

/* Bytes of a stranger, made fit for a log. */
static int refuse(struct error *error, const char *name, const char *what)
{
	char quoted[QUOTED_MAX + 1];
	size_t i;

	for (i = 0; i < QUOTED_MAX && name[i]; i++)
		quoted[i] = name[i] > ' ' && name[i] < 0x7f ? name[i] : '?';
	quoted[i] = '\0';
	return error_set(error, -EINVAL, NETI_REASON_REGISTRY, "registry entry \"%s%s\": %s",
		quoted, name[i] ? "..." : "", what);
}

static size_t split(char *text, char *fields[FIELDS])
{
	size_t n = 0;

	for (char *next = text; next; n++) {
		char *field = strsep(&next, "|");

		if (n < FIELDS)
			fields[n] = field;
	}
	return n;
}

static int check_place(const struct member *member, const struct fleet_settings *fleet,
	unsigned shard, const char *name, struct error *error)
{
	char subnet[PREFIX_TEXT_MAX], what[160];
	unsigned right;

	if (!prefix_contains(&fleet->overlay_subnet, &member->overlay)) {
		snprintf(what, sizeof(what), "the overlay address lies outside of %s",
			prefix_format(&fleet->overlay_subnet, subnet));
		return refuse(error, name, what);
	}
	right = address_modulo(&member->overlay, fleet->shards);
	if (right != shard) {
		snprintf(what, sizeof(what), "it stands in shard %02x and belongs to %02x", shard,
			right);
		return refuse(error, name, what);
	}
	return 0;
}

int entry_parse(struct member **ret, const char *name, const struct fleet_settings *fleet,
	unsigned shard, struct error *error)
{
	char copy[ENTRY_NAME_MAX], again[ENTRY_NAME_MAX], id[NAME_ID_MAX + 1];
	struct member member = { .id = id, .live = true };
	char *fields[FIELDS];
	const char *what;
	int result;

	if (strlen(name) >= sizeof(copy))
		return refuse(error, name, "too long");
	strcpy(copy, name);
	if (split(copy, fields) != FIELDS)
		return refuse(error, name, "not five fields separated by |");
	member.network = fields[3];
	if (address_parse(fields[0], &member.overlay) < 0)
		return refuse(error, name, "the overlay address is not an address");
	if (address_parse(fields[1], &member.private_address) < 0)
		return refuse(error, name, "the private address is not an address");
	if (*fields[2] && address_parse(fields[2], &member.public_address) < 0)
		return refuse(error, name, "the public address is not an address");
	if (entry_decode_id(fields[4], id) < 0)
		return refuse(error, name, "the id cannot be decoded");
	if (check_fields(&member, &what) < 0)
		return refuse(error, name, what);
	write_name(&member, again);
	if (strcmp(name, again) != 0)
		return refuse(error, name, "not in its only right form");
	result = check_place(&member, fleet, shard, name, error);
	if (result < 0)
		return result;
	return member_new(ret, &member) < 0 ? error_memory(error) : 0;
}

const char *entry_shard_name(unsigned shard, char text[9])
{
	snprintf(text, 9, "%02x", shard);
	return text;
}

int entry_print_data(const struct member *member, struct buffer *json)
{
	json_t *root = json_pack("{s:s, s:I, s:I}", "version",
		member->version ? member->version : "", "since", (json_int_t)member->since,
		"revision", (json_int_t)member->revision);
	int result;

	if (root && member->held)
		json_object_set_new(root, "held", json_integer((json_int_t)member->held));
	result = json_text(json, root, JSON_COMPACT);
	json_decref(root);
	return result;
}

static bool is_word(const char *text, size_t most)
{
	if (!text || !*text || strlen(text) > most)
		return false;
	for (; *text; text++)
		if (!text_is_graph(*text))
			return false;
	return true;
}

int entry_with_data(struct member **ret, const struct member *member, const char *json, size_t size)
{
	struct member fields = *member;
	json_t *root = size ? json_loadb(json, size, 0, NULL) : NULL;
	const char *version = json_string_value(json_object_get(root, "version"));
	json_int_t since = json_integer_value(json_object_get(root, "since"));
	json_int_t revision = json_integer_value(json_object_get(root, "revision"));
	json_int_t held = json_integer_value(json_object_get(root, "held"));
	int result;

	if (is_word(version, VERSION_MAX))
		fields.version = version;
	if (since > 0 && (since < fields.since || fields.since == 0))
		fields.since = since;
	if (revision > 0)
		fields.revision = (uint64_t)revision;
	if (held > 0)
		fields.held = (uint64_t)held;
	result = member_new(ret, &fields);
	json_decref(root);
	return result;
}

int entry_mark_data(struct buffer *json, const char *before, size_t size,
	const struct entry_mark *mark)
{
	char address[ADDRESS_TEXT_MAX];
	json_t *root = size ? json_loadb(before, size, 0, NULL) : NULL;
	int result = -ENOMEM;

	if (!json_is_object(root)) {
		json_decref(root);
		root = json_object();
	}
	if (root && json_object_set_new(root, "twin",
			    json_pack("{s:s, s:s, s:I}", "host", mark->host, "private",
				    address_format(&mark->private_address, address), "number",
				    (json_int_t)mark->number)) == 0)
		result = json_text(json, root, JSON_COMPACT);
	json_decref(root);
	return result;
}

bool entry_read_mark(struct entry_mark *ret, const char *json, size_t size)
{
	json_t *root = size ? json_loadb(json, size, 0, NULL) : NULL;
	const json_t *twin = json_object_get(root, "twin");
	const char *host = json_string_value(json_object_get(twin, "host"));
	const char *address = json_string_value(json_object_get(twin, "private"));
	json_int_t number = json_integer_value(json_object_get(twin, "number"));
	struct entry_mark mark = { .number = (uint64_t)number };
	bool good = number > 0 && address && address_parse(address, &mark.private_address) == 0;

	if (good) {
		strcpy(mark.host, is_word(host, ENTRY_HOST_MAX) ? host : "unknown");
		*ret = mark;
	}
	json_decref(root);
	return good;
}
