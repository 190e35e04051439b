/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of the settings value: made, copied and freed along the table, so that a new
 * key needs a row and no code here. Also what follows from several keys at once: the
 * registry.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "table.h"

static void *slot(const struct settings *settings, size_t offset)
{
	return (char *)(uintptr_t)settings + offset;
}

static void *items_of(const struct settings *settings, const struct settings_entry *entry)
{
	void *items;

	memcpy(&items, slot(settings, entry->offset), sizeof(items));
	return items;
}

static size_t count_of(const struct settings *settings, const struct settings_entry *entry)
{
	return *(size_t *)slot(settings, entry->count);
}

static char **strings_of(const struct settings_type *type, void *items, size_t n)
{
	return (char **)(void *)((char *)items + n * type->size);
}

static void clear_strings(const struct settings_type *type, void *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (unsigned k = 0; k < type->strings; k++)
			free(strings_of(type, items, i)[k]);
}

void settings_clear_items(const struct settings_type *type, void *items, size_t count)
{
	clear_strings(type, items, count);
	free(items);
}

static void clear_entry(struct settings *settings, const struct settings_entry *entry)
{
	if (entry->type->shape == SETTINGS_SCALAR)
		clear_strings(entry->type, slot(settings, entry->offset), 1);
	else
		settings_clear_items(entry->type, items_of(settings, entry),
			count_of(settings, entry));
}

/* Without freeing what was there. */
static void put(struct settings *settings, const struct settings_entry *entry, const void *value,
	size_t count)
{
	if (entry->type->shape == SETTINGS_SCALAR) {
		memcpy(slot(settings, entry->offset), value, entry->type->size);
		return;
	}
	memcpy(slot(settings, entry->offset), &value, sizeof(value));
	*(size_t *)slot(settings, entry->count) = count;
}

void settings_replace(struct settings *settings, const struct settings_entry *entry,
	const void *value, size_t count)
{
	clear_entry(settings, entry);
	put(settings, entry, value, count);
	if (entry->offset == offsetof(struct settings, overlay_subnet))
		settings->overlay_subnet_given = true;
}

int settings_reset(struct settings *settings, const struct settings_entry *entry)
{
	_Alignas(max_align_t) char value[SETTINGS_SIZE_MAX] = { 0 };
	struct error error;
	struct settings_at at = { .key = entry->key, .error = &error };
	int result;

	if (entry->type->shape != SETTINGS_SCALAR) {
		settings_replace(settings, entry, NULL, 0);
		return 0;
	}
	if (entry->standard) {
		result = entry->type->read(&at, entry->standard, value);
		if (result < 0)
			return result;
	}
	settings_replace(settings, entry, value, 1);
	if (entry->offset == offsetof(struct settings, overlay_subnet))
		settings->overlay_subnet_given = false;
	return 0;
}

int settings_new(struct settings **ret)
{
	struct settings *settings = calloc(1, sizeof(*settings));
	int result = settings ? 0 : -ENOMEM;

	for (size_t i = 0; result == 0 && i < settings_table_length; i++)
		result = settings_reset(settings, &settings_table[i]);
	if (result < 0) {
		settings_free(settings);
		return result;
	}
	*ret = settings;
	return 0;
}

struct settings *settings_free(struct settings *settings)
{
	if (!settings)
		return NULL;
	for (size_t i = 0; i < settings_table_length; i++)
		clear_entry(settings, &settings_table[i]);
	free(settings);
	return NULL;
}

/* The strings of copied items still belong to the original: gives each its own. */
static int copy_strings(const struct settings_type *type, void *items, size_t count)
{
	size_t length = count * type->strings, done;
	char **strings;

	for (done = 0; done < length; done++) {
		strings = strings_of(type, items, done / type->strings);
		strings += done % type->strings;
		if (*strings && !(*strings = strdup(*strings)))
			break;
	}
	if (done == length)
		return 0;
	for (; done < length; done++)
		strings_of(type, items, done / type->strings)[done % type->strings] = NULL;
	return -ENOMEM;
}

static int copy_items(struct settings *to, const struct settings *from,
	const struct settings_entry *entry)
{
	size_t count = count_of(from, entry);
	void *items;

	if (count == 0)
		return 0;
	items = calloc(count, entry->type->size);
	if (!items)
		return -ENOMEM;
	memcpy(items, items_of(from, entry), count * entry->type->size);
	put(to, entry, items, count);
	return copy_strings(entry->type, items, count);
}

static int copy_entry(struct settings *to, const struct settings *from,
	const struct settings_entry *entry)
{
	if (entry->type->shape != SETTINGS_SCALAR)
		return copy_items(to, from, entry);
	put(to, entry, slot(from, entry->offset), 1);
	return copy_strings(entry->type, slot(to, entry->offset), 1);
}

int settings_copy(struct settings **ret, const struct settings *settings)
{
	struct settings *copy = calloc(1, sizeof(*copy));
	int result = copy ? 0 : -ENOMEM;

	for (size_t i = 0; result == 0 && i < settings_table_length; i++)
		result = copy_entry(copy, settings, &settings_table[i]);
	if (result < 0) {
		settings_free(copy);
		return result;
	}
	copy->found = settings->found;
	copy->overlay_subnet_given = settings->overlay_subnet_given;
	*ret = copy;
	return 0;
}

static int fail_hosts(const struct settings *settings, struct error *error)
{
	struct buffer names = { 0 };

	for (size_t i = 0; i < settings->n_zk_hosts; i++)
		buffer_print(&names, "%s%s", i ? ", " : "", settings->zk_hosts[i].network);
	if (buffer_result(&names) < 0)
		error_memory(error);
	else if (settings->network)
		error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"zk_hosts: no servers for network \"%s\" (there are some for: "
			"%s)",
			settings->network, buffer_text(&names));
	else
		error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"network is not set, and zk_hosts has servers for several: %s",
			buffer_text(&names));
	buffer_clear(&names);
	return error->result;
}

/* Those of the own network; where no network is set, the only ones. */
static const char *own_hosts(const struct settings *settings)
{
	if (!settings->network)
		return settings->n_zk_hosts == 1 ? settings->zk_hosts[0].hosts : NULL;
	for (size_t i = 0; i < settings->n_zk_hosts; i++)
		if (strcmp(settings->zk_hosts[i].network, settings->network) == 0)
			return settings->zk_hosts[i].hosts;
	return NULL;
}

int settings_registry(const struct settings *settings, char **ret, struct error *error)
{
	const char *hosts = own_hosts(settings);
	struct buffer text = { 0 };
	char *stolen;

	if (settings->registry)
		buffer_print(&text, "%s", settings->registry);
	else if (settings->n_zk_hosts == 0)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"no registry is set: set registry, such as "
			"zookeeper://h1:2181,h2:2181/neti, "
			"or zk_hosts");
	else if (!hosts)
		return fail_hosts(settings, error);
	else
		buffer_print(&text, "zookeeper://%s%s", hosts, settings->zk_prefix);
	stolen = buffer_steal(&text);
	if (!stolen) {
		buffer_clear(&text);
		return error_memory(error);
	}
	*ret = stolen;
	return 0;
}
