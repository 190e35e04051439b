/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The iptables engine: its steps, by set and table. Runs no program.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"
#include "enforce.h"
#include "sets.h"
#include "sync.h"

static const char *const set_names[SETS] = {
	[SET_PEERS] = "neti-peers", [SET_DENIED] = "neti-denied"
};

static int check_sets(struct error *error)
{
	static const struct {
		const char *type, *what, *module;
	} needed[] = {
		{ NULL, "ip_set", "ip_set" },
		{ "hash:ip", "set type hash:ip", "ip_set_hash_ip" },
		{ "hash:ip,port", "set type hash:ip,port", "ip_set_hash_ipport" },
	};

	for (size_t i = 0; i < 3; i++)
		if (netlink_set_type(needed[i].type) < 0)
			return error_set(error, -EPROTONOSUPPORT, NETI_REASON_UNSUPPORTED,
				"the kernel has no %s: modprobe %s", needed[i].what,
				needed[i].module);
	return 0;
}

static int iptables_open(struct engine *engine, struct error *error)
{
	static const uint16_t no_sets[SETS];
	static const enum table tables[] = { TABLE_FILTER, TABLE_NAT };
	struct xtables *xtables = NULL;
	int r = check_sets(error);

	(void)engine;
	for (size_t i = 0; r == 0 && i < 2; i++) {
		if (xtables_exists(tables[i]))
			continue;
		r = xtables_open(&xtables, tables[i], no_sets, error);
		if (r == 0)
			xtables = xtables_close(xtables);
	}
	return r < 0 ? r : xtables_check(error);
}

/* libipset does not say it by number, so ask when something went wrong. */
static int explain_set(int r, struct error *error)
{
	struct set_state state;
	struct error other;

	if (iptables_set_state(SET_PEERS, set_names[SET_PEERS], &state, &other) < 0 || state.right)
		return r;
	return error_set(error, -ESTALE, NETI_REASON_KERNEL,
		"another program exchanged the set %s for one of another type or size",
		set_names[SET_PEERS]);
}

static int change_peers(const struct address *added, size_t n_added, const struct address *removed,
	size_t n_removed, struct engine_report *report, struct error *error)
{
	int r = iptables_sets_change(added, n_added, removed, n_removed, report, error);

	return r == -EIO ? explain_set(r, error) : r;
}

static int fill_sets(struct engine_work *work, struct error *error)
{
	struct iptables *iptables = (struct iptables *)work->engine;
	struct members_diff diff = { 0 };
	int r = iptables_sets_fill(work->to, iptables->names, &diff, work->report, error);

	iptables->surplus = diff.n_surplus > 0;
	members_diff_clear(&diff);
	return r;
}

/* A set that a rule refers to cannot be destroyed: the rules ask a spare one until the wrong one
 * is gone. */
static int peers_in(struct engine_work *work, struct error *error)
{
	struct iptables *iptables = (struct iptables *)work->engine;
	const struct ruleset_diff *diff = work->diff;
	int r;

	if (diff)
		return change_peers(diff->peers_added, diff->n_peers_added, NULL, 0, work->report,
			error);
	iptables->ipv6_failed = false;
	r = iptables_sets_choose(work->to, iptables->names, work->report, error);
	return r == 0 ? fill_sets(work, error) : r;
}

static int trim_peers(struct engine_work *work, struct error *error)
{
	struct iptables *iptables = (struct iptables *)work->engine;
	const char *name = iptables->names[SET_PEERS];
	struct members_diff diff = { 0 };
	int r;

	if (!iptables->surplus)
		return 0;
	r = iptables_set_diff(name, work->to, &diff, error);
	if (r == 0)
		r = iptables_sets_trim(name, &diff, work->report, error);
	members_diff_clear(&diff);
	return r;
}

/* The rules ask the sets under their own names again. When others refer to the wrong ones too
 * they go on so, and all but the name is right. */
static int leave_spares(struct engine_work *work, struct error *error)
{
	struct iptables *iptables = (struct iptables *)work->engine;
	bool moved = false;
	int r = 0;

	for (enum set set = 0; r == 0 && set < SETS; set++) {
		if (strcmp(iptables->names[set], set_names[set]) == 0)
			continue;
		moved = true;
		r = iptables_set_destroy(set_names[set], error);
	}
	if (r < 0 || !moved)
		return r;
	memcpy(iptables->names, set_names, sizeof(set_names));
	r = fill_sets(work, error);
	return r == 0 ? enforce_write(work, error) : r;
}

static int destroy_surplus(struct engine *engine, struct error *error)
{
	struct error failed;
	int r = iptables_sets_destroy(set_names, &failed);

	if (r == -EBUSY) /* all that is wanted is in place */
		log_warning(engine->log, "%s", failed.text);
	else if (r < 0)
		*error = failed;
	return r == -EBUSY ? 0 : r;
}

static int peers_out(struct engine_work *work, struct error *error)
{
	const struct ruleset_diff *diff = work->diff;
	int r;

	if (diff)
		return change_peers(NULL, 0, diff->peers_removed, diff->n_peers_removed,
			work->report, error);
	r = trim_peers(work, error);
	if (r == 0)
		r = leave_spares(work, error);
	return r == 0 ? destroy_surplus(work->engine, error) : r;
}

/* The table asks no set, and only the tree of the overlay names members. */
static int write_paths(struct engine_work *work, struct error *error)
{
	const struct ruleset_diff *diff = work->diff;
	struct change change = { .iptables = (struct iptables *)work->engine,
		.to = work->to,
		.from = work->from,
		.diff = diff,
		.names = set_names,
		.report = work->report };

	if (diff && diff->n_paths_added + diff->n_paths_removed + diff->n_paths_changed == 0)
		return 0;
	return commit_change(&change, TABLE_NAT, error);
}

static int remove_table(struct engine *engine, enum table table, struct engine_report *report,
	struct error *error)
{
	struct change change = {
		.iptables = (struct iptables *)engine, .names = set_names, .report = report
	};
	int r = commit_change(&change, table, error);

	if (r < 0 || !*change.kept)
		return r < 0 ? r : 0;
	error_set(error, -EBUSY, NETI_REASON_BUSY,
		"chain %s stays: a rule that Neti did not make refers to it", change.kept);
	return 1;
}

static int remove_paths(struct engine *engine, struct engine_report *report, struct error *error)
{
	return remove_table(engine, TABLE_NAT, report, error);
}

static int remove_filter(struct engine *engine, struct engine_report *report, struct error *error)
{
	struct error failed;
	int r = remove_table(engine, TABLE_FILTER, report, error), other;

	if (r < 0)
		return r;
	other = remove_table(engine, TABLE_FILTER6, report, &failed);
	if (other == 0)
		other = iptables_sets_destroy(NULL, &failed);
	if (r == 0 && other != 0)
		*error = failed;
	return r != 0 || other != 0;
}

static int compare_table(struct engine *engine, const struct ruleset *wanted, enum table table,
	struct buffer *diff, struct error *error)
{
	struct buffer text = { 0 };
	struct sync sync = { 0 };
	struct xtables *xtables;
	uint16_t sets[SETS];
	int r;

	if (commit_is_skipped((struct iptables *)engine, wanted, table))
		return 0;
	commit_find_indexes(set_names, sets);
	r = xtables_open(&xtables, table, sets, error);
	if (r < 0)
		return r;
	r = sync_print(xtables, wanted, &text);
	/* In memory alone. What a rule of somebody else's holds in place would stay: no difference. */
	if (r == 0 && text.length)
		r = sync_table(xtables, wanted, true, &sync);
	if (r == 0 && sync.changed) {
		buffer_print(diff, "  *%s%s\n", render_table_name(table),
			table == TABLE_FILTER6 ? " # ip6tables" : "");
		buffer_append(diff, text.text, text.length);
	}
	buffer_clear(&text);
	xtables_close(xtables);
	return r < 0 ? commit_failed(table, r, error) : 0;
}

static int compare_paths(struct engine *engine, const struct ruleset *wanted, struct buffer *diff,
	struct error *error)
{
	return compare_table(engine, wanted, TABLE_NAT, diff, error);
}

static int compare_filter(struct engine *engine, const struct ruleset *wanted, struct buffer *diff,
	struct error *error)
{
	int r = iptables_sets_print(wanted, diff, error);
	size_t before = diff->length;

	if (r == 0)
		r = compare_table(engine, wanted, TABLE_FILTER, diff, error);
	if (r == 0)
		r = compare_table(engine, wanted, TABLE_FILTER6, diff, error);
	return r == 0 ? iptables_sets_print_surplus(wanted, diff->length > before, diff, error) : r;
}

static int read_peers(struct engine *engine, struct address **ret, size_t *ret_n,
	struct error *error)
{
	struct members_diff diff = { 0 };
	int r = iptables_set_diff(set_names[SET_PEERS], NULL, &diff, error);

	(void)engine;
	if (r < 0)
		return r;
	*ret = diff.surplus;
	*ret_n = diff.n_surplus;
	diff.surplus = NULL;
	members_diff_clear(&diff);
	return 0;
}

static int list_denied(struct engine *engine, struct denied **ret, size_t *ret_n,
	struct error *error)
{
	int r = netlink_set_denied(set_names[SET_DENIED], ret, ret_n);

	(void)engine;
	if (r == -ENOENT) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	return r < 0 ? error_set(error, r, NETI_REASON_KERNEL, "set %s cannot be read: %s",
			       set_names[SET_DENIED], strerror(-r)) :
		       0;
}

static void read_levels(struct engine *engine, struct engine_level ret[ENGINE_TABLES])
{
	static const enum engine_table rows[SETS] = {
		[SET_PEERS] = ENGINE_PEERS, [SET_DENIED] = ENGINE_DENIED
	};
	struct netlink_set found;

	(void)engine;
	for (enum set set = 0; set < SETS; set++)
		if (netlink_set_read(set_names[set], &found) == 0)
			ret[rows[set]] = (struct engine_level){ found.elements, found.maxelem };
}

static void note_set(void *data, const char *name)
{
	(void)name;
	*(bool *)data = true;
}

/* Looks at tables that are in use alone. */
static int is_there(struct error *error)
{
	static const uint16_t no_sets[SETS];
	char(*names)[CHAIN_NAME_MAX] = NULL;
	struct xtables *xtables;
	bool found = false;
	size_t n = 0;
	int r = 0;

	netlink_set_names("neti-", note_set, &found); /* a kernel without sets has none */
	for (enum table table = 0; r == 0 && !found && table < TABLES; table++) {
		if (!xtables_exists(table))
			continue;
		r = xtables_open(&xtables, table, no_sets, error);
		if (r < 0)
			return r;
		r = xtables_own_chains(xtables, &names, &n);
		found = n > 0;
		free(names);
		names = NULL;
		xtables_close(xtables);
	}
	return r < 0 ? error_memory(error) : found;
}

/* What iptables accepts in INPUT is accepted; what nftables accepts goes on to INPUT. */
static int stays(struct error *reason)
{
	static const uint16_t no_sets[SETS];
	struct xtables *xtables;
	bool refused;
	int r;

	if (!xtables_exists(TABLE_FILTER))
		return 0;
	r = xtables_open(&xtables, TABLE_FILTER, no_sets, reason);
	if (r < 0)
		return r;
	r = sync_is_asked(xtables);
	refused = r == 1 && xtables_refuses(xtables, "INPUT");
	xtables_close(xtables);
	if (r < 0)
		return error_memory(reason);
	if (refused)
		error_set(reason, -EPERM, NETI_REASON_KERNEL,
			"the engine stays iptables: INPUT of iptables refuses what no rule of its "
			"own lets in, and members would be refused there. When these rules let "
			"members pass, set engine: nftables");
	return refused;
}

static const struct engine_filter filter = {
	.peers_in = peers_in,
	.observe = enforce_observe,
	.enforce = enforce_write,
	.peers_out = peers_out,
	.remove = remove_filter,
	.compare = compare_filter,
	.render = render_filter,
	.peers = read_peers,
	.denied = list_denied,
	.enforces = enforce_is_on,
	.levels = read_levels,
};

static const struct engine_paths paths = {
	.write = write_paths,
	.remove = remove_paths,
	.compare = compare_paths,
	.render = render_paths,
};

const struct engine_kind iptables_engine = {
	.name = "iptables",
	.size = sizeof(struct iptables),
	.open = iptables_open,
	.is_there = is_there,
	.stays = stays,
	.filter = &filter,
	.paths = &paths,
};
