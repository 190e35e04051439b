/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compares the own sets with a ruleset, by numbers, and changes entry by entry.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sets.h"

static int cannot_read(const char *name, int r, struct error *error)
{
	if (r == -ENOMEM)
		return error_memory(error);
	if (r == -EPERM)
		return error_set(error, r, NETI_REASON_PRIVILEGE,
			"not permitted to read set %s: CAP_NET_ADMIN is needed", name);
	return error_set(error, r, NETI_REASON_KERNEL, "cannot read set %s: %s", name,
		strerror(-r));
}

static bool is_right(const struct set_shape *shape, const struct netlink_set *found)
{
	return strcmp(found->type, shape->type) == 0 && found->family == AF_INET &&
	       !found->has_mask && found->has_timeout == (shape->timeout != 0) &&
	       found->has_counters == shape->counters && found->maxelem >= shape->maxelem;
}

int iptables_set_state(enum set set, const char *name, struct set_state *ret, struct error *error)
{
	struct set_state state = { 0 };
	int r = netlink_set_read(name, &state.found);

	if (r < 0 && r != -ENOENT)
		return cannot_read(name, r, error);
	state.exists = r == 0;
	state.right = state.exists && is_right(&render_sets[set], &state.found);
	*ret = state;
	return 0;
}

void members_diff_clear(struct members_diff *diff)
{
	free(diff->missing);
	free(diff->surplus);
	*diff = (struct members_diff){ 0 };
}

static int compare_members(const struct address *old, size_t n_old, const struct ruleset *wanted,
	struct members_diff *ret)
{
	size_t n_new = wanted ? wanted->n_peers : 0, i = 0, j = 0;

	ret->missing = calloc(n_new + 1, sizeof(*ret->missing));
	ret->surplus = calloc(n_old + 1, sizeof(*ret->surplus));
	if (!ret->missing || !ret->surplus)
		return -ENOMEM;
	while (i < n_old || j < n_new) {
		int order = i == n_old ? 1 :
			    j == n_new ? -1 :
					 address_compare(&old[i], &wanted->peers[j]);

		if (order < 0)
			ret->surplus[ret->n_surplus++] = old[i];
		if (order > 0)
			ret->missing[ret->n_missing++] = wanted->peers[j];
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

int iptables_set_diff(const char *name, const struct ruleset *wanted, struct members_diff *ret,
	struct error *error)
{
	struct members_diff diff = { 0 };
	struct address *old = NULL;
	size_t n = 0;
	int r = netlink_set_members(name, &old, &n);

	if (r < 0 && r != -ENOENT)
		return cannot_read(name, r, error);
	r = compare_members(old, n, wanted, &diff);
	free(old);
	if (r < 0) {
		members_diff_clear(&diff);
		return error_memory(error);
	}
	*ret = diff;
	return 0;
}

static int create_missing(struct sets *sets, const struct ruleset *wanted,
	const char *const names[SETS], const bool exists[SETS], struct error *error)
{
	int r = 0;

	for (enum set set = 0; r == 0 && set < SETS; set++)
		if (!exists[set])
			r = sets_create(sets, names[set], &render_sets[set],
				render_hashsize(set == SET_PEERS ? wanted->n_peers : 0), error);
	return r;
}

int iptables_sets_fill(const struct ruleset *wanted, const char *const names[SETS],
	struct members_diff *ret, struct engine_report *report, struct error *error)
{
	struct members_diff diff = { 0 };
	bool exists[SETS];
	struct set_state state;
	struct sets *sets = NULL;
	int r = 0;

	for (enum set set = 0; r == 0 && set < SETS; set++) {
		r = iptables_set_state(set, names[set], &state, error);
		exists[set] = state.exists;
	}
	if (r == 0)
		r = iptables_set_diff(names[SET_PEERS], wanted, &diff, error);
	if (r == 0 && (diff.n_missing || !exists[SET_PEERS] || !exists[SET_DENIED]))
		r = sets_begin(&sets, error);
	if (sets)
		r = create_missing(sets, wanted, names, exists, error);
	for (size_t i = 0; sets && r == 0 && i < diff.n_missing; i++)
		r = sets_add(sets, names[SET_PEERS], &diff.missing[i], error);
	if (sets && r == 0)
		r = sets_flush(sets, error);
	report->changed |= sets != NULL;
	sets_end(sets);
	if (r < 0) {
		members_diff_clear(&diff);
		return r;
	}
	report->entries += diff.n_missing;
	*ret = diff;
	return 0;
}

/* What an earlier repair left; only our own rules may hold it, and then it is right. */
static int clear_spare(enum set set, struct error *error)
{
	struct set_state state;
	int r = iptables_set_state(set, render_sets[set].spare, &state, error);

	if (r < 0 || !state.exists)
		return r;
	r = iptables_set_destroy(render_sets[set].spare, error);
	return r < 0 && state.right ? 0 : r;
}

static int swap(enum set set, struct error *error)
{
	struct sets *sets;
	int r = sets_begin(&sets, error);

	if (r < 0)
		return r;
	r = sets_swap(sets, render_sets[set].name, render_sets[set].spare, error);
	sets_end(sets);
	return r;
}

/* The kernel exchanges sets of one type and family alone. */
static bool can_swap(enum set set, const struct netlink_set *found)
{
	return strcmp(found->type, render_sets[set].type) == 0 && found->family == AF_INET;
}

int iptables_sets_choose(const struct ruleset *wanted, const char *ret_names[SETS],
	struct engine_report *report, struct error *error)
{
	struct set_state states[SETS], spares[SETS];
	struct members_diff diff = { 0 };
	bool any = false;
	int r = 0;

	for (enum set set = 0; r == 0 && set < SETS; set++) {
		const struct set_shape *shape = &render_sets[set];
		bool wrong;

		r = iptables_set_state(set, shape->name, &states[set], error);
		wrong = r == 0 && states[set].exists && !states[set].right;
		ret_names[set] = wrong ? shape->spare : shape->name;
		if (wrong)
			r = clear_spare(set, error);
		if (wrong &&
			r == 0) /* then our rules ask it: exchanged, they would ask the wrong one */
			r = iptables_set_state(set, shape->spare, &spares[set], error);
		any |= wrong;
	}
	if (r == 0 && any)
		r = iptables_sets_fill(wanted, ret_names, &diff, report, error);
	members_diff_clear(&diff);
	for (enum set set = 0; r == 0 && set < SETS; set++) {
		if (ret_names[set] == render_sets[set].name || spares[set].exists ||
			!can_swap(set, &states[set].found))
			continue;
		r = swap(set, error);
		ret_names[set] = render_sets[set].name;
	}
	return r;
}

static int change(const char *name, const struct address *added, size_t n_added,
	const struct address *removed, size_t n_removed, struct error *error)
{
	struct sets *sets;
	int r = sets_begin(&sets, error);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n_added; i++)
		r = sets_add(sets, name, &added[i], error);
	for (size_t i = 0; r == 0 && i < n_removed; i++)
		r = sets_delete(sets, name, &removed[i], error);
	if (r == 0)
		r = sets_flush(sets, error);
	sets_end(sets);
	return r;
}

int iptables_sets_change(const struct address *added, size_t n_added, const struct address *removed,
	size_t n_removed, struct engine_report *report, struct error *error)
{
	int r = n_added + n_removed == 0 ? 0 :
					   change(render_sets[SET_PEERS].name, added, n_added,
						   removed, n_removed, error);

	if (r == 0) {
		report->entries += n_added + n_removed;
		report->changed |= n_added + n_removed > 0;
	}
	return r;
}

int iptables_sets_trim(const char *name, const struct members_diff *diff,
	struct engine_report *report, struct error *error)
{
	int r = diff->n_surplus == 0 ? 0 :
				       change(name, NULL, 0, diff->surplus, diff->n_surplus, error);

	if (r == 0) {
		report->entries += diff->n_surplus;
		report->changed |= diff->n_surplus > 0;
	}
	return r;
}

struct found {
	char names[64][32]; /* the kernel holds 256 sets unless told otherwise; a handful is ours */
	size_t n;
};

static void on_set_name(void *data, const char *name)
{
	struct found *found = data;

	/* neti-proxy belongs to the proxy command. */
	if (found->n == 64 || strncmp(name, "neti-proxy", 10) == 0)
		return;
	strncpy(found->names[found->n], name, sizeof(found->names[0]) - 1);
	found->names[found->n++][sizeof(found->names[0]) - 1] = '\0';
}

static bool is_kept(const char *const keep[SETS], const char *name)
{
	return keep && (strcmp(name, keep[SET_PEERS]) == 0 || strcmp(name, keep[SET_DENIED]) == 0);
}

static int find_surplus(const char *const keep[SETS], struct found *ret, struct error *error)
{
	int r;

	ret->n = 0;
	r = netlink_set_names("neti-", on_set_name, ret);
	if (r < 0)
		return cannot_read("neti-*", r, error);
	for (size_t i = 0; i < ret->n;)
		if (is_kept(keep, ret->names[i]))
			memmove(ret->names[i], ret->names[--ret->n], sizeof(ret->names[i]));
		else
			i++;
	return 0;
}

int iptables_sets_destroy(const char *const keep[SETS], struct error *error)
{
	struct found found;
	struct sets *sets;
	int r = find_surplus(keep, &found, error), failed = 0;

	if (r < 0 || found.n == 0)
		return r;
	r = sets_begin(&sets, error);
	for (size_t i = 0; r == 0 && i < found.n; i++) {
		int one = sets_destroy(sets, found.names[i], error);

		failed = one < 0 ? one : failed;
	}
	if (r == 0)
		sets_end(sets);
	return r < 0 ? r : failed;
}

int iptables_set_destroy(const char *name, struct error *error)
{
	struct sets *sets;
	int r = sets_begin(&sets, error);

	if (r < 0)
		return r;
	r = sets_destroy(sets, name, error);
	sets_end(sets);
	return r;
}

static void print_members(struct buffer *diff, const char *sign, const char *name,
	const struct address *addresses, size_t n)
{
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		buffer_print(diff, "%s add %s %s\n", sign, name,
			address_format(&addresses[i], text));
}

static void print_found(struct buffer *diff, const char *name, const struct netlink_set *found)
{
	buffer_print(diff, "- create %s %s family %s hashsize %u maxelem %u", name, found->type,
		found->family == AF_INET6 ? "inet6" : "inet", found->hashsize, found->maxelem);
	if (found->has_timeout)
		buffer_print(diff, " timeout %u", found->timeout);
	buffer_print(diff, "%s\n", found->has_counters ? " counters" : "");
}

static int print_set(enum set set, const struct ruleset *wanted, struct buffer *diff,
	struct error *error)
{
	const char *name = render_sets[set].name;
	struct members_diff members = { 0 };
	struct set_state state;
	int r = iptables_set_state(set, name, &state, error);

	if (r < 0)
		return r;
	if (state.exists && !state.right)
		print_found(diff, name, &state.found);
	if (!state.right) {
		buffer_print(diff, "+ ");
		render_set(diff, set, set == SET_PEERS ? wanted->n_peers : 0);
		buffer_print(diff, "\n");
	}
	if (set != SET_PEERS)
		return 0;
	if (state.exists && !state.right) {
		print_members(diff, "+", name, wanted->peers, wanted->n_peers);
		return 0;
	}
	r = iptables_set_diff(name, wanted, &members, error);
	if (r < 0)
		return r;
	print_members(diff, "-", name, members.surplus, members.n_surplus);
	print_members(diff, "+", name, members.missing, members.n_missing);
	members_diff_clear(&members);
	return 0;
}

int iptables_sets_print_surplus(const struct ruleset *wanted, bool rules_go, struct buffer *diff,
	struct error *error)
{
	static const char *const keep[SETS] = {
		[SET_PEERS] = "neti-peers", [SET_DENIED] = "neti-denied"
	};
	struct found found;
	int r = find_surplus(wanted ? keep : NULL, &found, error);

	for (size_t i = 0; r == 0 && i < found.n; i++) {
		struct netlink_set set;

		if (netlink_set_read(found.names[i], &set) == 0 && /* else it has just gone */
			(rules_go || set.references == 0))
			print_found(diff, found.names[i], &set);
	}
	return r;
}

int iptables_sets_print(const struct ruleset *wanted, struct buffer *diff, struct error *error)
{
	int r = 0;

	for (enum set set = 0; r == 0 && wanted && set < SETS; set++)
		r = print_set(set, wanted, diff, error);
	return r;
}
