/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One text of the file into one value, and the sentence when it cannot be one. Knows
 * nothing of YAML. Every reader leaves *ret alone when it fails.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/name.h"
#include "base/text.h"
#include "base/words.h"
#include "table.h"

#define TIMEOUT_MIN_MS 100
#define TIMEOUT_MAX_MS 3600000

static void place(const struct settings_at *at, char *text, size_t size)
{
	char line[24] = "";

	if (at->line)
		snprintf(line, sizeof(line), ":%zu", at->line);
	snprintf(text, size, "%s%s%s%s%s", at->path ? at->path : "", at->path ? line : "",
		at->path ? ": " : "", at->key ? at->key : "", at->key ? ": " : "");
}

int settings_fail(const struct settings_at *at, int result, const char *format, ...)
{
	char before[ERROR_TEXT_MAX], sentence[ERROR_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	text_format(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	place(at, before, sizeof(before));
	return error_set(at->error, result, NETI_REASON_SETTINGS, "%s%s", before, sentence);
}

void settings_warn(const struct settings_at *at, const char *format, ...)
{
	char before[ERROR_TEXT_MAX], sentence[ERROR_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	text_format(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	place(at, before, sizeof(before));
	log_warning(at->log, "%s%s", before, sentence);
}

const char *settings_quote(const char *text, char quoted[SETTINGS_QUOTE_MAX])
{
	const size_t most = SETTINGS_QUOTE_MAX - sizeof("\"...\"");
	size_t length = strlen(text), n = length < most ? length : most;

	/* Never half a UTF-8 character. */
	while (n < length && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	snprintf(quoted, SETTINGS_QUOTE_MAX, "\"%.*s%s\"", (int)n, text, n < length ? "..." : "");
	for (char *c = quoted; *c; c++)
		if (text_is_control(*c))
			*c = '?';
	return quoted;
}

int settings_fail_value(const struct settings_at *at, const char *text, const char *why)
{
	char quoted[SETTINGS_QUOTE_MAX];

	return settings_fail(at, -EINVAL, "%s %s", settings_quote(text, quoted), why);
}

static int copy_text(const struct settings_at *at, const char *text, void *ret)
{
	char *copy = strdup(text);

	if (!copy)
		return error_memory(at->error);
	*(char **)ret = copy;
	return 0;
}

int settings_read_text(const struct settings_at *at, const char *text, void *ret)
{
	if (!*text)
		return settings_fail(at, -EINVAL, "an empty text is no value");
	for (const char *c = text; *c; c++)
		if (text_is_control(*c) || *c == ' ')
			return settings_fail_value(at, text,
				"holds a space or a control character");
	return copy_text(at, text, ret);
}

int settings_read_path(const struct settings_at *at, const char *text, void *ret)
{
	if (*text != '/')
		return settings_fail_value(at, text, "is not an absolute path");
	for (const char *c = text; *c; c++)
		if (text_is_control(*c))
			return settings_fail_value(at, text, "holds a control character");
	return copy_text(at, text, ret);
}

/* What ZooKeeper takes as a path, of the printable characters, with a node at its end. */
int settings_read_node(const struct settings_at *at, const char *text, void *ret)
{
	size_t length = strlen(text);

	if (*text != '/' || length < 2 || text[length - 1] == '/')
		return settings_fail_value(at, text,
			"is not a ZooKeeper path, such as /neti: it begins "
			"with a slash and ends without one");
	if (strstr(text, "//") || strstr(text, "/./") || strstr(text, "/../") ||
		strcmp(strrchr(text, '/'), "/.") == 0 || strcmp(strrchr(text, '/'), "/..") == 0)
		return settings_fail_value(at, text,
			"is not a ZooKeeper path: a part of it is empty or dots");
	return settings_read_text(at, text, ret);
}

int settings_read_id(const struct settings_at *at, const char *text, void *ret)
{
	if (name_check_id(text) < 0)
		return settings_fail_value(at, text,
			"is not an id: 1 to 128 printable ASCII characters "
			"without a space");
	return copy_text(at, text, ret);
}

int settings_read_network(const struct settings_at *at, const char *text, void *ret)
{
	if (name_check_network(text) < 0)
		return settings_fail_value(at, text,
			"is not a network name: 1 to 32 letters, digits, "
			"\"-\", \"_\" and \".\"");
	return copy_text(at, text, ret);
}

int settings_read_engine(const struct settings_at *at, const char *text, void *ret)
{
	if (name_check_network(text) < 0)
		return settings_fail_value(at, text,
			"is not the name of an engine, such as auto or iptables");
	return copy_text(at, text, ret);
}

int settings_read_command(const struct settings_at *at, const char *text, void *ret)
{
	char **words = NULL;
	int result;

	if (!text[strspn(text, " \t\n")])
		return settings_fail(at, -EINVAL, "an empty text is no command");
	result = words_split(text, &words);
	free(words);
	if (result == -EINVAL)
		return settings_fail_value(at, text, "has a quotation mark without its other one");
	if (result == -ENODATA)
		return settings_fail_value(at, text, "names no program");
	if (result < 0)
		return error_memory(at->error);
	return copy_text(at, text, ret);
}

int settings_read_identity(const struct settings_at *at, const char *text, void *ret)
{
	enum identity identity = IDENTITY_HOST;

	if (strcmp(text, "ec2") == 0)
		identity = IDENTITY_EC2;
	else if (strcmp(text, "host") != 0)
		return settings_fail_value(at, text, "is not known: there are host and ec2");
	memcpy(ret, &identity, sizeof(identity));
	return 0;
}

int settings_read_boolean(const struct settings_at *at, const char *text, void *ret)
{
	static const char *const words[][2] = { { "false", "true" }, { "no", "yes" },
		{ "off", "on" } };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		for (int value = 0; value < 2; value++) {
			if (!text_same_word(text, words[i][value]))
				continue;
			*(bool *)ret = value;
			return 0;
		}
	}
	return settings_fail_value(at, text, "is neither true nor false");
}

/* Decimal digits alone, up to most. */
static int parse_number(const char *text, size_t length, uint64_t most, uint64_t *ret)
{
	uint64_t number = 0;

	if (length == 0)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		if (number <= most)
			number = number * 10 + (uint64_t)(text[i] - '0');
	}
	if (number > most)
		return -ERANGE;
	*ret = number;
	return 0;
}

int settings_read_number(const struct settings_at *at, const char *text, void *ret)
{
	uint64_t number;
	int result = parse_number(text, strlen(text), UINT32_MAX, &number);

	if (result == -ERANGE)
		return settings_fail_value(at, text, "is out of range: 0 to 4294967295");
	if (result < 0)
		return settings_fail_value(at, text, "is not a whole number");
	*(uint32_t *)ret = (uint32_t)number;
	return 0;
}

int settings_read_timeout(const struct settings_at *at, const char *text, void *ret)
{
	uint64_t ms;
	int result = duration_parse(text, &ms);

	if (result == -EINVAL)
		return settings_fail_value(at, text, "is not a duration, such as 10s, 500ms or 5m");
	if (result < 0 || ms < TIMEOUT_MIN_MS || ms > TIMEOUT_MAX_MS)
		return settings_fail_value(at, text, "is out of range: 100ms to 1h");
	*(unsigned *)ret = (unsigned)ms;
	return 0;
}

int settings_read_address(const struct settings_at *at, const char *text, void *ret)
{
	struct address address;

	if (address_parse(text, &address) < 0)
		return settings_fail_value(at, text, "is not an address, such as 10.1.2.3");
	if (address.family != AF_INET)
		return settings_fail_value(at, text,
			"is an IPv6 address: only IPv4 is supported here yet");
	if (!address_is_unicast(&address))
		return settings_fail_value(at, text, "is not the address of one host");
	*(struct address *)ret = address;
	return 0;
}

static int check_overlay(const struct settings_at *at, const char *text,
	const struct prefix *prefix)
{
	struct address last = prefix_nth(prefix, prefix_count(prefix) - 1);

	if (prefix->length > 30)
		return settings_fail_value(at, text,
			"is too small: a fleet needs at least 2 usable "
			"addresses, a /30 or shorter prefix");
	/* 127.0.0.0/8 cannot hide between a first and a last address that are both good.
	 */
	if (!address_is_unicast(&prefix->address) || !address_is_unicast(&last))
		return settings_fail_value(at, text, "holds addresses that no host can have");
	return 0;
}

int settings_read_overlay(const struct settings_at *at, const char *text, void *ret)
{
	char quoted[SETTINGS_QUOTE_MAX], right[PREFIX_TEXT_MAX];
	struct prefix prefix;
	int cut = prefix_parse(text, &prefix), result;

	if (cut < 0)
		return settings_fail_value(at, text, "is not a prefix, such as 192.168.0.0/18");
	if (prefix.address.family != AF_INET)
		return settings_fail_value(at, text,
			"is an IPv6 prefix: an IPv6 overlay is not supported yet");
	if (cut)
		return settings_fail(at, -EINVAL, "%s has host bits set: the prefix is %s",
			settings_quote(text, quoted), prefix_format(&prefix, right));
	result = check_overlay(at, text, &prefix);
	if (result < 0)
		return result;
	*(struct prefix *)ret = prefix;
	return 0;
}

int settings_read_prefix(const struct settings_at *at, const char *text, void *ret)
{
	char quoted[SETTINGS_QUOTE_MAX], meant[PREFIX_TEXT_MAX];
	struct prefix prefix;
	int cut = prefix_parse(text, &prefix);

	if (cut < 0)
		return settings_fail_value(at, text,
			"is not an address or a prefix, such as 10.0.0.0/8");
	/* The first system handed such a prefix to iptables, which reads it like this. */
	if (cut)
		settings_warn(at, "%s has host bits set and is read as %s",
			settings_quote(text, quoted), prefix_format(&prefix, meant));
	*(struct prefix *)ret = prefix;
	return 0;
}
