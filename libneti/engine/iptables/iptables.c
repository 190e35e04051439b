/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The iptables engine: the order of work. Runs no program.
 *
 * Adding: the peer set first, so that no rule ever asks a set that lacks a member; then nat,
 * then filter. nat before filter, because NETI-OUTPUT refuses every overlay address that has
 * no path yet; the other way round each member would be refused between the two commits, while
 * with nat first the host is for that moment as open as it was. Surplus peers leave last, when
 * no path leads to them any more. Taking away goes the other way: filter, nat, sets. Flows that
 * the old nat table mapped are forgotten when the new one stands.
 *
 * Switching reject_all on: first the same rules without the last word, which make the kernel
 * track connections and refuse nobody; then what is open is entered; then the last word.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "commit.h"
#include "enforce.h"
#include "engine/conntrack/conntrack.h"
#include "lock.h"
#include "sets.h"
#include "sync.h"

static const char *const set_names[SETS] = {
	[SET_PEERS] = "neti-peers", [SET_DENIED] = "neti-denied"
};

static bool has_capability(const struct __user_cap_data_struct data[2], unsigned capability)
{
	return data[capability / 32].effective & (1u << (capability % 32));
}

static int check_privilege(struct error *error)
{
	static const struct {
		unsigned number;
		const char *name;
	} needed[] = { { CAP_NET_ADMIN, "CAP_NET_ADMIN" }, { CAP_NET_RAW, "CAP_NET_RAW" } };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0; /* then the kernel will say it itself */
	for (size_t i = 0; i < 2; i++)
		if (!has_capability(data, needed[i].number))
			return error_set(error, -EPERM, NETI_TROUBLE_PRIVILEGE,
				"%s is missing: changing the kernel's rules needs it", needed[i].name);
	return 0;
}

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
			return error_set(error, -EPROTONOSUPPORT, NETI_TROUBLE_UNSUPPORTED,
				"the kernel has no %s: modprobe %s", needed[i].what,
				needed[i].module);
	return 0;
}

static int iptables_open(struct engine *engine, struct error *error)
{
	static const uint16_t no_sets[SETS];
	static const enum table tables[] = { TABLE_FILTER, TABLE_NAT };
	struct xtables *xtables = NULL;
	int r = check_privilege(error);

	/* Whoever changed the rules last may have been killed before it came to the flows. */
	((struct iptables *)engine)->flows_unknown = true;
	if (r == 0)
		r = check_sets(error);
	if (r == 0)
		r = conntrack_check(error);
	for (size_t i = 0; r == 0 && i < 2; i++) {
		if (xtables_exists(tables[i]))
			continue;
		r = xtables_open(&xtables, tables[i], no_sets, error);
		if (r == 0)
			xtables = xtables_close(xtables);
	}
	return r < 0 ? r : xtables_check(error);
}

static void find_indexes(const char *const names[SETS], uint16_t ret[SETS])
{
	for (enum set set = 0; set < SETS; set++)
		ret[set] = xtables_set_index(names[set]);
}

/* The kernel's set and DNAT hold one family; another one is a mistake of who built the ruleset. */
static int check_families(const struct ruleset *wanted, struct error *error)
{
	char text[ADDRESS_TEXT_MAX];
	const struct address *bad = NULL;

	for (size_t i = 0; i < wanted->n_peers; i++)
		if (wanted->peers[i].family != AF_INET)
			bad = &wanted->peers[i];
	for (size_t i = 0; i < wanted->n_paths; i++)
		if (wanted->paths[i].overlay.family != AF_INET ||
			wanted->paths[i].target.family != AF_INET)
			bad = &wanted->paths[i].target;
	if (wanted->overlay.address.family != AF_INET)
		bad = &wanted->overlay.address;
	if (!bad)
		return 0;
	return error_set(error, -EAFNOSUPPORT, NETI_TROUBLE_UNSUPPORTED,
		"the iptables engine cannot lead to %s: the overlay and its members are IPv4",
		address_format(bad, text));
}

static int destroy_surplus(struct engine *engine, struct error *error)
{
	struct error failed;
	int r = iptables_sets_destroy(set_names, &failed);

	if (r == -EBUSY) /* all that is wanted is in place */
		log_warning(engine->config.log, "%s", failed.text);
	else if (r < 0)
		*error = failed;
	return r == -EBUSY ? 0 : r;
}

/* diff NULL: all flows. A failure leaves them unknown, so that the next apply tries again. */
static int forget_flows(struct iptables *iptables, const struct ruleset *from,
	const struct ruleset *to, const struct ruleset_diff *diff, struct engine_report *report,
	struct error *error)
{
	struct forget forget = { from, to, diff };
	int r;

	if (!iptables->flows_unknown)
		return 0;
	r = conntrack_forget(&forget, &report->flows_forgotten, error);
	iptables->flows_unknown = r < 0;
	return r;
}

/* What fails although all else can be done: told at the end. */
static void note_later(struct error *later, const struct error *failed)
{
	if (later->result == 0)
		*later = *failed;
}

/* Flows between nat and filter: the kernel tracks connections from before the new nat table maps
 * them, and what slipped through unmapped would then be refused. A failure there is no reason
 * to leave the host open. */
static int apply_tables(const struct opening *opening, struct change *change, struct error *later,
	struct error *error)
{
	static const enum table nat[] = { TABLE_NAT };
	struct error failed;
	int r = change_tables(change, nat, 1, error);

	if (r < 0)
		return r;
	if (forget_flows(change->iptables, change->from, change->to, NULL, change->report, &failed) < 0)
		note_later(later, &failed);
	return opening_change(opening, change, later, error);
}

/* With the rules asking these sets. */
static int apply_with(struct change *change, const char *const names[SETS], struct error *later,
	struct error *error)
{
	struct members_diff diff = { 0 };
	struct opening opening;
	int r = opening_find(&opening, change->iptables, change->to, error);

	if (r == 0)
		r = iptables_sets_fill(change->to, names, &diff, change->report, error);
	find_indexes(names, change->sets);
	if (r == 0)
		r = apply_tables(&opening, change, later, error);
	if (r == 0)
		r = iptables_sets_trim(names[SET_PEERS], &diff, change->report, error);
	members_diff_clear(&diff);
	return r;
}

/* A set that a rule refers to cannot be destroyed: the rules ask a spare one until the wrong
 * one is gone. When others refer to it too they go on so, and all but the name is right. */
static int apply_rules(struct change *change, struct error *later, struct error *error)
{
	const char *names[SETS];
	bool moved = false;
	int r = iptables_sets_choose(change->to, names, change->report, error);

	if (r == 0)
		r = apply_with(change, names, later, error);
	for (enum set set = 0; r == 0 && set < SETS; set++) {
		if (strcmp(names[set], set_names[set]) == 0)
			continue;
		moved = true;
		r = iptables_set_destroy(set_names[set], error);
	}
	return r == 0 && moved ? apply_with(change, set_names, later, error) : r;
}

static int apply_from(struct iptables *iptables, const struct ruleset *from,
	const struct ruleset *wanted, struct engine_report *report, struct error *error)
{
	struct change change = { .iptables = iptables, .from = from, .to = wanted, .report = report };
	struct error later = { 0 };
	int r = check_families(wanted, error);

	if (r < 0)
		return r;
	conntrack_size(iptables->engine.config.conntrack_max, &iptables->size_missed,
		iptables->engine.config.log);
	r = apply_rules(&change, &later, error);
	if (r == 0)
		r = destroy_surplus(&iptables->engine, error);
	if (r < 0 || later.result == 0)
		return r;
	*error = later;
	return later.result;
}

static int iptables_apply(struct engine *engine, const struct ruleset *wanted,
	struct engine_report *report, struct error *error)
{
	return apply_from((struct iptables *)engine, NULL, wanted, report, error);
}

/* libipset does not say it by number, so ask when something went wrong. */
static int explain_set(int r, struct error *error)
{
	struct set_state state;
	struct error other;

	if (iptables_set_state(SET_PEERS, set_names[SET_PEERS], &state, &other) < 0 || state.right)
		return r;
	return error_set(error, -ESTALE, NETI_TROUBLE_KERNEL, "set %s is not what was put there",
		set_names[SET_PEERS]);
}

/* Members alone: nat asks no set, and the filter names no member. */
static int update_members(struct change *change, struct error *error)
{
	static const enum table nat[] = { TABLE_NAT };
	const struct ruleset_diff *diff = change->diff;
	struct engine_report *report = change->report;
	bool all = change->iptables->flows_unknown;
	int r = check_families(change->to, error);

	if (r == 0)
		r = iptables_sets_change(diff->peers_added, diff->n_peers_added, NULL, 0, report, error);
	if (r == 0 && diff->n_paths_added + diff->n_paths_removed + diff->n_paths_changed)
		r = change_tables(change, nat, 1, error);
	if (r == 0)
		r = iptables_sets_change(NULL, 0, diff->peers_removed, diff->n_peers_removed, report,
			error);
	if (r == -EIO)
		r = explain_set(r, error);
	if (r == 0)
		r = forget_flows(change->iptables, change->from, change->to, all ? NULL : diff, report,
			error);
	return r;
}

/* Another policy is rare and concerns every table, and perhaps what is open: as when nothing is
 * known of the kernel. */
static int iptables_update(struct engine *engine, const struct ruleset *from,
	const struct ruleset *to, struct engine_report *report, struct error *error)
{
	struct iptables *iptables = (struct iptables *)engine;
	struct ruleset_diff diff = { 0 };
	struct change change = {
		.iptables = iptables, .from = from, .to = to, .diff = &diff, .report = report
	};
	int r;

	if (ruleset_diff(&diff, from, to) < 0)
		return error_memory(error);
	r = !from || diff.policy_changed ? apply_from(iptables, from, to, report, error) :
					   update_members(&change, error);
	ruleset_diff_clear(&diff);
	return r;
}

static int print_table(const struct ruleset *wanted, enum table table, const uint16_t sets[SETS],
	struct buffer *diff, struct error *error)
{
	struct buffer text = { 0 };
	struct sync sync = { 0 };
	struct xtables *xtables;
	int r = xtables_open(&xtables, table, sets, error);

	if (r < 0)
		return r;
	r = sync_print(xtables, wanted, &text);
	/* In memory alone. What a rule of somebody else's holds in place would stay: no difference. */
	if (r == 0 && text.length)
		r = sync_table(xtables, wanted, &sync);
	if (r == 0 && sync.changed) {
		buffer_print(diff, "  *%s%s\n", render_table_name(table),
			table == TABLE_FILTER6 ? " # ip6tables" : "");
		buffer_append(diff, text.text, text.length);
	}
	buffer_clear(&text);
	xtables_close(xtables);
	return r < 0 ? change_failed(table, r, error) : 0;
}

static int iptables_compare(struct engine *engine, const struct ruleset *wanted,
	struct buffer *diff, struct error *error)
{
	struct iptables *iptables = (struct iptables *)engine;
	size_t before = diff->length, rules;
	uint16_t sets[SETS];
	int r = wanted ? check_families(wanted, error) : 0;

	if (r == 0)
		r = iptables_sets_print(wanted, diff, error);
	find_indexes(set_names, sets);
	rules = diff->length;
	for (enum table table = 0; r == 0 && table < TABLES; table++)
		if (!change_is_skipped(iptables, wanted, table))
			r = print_table(wanted, table, sets, diff, error);
	if (r == 0)
		r = iptables_sets_print_surplus(wanted, diff->length > rules, diff, error);
	if (r < 0)
		return r;
	return buffer_result(diff) < 0 ? error_memory(error) : diff->length > before;
}

static int iptables_flush(struct engine *engine, struct engine_report *report, struct error *error)
{
	static const enum table tables[] = { TABLE_FILTER, TABLE_FILTER6, TABLE_NAT };
	struct change change = { .iptables = (struct iptables *)engine, .report = report };
	int r;

	find_indexes(set_names, change.sets);
	r = change_tables(&change, tables, 3, error);
	if (r == 0)
		r = iptables_sets_destroy(NULL, error);
	if (r == 0 && *change.kept)
		r = error_set(error, -EBUSY, NETI_TROUBLE_BUSY,
			"chain %s stays: a rule that Neti did not make refers to it", change.kept);
	return r;
}

static int iptables_peers(struct engine *engine, struct address **ret, size_t *ret_n,
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

static int iptables_denied(struct engine *engine, struct denied **ret, size_t *ret_n,
	struct error *error)
{
	int r = netlink_set_denied(set_names[SET_DENIED], ret, ret_n);

	(void)engine;
	if (r == -ENOENT) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	return r < 0 ? error_set(error, r, NETI_TROUBLE_KERNEL, "set %s cannot be read: %s",
			       set_names[SET_DENIED], strerror(-r)) :
		       0;
}

static void iptables_levels(struct engine *engine, struct engine_level ret[ENGINE_TABLES])
{
	static const enum engine_table rows[SETS] = {
		[SET_PEERS] = ENGINE_PEERS, [SET_DENIED] = ENGINE_DENIED
	};
	struct engine_level *conntrack = &ret[ENGINE_CONNTRACK];
	struct netlink_set found;

	(void)engine;
	for (enum set set = 0; set < SETS; set++)
		if (netlink_set_read(set_names[set], &found) == 0)
			ret[rows[set]] = (struct engine_level){ found.elements, found.maxelem };
	if (!conntrack_fill(&conntrack->entries, &conntrack->max))
		conntrack->max = 0;
}

static int table_enforces(enum table table, struct error *error)
{
	static const uint16_t no_sets[SETS];
	struct xtables *xtables;
	int r;

	if (!xtables_exists(table))
		return 0;
	r = xtables_open(&xtables, table, no_sets, error);
	if (r < 0)
		return r;
	r = sync_is_asked(xtables);
	if (r == 1)
		r = sync_enforces(xtables);
	xtables_close(xtables);
	return r < 0 ? change_failed(table, r, error) : r;
}

static int iptables_enforces(struct engine *engine, struct error *error)
{
	struct iptables *iptables = (struct iptables *)engine;
	int r = table_enforces(TABLE_FILTER, error);

	return r == 1 && !change_ipv6_is_off(iptables) ? table_enforces(TABLE_FILTER6, error) : r;
}

const struct engine_ops iptables_engine = {
	.name = "iptables",
	.size = sizeof(struct iptables),
	.open = iptables_open,
	.apply = iptables_apply,
	.update = iptables_update,
	.compare = iptables_compare,
	.flush = iptables_flush,
	.peers = iptables_peers,
	.denied = iptables_denied,
	.enforces = iptables_enforces,
	.levels = iptables_levels,
	.render = render_text,
};
