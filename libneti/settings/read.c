/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a YAML document to settings: walks it by the table. Which keys there are and what
 * a text means stands elsewhere. Works on a copy of the settings, so that a bad file
 * changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "yaml.h"

/* One document, and where what is said about it goes. */
struct reading {
	yaml_document_t *document;
	struct settings *settings;
	struct settings_at at;
};

static yaml_node_t *node_of(const struct reading *reading, int index)
{
	return yaml_document_get_node(reading->document, index);
}

static struct settings_at at_node(const struct reading *reading, const yaml_node_t *node,
	const char *key)
{
	struct settings_at at = reading->at;

	at.line = node->start_mark.line + 1;
	at.key = key;
	return at;
}

static const char *text_of(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static bool is_null(const yaml_node_t *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(text_of(node), words[i]) == 0)
			return true;
	return false;
}

static const char *kind_of(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_SEQUENCE_NODE:
		return "a list";
	case YAML_MAPPING_NODE:
		return "a mapping";
	case YAML_SCALAR_NODE:
		return is_null(node) ? "empty" : "a single value";
	case YAML_NO_NODE:
		break;
	}
	return "nothing";
}

static int scalar(const struct settings_at *at, const yaml_node_t *node, const char **ret)
{
	/* A plain scalar with a colon at its end, such as 2001:db8::, is a mapping to YAML. */
	if (node->type != YAML_SCALAR_NODE || is_null(node))
		return settings_fail(at, -EINVAL, "a single value is expected, this is %s%s",
			kind_of(node),
			node->type == YAML_MAPPING_NODE ? " (a text with a colon may need quotes)" :
							  "");
	if (strlen(text_of(node)) != node->data.scalar.length)
		return settings_fail(at, -EINVAL, "the value holds a NUL character");
	*ret = text_of(node);
	return 0;
}

typedef int (*reader)(const struct settings_at *at, const char *text, void *ret);

static int read_scalar(const struct reading *reading, const yaml_node_t *node, const char *key,
	reader read, void *ret)
{
	struct settings_at at = at_node(reading, node, key);
	const char *text = NULL;
	int result = scalar(&at, node, &text);

	return result < 0 ? result : read(&at, text, ret);
}

static int read_value(const struct reading *reading, const struct settings_entry *entry,
	const yaml_node_t *node)
{
	_Alignas(max_align_t) char value[SETTINGS_SIZE_MAX] = { 0 };
	int result = read_scalar(reading, node, entry->key, entry->type->read, value);

	if (result == 0)
		settings_replace(reading->settings, entry, value, 1);
	return result;
}

static size_t list_length(const yaml_node_t *node)
{
	return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

static size_t map_length(const yaml_node_t *node)
{
	return (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
}

static int expect(const struct reading *reading, const yaml_node_t *node, const char *key,
	yaml_node_type_t type)
{
	struct settings_at at = at_node(reading, node, key);

	if (node->type == type)
		return 0;
	return settings_fail(&at, -EINVAL, "a %s is expected, this is %s",
		type == YAML_SEQUENCE_NODE ? "list" : "mapping", kind_of(node));
}

static int read_list_item(const struct reading *reading, const struct settings_entry *entry,
	const yaml_node_t *node, size_t n, void *item)
{
	const yaml_node_t *element = node_of(reading, node->data.sequence.items.start[n]);

	return read_scalar(reading, element, entry->key, entry->type->read, item);
}

/* The value of a map's pair: a text, or a list of which each text is added to the item.
 */
static int read_pair_value(const struct reading *reading, const struct settings_entry *entry,
	const yaml_node_pair_t *pair, void *item)
{
	const yaml_node_t *node = node_of(reading, pair->value);
	struct settings_at at = at_node(reading, node, entry->key);
	char quoted[SETTINGS_QUOTE_MAX];
	int result;

	if (entry->type->shape == SETTINGS_PAIRS)
		return read_scalar(reading, node, entry->key, entry->type->read, item);
	result = expect(reading, node, entry->key, YAML_SEQUENCE_NODE);
	if (result == 0 && list_length(node) == 0)
		result = settings_fail(&at, -EINVAL, "the list of %s is empty",
			settings_quote(text_of(node_of(reading, pair->key)), quoted));
	for (size_t i = 0; result == 0 && i < list_length(node); i++)
		result = read_list_item(reading, entry, node, i, item);
	return result;
}

static int read_pair(const struct reading *reading, const struct settings_entry *entry,
	const yaml_node_t *node, size_t n, void *item)
{
	const yaml_node_pair_t *pair = &node->data.mapping.pairs.start[n];
	int result = read_scalar(reading, node_of(reading, pair->key), entry->key,
		entry->type->read_key, item);

	if (result < 0)
		return result;
	return read_pair_value(reading, entry, pair, item);
}

struct named {
	const char *text;
	size_t line;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Fills names with the keys of a mapping, sorted; keys that are no text are refused. */
static int sort_keys(const struct reading *reading, const yaml_node_t *node, const char *key,
	struct named *names)
{
	size_t length = map_length(node);

	for (size_t i = 0; i < length; i++) {
		const yaml_node_t *name = node_of(reading, node->data.mapping.pairs.start[i].key);
		struct settings_at at = at_node(reading, name, key);

		if (name->type != YAML_SCALAR_NODE)
			return settings_fail(&at, -EINVAL, "a key is %s, and must be a text",
				kind_of(name));
		names[i] = (struct named){ text_of(name), at.line };
	}
	qsort(names, length, sizeof(*names), compare_named);
	return 0;
}

static int find_duplicate(const struct reading *reading, const char *key, const struct named *names,
	size_t length)
{
	char quoted[SETTINGS_QUOTE_MAX];
	struct settings_at at = reading->at;

	at.key = key;
	for (size_t i = 1; i < length; i++) {
		if (strcmp(names[i - 1].text, names[i].text) != 0)
			continue;
		at.line = names[i].line;
		return settings_fail(&at, -EINVAL, "duplicate key %s, already on line %zu",
			settings_quote(names[i].text, quoted), names[i - 1].line);
	}
	return 0;
}

/* YAML forbids a key twice, libyaml lets it pass. Sorts: a file may hold 100,000 pairs.
 */
static int check_keys(const struct reading *reading, const yaml_node_t *node, const char *key)
{
	size_t length = map_length(node);
	struct named *names = calloc(length + 1, sizeof(*names));
	int result;

	if (!names)
		return error_memory(reading->at.error);
	result = sort_keys(reading, node, key, names);
	if (result == 0)
		result = find_duplicate(reading, key, names, length);
	free(names);
	return result;
}

/* Lists and maps: the items, one by one, into an array of their own. */
static int read_items(const struct reading *reading, const struct settings_entry *entry,
	const yaml_node_t *node)
{
	bool list = entry->type->shape == SETTINGS_LIST;
	size_t length, size = entry->type->size;
	char *items;
	int result =
		expect(reading, node, entry->key, list ? YAML_SEQUENCE_NODE : YAML_MAPPING_NODE);

	if (result == 0 && !list)
		result = check_keys(reading, node, entry->key);
	if (result < 0)
		return result;
	length = list ? list_length(node) : map_length(node);
	items = calloc(length + 1, size);
	if (!items)
		return error_memory(reading->at.error);
	for (size_t i = 0; result == 0 && i < length; i++)
		result = (list ? read_list_item : read_pair)(reading, entry, node, i,
			items + i * size);
	if (result < 0)
		settings_clear_items(entry->type, items, length);
	else
		settings_replace(reading->settings, entry, items, length);
	return result;
}

static int read_entry(const struct reading *reading, const struct settings_entry *entry,
	const yaml_node_t *node)
{
	if (!node || is_null(node))
		return settings_reset(reading->settings, entry) < 0 ?
			       error_memory(reading->at.error) :
			       0;
	if (entry->type->shape == SETTINGS_SCALAR)
		return read_value(reading, entry, node);
	return read_items(reading, entry, node);
}

static int read_key(const struct reading *reading, const yaml_node_pair_t *pair)
{
	const yaml_node_t *node = node_of(reading, pair->key);
	const struct settings_entry *entry = settings_find(text_of(node));
	const struct settings_obsolete *obsolete = settings_find_obsolete(text_of(node));
	struct settings_at at = at_node(reading, node, NULL);

	if (entry)
		return read_entry(reading, entry, node_of(reading, pair->value));
	if (!obsolete)
		return settings_fail_unknown(&at, text_of(node));
	settings_warn(&at, "%s means nothing any more: %s", obsolete->key, obsolete->why);
	return 0;
}

static int read_root(const struct reading *reading, const yaml_node_t *root)
{
	int result;

	if (!root || is_null(root))
		return 0;
	result = expect(reading, root, NULL, YAML_MAPPING_NODE);
	if (result == 0)
		result = check_keys(reading, root, NULL);
	for (size_t i = 0; result == 0 && i < map_length(root); i++)
		result = read_key(reading, &root->data.mapping.pairs.start[i]);
	return result;
}

int settings_read(struct settings *settings, const struct settings_entry *entry, const char *text,
	size_t size, const struct settings_at *at)
{
	yaml_document_t document;
	yaml_node_t *root;
	struct reading reading = { .document = &document, .at = *at };
	int result = settings_yaml_load(&document, text, size, at);

	if (result < 0)
		return result;
	root = yaml_document_get_root_node(&document);
	if (settings_copy(&reading.settings, settings) < 0)
		result = error_memory(at->error);
	else
		result = entry ? read_entry(&reading, entry, root) : read_root(&reading, root);
	if (result == 0) {
		struct settings before = *settings;

		*settings = *reading.settings;
		*reading.settings = before;
	}
	settings_free(reading.settings);
	yaml_document_delete(&document);
	return result;
}
