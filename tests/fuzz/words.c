/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The small words that settings, names and command lines are made of: what a reader takes, its
 * writer gives back with the same meaning.
 */
#include "base/address.h"
#include "base/duration.h"
#include "base/words.h"
#include "fuzz.h"
#include "registry/zookeeper/hosts.h"

static void check_address(const char *text)
{
	struct address once, twice;
	char again[ADDRESS_TEXT_MAX];

	if (address_parse(text, &once) < 0)
		return;
	PROMISE(address_parse(address_format(&once, again), &twice) == 0);
	PROMISE(address_equal(&once, &twice));
}

static void check_prefix(const char *text)
{
	struct prefix once, twice;
	char again[PREFIX_TEXT_MAX];

	if (prefix_parse(text, &once) < 0)
		return;
	PROMISE(prefix_parse(prefix_format(&once, again), &twice) == 0);
	PROMISE(prefix_compare(&once, &twice) == 0 && prefix_contains(&once, &once.address));
}

static void check_duration(const char *text)
{
	char again[DURATION_TEXT_MAX];
	uint64_t once, twice;

	if (duration_parse(text, &once) < 0)
		return;
	PROMISE(duration_parse(duration_format(once, again), &twice) == 0 && once == twice);
}

static void check_command(const char *text)
{
	char **words;
	size_t length = 0;

	if (words_split(text, &words) < 0)
		return;
	PROMISE(**words);
	for (char **word = words; *word; word++)
		length += strlen(*word);
	PROMISE(length <= strlen(text));
	free(words);
}

static void check_hosts(const char *text)
{
	struct error error = { 0 };
	char *once, *twice;

	if (zookeeper_hosts_write(&once, text, &error) < 0) {
		PROMISE(is_sentence(error.text));
		return;
	}
	PROMISE(zookeeper_hosts_write(&twice, once, &error) == 0 && strcmp(once, twice) == 0);
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(const char *text) = { check_address, check_prefix,
		check_duration, check_command, check_hosts };
	char *text = strndup((const char *)data, size);

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		checks[i](text);
	free(text);
	return 0;
}
