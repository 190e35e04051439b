/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * report: the fleet as its registry knows it. Builds the JSON; the text is printed from that, so
 * that the two cannot say different things.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "handles.h"
#include "inventory.h"
#include "members.h"
#include "output.h"

#define ROWS_MAX 20 /* of a list, for a person */

/*
 * Counting.
 */
static void count(json_t *counts, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(counts, name));

	json_object_set_new(counts, name, json_integer(n + 1));
}

/* {"ec2": 7} as [{"name": "ec2", "members": 7, "percent": 70.0}] */
static json_t *shares(json_t *counts, size_t all)
{
	json_t *array = json_array(), *n;
	const char *name;

	json_object_foreach (counts, name, n)
		json_array_append_new(array,
			json_pack("{s:s, s:O, s:f}", "name", name, "members", n, "percent",
				100.0 * (double)json_integer_value(n) / (double)all));
	json_decref(counts);
	return array;
}

static json_t *brief(const struct neti_member *member)
{
	const char *version = neti_member_version(member);

	return json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", neti_member_id(member), "network",
		neti_member_network(member), "version", version ? version : "", "revision",
		(json_int_t)neti_member_revision(member), "held",
		(json_int_t)neti_member_held(member));
}

struct lists {
	json_t *networks, *versions, *behind, *held, *below;
};

static bool is_below(const struct neti_member *member, const char *version)
{
	const char *own = neti_member_version(member);

	return !own || strverscmp(own, version) < 0;
}

static void sort_in(const struct lists *lists, const struct neti_member *member, uint64_t newest,
	const char *below)
{
	const char *version = neti_member_version(member);

	count(lists->networks, neti_member_network(member));
	count(lists->versions, version ? version : "");
	if (neti_member_revision(member) < newest)
		json_array_append_new(lists->behind, brief(member));
	if (neti_member_held(member))
		json_array_append_new(lists->held, brief(member));
	if (below && is_below(member, below))
		json_array_append_new(lists->below, brief(member));
}

static json_t *build(const struct netictl *netictl, const struct neti_members *members)
{
	uint64_t newest = neti_members_revision(members);
	size_t all = neti_members_count(members);
	struct lists lists = { json_object(), json_object(), json_array(), json_array(),
		json_array() };
	json_t *report;

	for (size_t i = 0; i < all; i++)
		sort_in(&lists, neti_members_get(members, i), newest, netictl->line.below);
	report = json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "members", (json_int_t)all, "revision",
		(json_int_t)newest, "networks", shares(lists.networks, all), "versions",
		shares(lists.versions, all), "behind", lists.behind, "held", lists.held);
	if (netictl->line.below)
		json_object_set_new(report, "below",
			json_pack("{s:s, s:O}", "version", netictl->line.below, "members",
				lists.below));
	json_decref(lists.below);
	return report;
}

/*
 * The inventory: a host is a member when its id is one, or else one of its addresses is that of
 * a single member; private addresses may stand for several, in different networks.
 */
struct key {
	const char *text;
	size_t member;
};

struct index {
	struct key *keys;
	size_t length;
	char (*addresses)[2][NETI_ADDRESS_MAX];
	bool *known;
};

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct key *)a)->text, ((const struct key *)b)->text);
}

static int make_index(struct index *index, const struct neti_members *members)
{
	size_t n = neti_members_count(members);

	index->keys = calloc(3 * n + 1, sizeof(*index->keys));
	index->addresses = calloc(n + 1, sizeof(*index->addresses));
	index->known = calloc(n + 1, sizeof(*index->known));
	if (!index->keys || !index->addresses || !index->known)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct neti_member *member = neti_members_get(members, i);
		const char *texts[] = { neti_member_id(member),
			neti_member_private(member, index->addresses[i][0]),
			neti_member_public(member, index->addresses[i][1]) };

		for (size_t k = 0; k < 3; k++)
			if (*texts[k])
				index->keys[index->length++] = (struct key){ texts[k], i };
	}
	qsort(index->keys, index->length, sizeof(*index->keys), compare_keys);
	return 0;
}

/* The one member that the text means, or -1. */
static long find_member(const struct index *index, const char *text)
{
	const struct key wanted = { .text = text }, *key, *end = index->keys + index->length;

	key = text ? bsearch(&wanted, index->keys, index->length, sizeof(*key), compare_keys) :
		     NULL;
	if (!key || (key + 1 < end && compare_keys(key, key + 1) == 0) ||
		(key > index->keys && compare_keys(key, key - 1) == 0))
		return -1;
	return (long)key->member;
}

static json_t *without_neti(struct index *index, const struct inventory *inventory)
{
	json_t *without = json_array();

	for (size_t i = 0; i < inventory->length; i++) {
		const struct host *host = &inventory->hosts[i];
		long member = find_member(index, host->id);

		if (member < 0)
			member = find_member(index, host->public_address);
		if (member < 0)
			member = find_member(index, host->private_address);
		if (member < 0)
			json_array_append_new(without, json_string(host->id));
		else
			index->known[member] = true;
	}
	return without;
}

static json_t *compare_inventory(const struct inventory *inventory,
	const struct neti_members *members)
{
	json_t *unknown = json_array(), *without = NULL;
	struct index index = { 0 };

	if (make_index(&index, members) == 0)
		without = without_neti(&index, inventory);
	for (size_t i = 0; without && i < neti_members_count(members); i++)
		if (!index.known[i])
			json_array_append_new(unknown,
				json_string(neti_member_id(neti_members_get(members, i))));
	free(index.keys);
	free(index.addresses);
	free(index.known);
	return json_pack("{s:I, s:o, s:o}", "hosts", (json_int_t)inventory->length, "without_neti",
		without, "unknown", unknown);
}

/*
 * For a person.
 */
static void print_shares(const char *head, json_t *array)
{
	json_t *share;
	size_t i;

	json_array_foreach (array, i, share) {
		const char *name = json_string_value(json_object_get(share, "name"));

		printf("%-10s %-16s %8" JSON_INTEGER_FORMAT "  %5.1f %%\n", i == 0 ? head : "",
			*name ? name : "(unknown)",
			json_integer_value(json_object_get(share, "members")),
			json_real_value(json_object_get(share, "percent")));
	}
}

static void print_row(json_t *row)
{
	if (json_is_string(row)) {
		printf("  %s\n", json_string_value(row));
		return;
	}
	printf("  %s  %s  version %s  revision %" JSON_INTEGER_FORMAT,
		json_string_value(json_object_get(row, "id")),
		json_string_value(json_object_get(row, "network")),
		*json_string_value(json_object_get(row, "version")) ?
			json_string_value(json_object_get(row, "version")) :
			"-",
		json_integer_value(json_object_get(row, "revision")));
	if (json_integer_value(json_object_get(row, "held")))
		printf("  holds %" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(row, "held")));
	putchar('\n');
}

static void print_list(const char *what, json_t *array)
{
	size_t n = json_array_size(array);

	printf("%s: %zu\n", what, n);
	for (size_t i = 0; i < n && i < ROWS_MAX; i++)
		print_row(json_array_get(array, i));
	if (n > ROWS_MAX)
		printf("  and %zu more: --json names them all\n", n - ROWS_MAX);
}

static void print_report(json_t *report)
{
	json_t *below = json_object_get(report, "below");
	json_t *inventory = json_object_get(report, "inventory");
	char what[96];

	printf("%-27s %8" JSON_INTEGER_FORMAT "\n", "members",
		json_integer_value(json_object_get(report, "members")));
	print_shares("network", json_object_get(report, "networks"));
	print_shares("version", json_object_get(report, "versions"));
	snprintf(what, sizeof(what), "behind revision %" JSON_INTEGER_FORMAT,
		json_integer_value(json_object_get(report, "revision")));
	print_list(what, json_object_get(report, "behind"));
	print_list("hold removals back", json_object_get(report, "held"));
	if (below) {
		snprintf(what, sizeof(what), "below version %.64s",
			json_string_value(json_object_get(below, "version")));
		print_list(what, json_object_get(below, "members"));
	}
	if (inventory) {
		print_list("hosts of the inventory without Neti",
			json_object_get(inventory, "without_neti"));
		print_list("members that the inventory does not know",
			json_object_get(inventory, "unknown"));
	}
}

static int print_all(struct netictl *netictl, const struct neti_members *members)
{
	const char *path = netictl->line.inventory;
	struct inventory inventory = { 0 };
	json_auto_t *json = NULL;

	if (path && inventory_read(&inventory, path) < 0)
		return EXIT_FAILED;
	json = build(netictl, members);
	if (path)
		json_object_set_new(json, "inventory", compare_inventory(&inventory, members));
	inventory_clear(&inventory);
	if (netictl->line.json || !json)
		return print_json(json_incref(json));
	print_report(json);
	return EXIT_DONE;
}

int command_report(struct netictl *netictl)
{
	auto_members *members = NULL;

	if (netictl->line.below && !isdigit((unsigned char)*netictl->line.below))
		return say_usage("--below: \"%s\" is not a version, such as 1.2",
			netictl->line.below);
	if (members_read(netictl, NETI_LIST_DETAILS, &members) < 0)
		return say_failure(netictl);
	return print_all(netictl, members);
}
