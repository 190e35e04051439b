/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rulesets to text and back: a line of JSON, then a line for each peer and path. What is read is
 * checked as if a stranger had written it: the file decides who is let in at boot.
 */
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "ruleset_json.h"
#include "ruleset_text.h"

/* --- writing ----------------------------------------------------------------------------- */

static json_t *address_json(const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	return json_string(address_format(address, text));
}

static json_t *prefix_json(const struct prefix *prefix)
{
	char text[PREFIX_TEXT_MAX];

	return json_string(prefix_format(prefix, text));
}

static json_t *pair_json(const struct address *from, const struct address *to)
{
	return json_pack("[o, o]", address_json(from), address_json(to));
}

/* An array of what make() gives for each element. */
#define ARRAY(items, n, make)                                                                      \
	__extension__({                                                                            \
		json_t *array = json_array();                                                      \
		for (size_t i = 0; i < (n); i++)                                                   \
			json_array_append_new(array, make);                                        \
		array;                                                                             \
	})

static json_t *policy_json(const struct policy *policy)
{
	return json_pack("{s:b, s:b, s:b, s:o, s:o, s:o, s:o}", "reject_all", policy->reject_all,
		"forwarded", policy->forwarded, "icmp", policy->icmp, "open_ports",
		ARRAY(policy->open_ports, policy->n_open_ports,
			json_pack("[i, i, i]", policy->open_ports[i].protocol,
				policy->open_ports[i].low, policy->open_ports[i].high)),
		"ssh_whitelist",
		ARRAY(policy->ssh_whitelist, policy->n_ssh_whitelist,
			prefix_json(&policy->ssh_whitelist[i])),
		"trusted",
		ARRAY(policy->trusted, policy->n_trusted, prefix_json(&policy->trusted[i])),
		"nat_overrides",
		ARRAY(policy->nat_overrides, policy->n_nat_overrides,
			pair_json(&policy->nat_overrides[i].from, &policy->nat_overrides[i].to)));
}

/* The many are lines, like the changes of them. */
int ruleset_to_text(const struct ruleset *ruleset, struct buffer *text)
{
	const struct ruleset_diff all = { .peers_added = ruleset->peers,
		.n_peers_added = ruleset->n_peers,
		.paths_added = ruleset->paths,
		.n_paths_added = ruleset->n_paths };
	json_t *root = json_pack("{s:o, s:o, s:o}", "overlay", prefix_json(&ruleset->overlay),
		"policy", policy_json(&ruleset->policy), "own",
		ARRAY(ruleset->own.items, ruleset->own.length,
			prefix_json(&ruleset->own.items[i])));
	int result = json_text(text, root, JSON_COMPACT);

	json_decref(root);
	buffer_append(text, "\n", 1);
	ruleset_diff_print(&all, text);
	return result < 0 ? result : buffer_result(text);
}

/* --- reading ----------------------------------------------------------------------------- */

static bool read_address(json_t *json, struct address *ret)
{
	return json_is_string(json) && address_parse(json_string_value(json), ret) == 0;
}

static bool read_prefix(json_t *json, struct prefix *ret)
{
	return json_is_string(json) && prefix_parse(json_string_value(json), ret) == 0;
}

static bool read_pair(json_t *json, struct address *from, struct address *to)
{
	return json_array_size(json) == 2 && read_address(json_array_get(json, 0), from) &&
	       read_address(json_array_get(json, 1), to);
}

static bool read_peer(json_t *json, void *item)
{
	return read_address(json, item);
}

static bool read_path(json_t *json, void *item)
{
	struct path *path = item;

	return read_pair(json, &path->overlay, &path->target);
}

static bool read_override(json_t *json, void *item)
{
	struct override *override = item;

	return read_pair(json, &override->from, &override->to);
}

static bool read_whole_prefix(json_t *json, void *item)
{
	return read_prefix(json, item);
}

static bool read_port(json_t *json, void *item)
{
	struct port_range *range = item;
	json_int_t protocol = json_integer_value(json_array_get(json, 0));
	json_int_t low = json_integer_value(json_array_get(json, 1));
	json_int_t high = json_integer_value(json_array_get(json, 2));

	if (json_array_size(json) != 3 || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) ||
		low < 1 || high < low || high > UINT16_MAX)
		return false;
	*range = (struct port_range){ (uint8_t)protocol, (uint16_t)low, (uint16_t)high };
	return true;
}

/* An array into memory of its own. */
static int read_array(json_t *root, const char *name, size_t size, bool (*read)(json_t *, void *),
	void *ret, size_t *ret_n)
{
	json_t *array = json_object_get(root, name);
	size_t n = json_array_size(array);
	char *items;

	if (!json_is_array(array))
		return -EBADMSG;
	items = calloc(n + 1, size);
	if (!items)
		return -ENOMEM;
	memcpy(ret, &items, sizeof(items)); /* freed with the ruleset, also when it is half read */
	for (size_t i = 0; i < n; i++)
		if (!read(json_array_get(array, i), items + i * size))
			return -EBADMSG;
	*ret_n = n;
	return 0;
}

static int read_flag(json_t *root, const char *name, bool *ret)
{
	json_t *flag = json_object_get(root, name);

	*ret = json_is_true(flag);
	return json_is_boolean(flag) ? 0 : -EBADMSG;
}

static int read_policy(json_t *root, struct policy *policy)
{
	int result = read_flag(root, "reject_all", &policy->reject_all);

	if (result == 0)
		result = read_flag(root, "forwarded", &policy->forwarded);
	if (result == 0)
		result = read_flag(root, "icmp", &policy->icmp);
	if (result == 0)
		result = read_array(root, "open_ports", sizeof(*policy->open_ports), read_port,
			&policy->open_ports, &policy->n_open_ports);
	if (result == 0)
		result = read_array(root, "ssh_whitelist", sizeof(*policy->ssh_whitelist),
			read_whole_prefix, &policy->ssh_whitelist, &policy->n_ssh_whitelist);
	if (result == 0)
		result = read_array(root, "trusted", sizeof(*policy->trusted), read_whole_prefix,
			&policy->trusted, &policy->n_trusted);
	if (result == 0)
		result = read_array(root, "nat_overrides", sizeof(*policy->nat_overrides),
			read_override, &policy->nat_overrides, &policy->n_nat_overrides);
	return result;
}

/* Engines rely on it: sorted, each once, of one family, inside the subnet. */
static bool is_in_order(const struct ruleset *ruleset)
{
	uint8_t family = ruleset->overlay.address.family;

	for (size_t i = 0; i < ruleset->n_paths; i++)
		if (!prefix_contains(&ruleset->overlay, &ruleset->paths[i].overlay) ||
			ruleset->paths[i].target.family != family ||
			(i && address_compare(&ruleset->paths[i - 1].overlay,
				      &ruleset->paths[i].overlay) >= 0))
			return false;
	for (size_t i = 0; i < ruleset->own.length; i++)
		if (ruleset->own.items[i].address.family != family)
			return false;
	for (size_t i = 0; i < ruleset->n_peers; i++)
		if (ruleset->peers[i].family != family ||
			(i && address_compare(&ruleset->peers[i - 1], &ruleset->peers[i]) >= 0))
			return false;
	return true;
}

static int read_root(json_t *root, struct ruleset *ruleset)
{
	int result =
		read_prefix(json_object_get(root, "overlay"), &ruleset->overlay) ? 0 : -EBADMSG;

	if (result == 0)
		result = read_policy(json_object_get(root, "policy"), &ruleset->policy);
	if (result == 0 && json_object_get(root, "peers")) /* as 0.1 has written them */
		result = read_array(root, "peers", sizeof(*ruleset->peers), read_peer,
			&ruleset->peers, &ruleset->n_peers);
	if (result == 0 && json_object_get(root, "paths"))
		result = read_array(root, "paths", sizeof(*ruleset->paths), read_path,
			&ruleset->paths, &ruleset->n_paths);
	if (result == 0 && json_object_get(root, "own")) /* which has not written these */
		result = read_array(root, "own", sizeof(*ruleset->own.items), read_whole_prefix,
			&ruleset->own.items, &ruleset->own.length);
	return result == 0 && !is_in_order(ruleset) ? -EBADMSG : result;
}

static int read_lines(struct ruleset *ruleset, const char *text, size_t size)
{
	char *copy = strndup(text, size);
	int result = copy ? ruleset_read_changes(ruleset, copy) : -ENOMEM;

	free(copy);
	return result;
}

int ruleset_from_text(struct ruleset **ret, const char *text, size_t size, struct error *error)
{
	const char *newline = memchr(text, '\n', size);
	size_t head = newline ? (size_t)(newline - text) + 1 : size;
	struct ruleset *ruleset = calloc(1, sizeof(*ruleset));
	json_t *root;
	int result;

	if (!ruleset)
		return error_memory(error);
	root = json_loadb(text, head, JSON_REJECT_DUPLICATES, NULL);
	result = read_root(root, ruleset);
	json_decref(root);
	if (result == 0)
		result = read_lines(ruleset, text + head, size - head);
	if (result < 0) {
		ruleset_free(ruleset);
		return result == -ENOMEM ? error_memory(error) :
					   error_set(error, result, NETI_REASON_SYSTEM,
						   "the ruleset in it cannot be read");
	}
	*ret = ruleset;
	return 0;
}
