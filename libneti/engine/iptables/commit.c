/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes a table under the lock, and again when somebody without the lock came in between.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "commit.h"
#include "lock.h"
#include "sync.h"

#define ATTEMPTS 10 /* at a table that somebody else keeps changing without the lock */

/* IPv6 switched off as a whole has no packets either. */
bool commit_ipv6_is_off(struct iptables *iptables)
{
	if (access("/proc/thread-self/net/if_inet6", F_OK) == 0)
		return false;
	if (!iptables->ipv6_missed)
		log_info(iptables->engine.log,
			"this kernel has no IPv6: no ip6tables rules are made");
	iptables->ipv6_missed = true;
	return true;
}

bool commit_is_skipped(struct iptables *iptables, const struct ruleset *wanted, enum table table)
{
	if (!wanted || (table == TABLE_FILTER6 && !wanted->policy.reject_all))
		return !xtables_exists(table);
	return table == TABLE_FILTER6 && commit_ipv6_is_off(iptables);
}

int commit_failed(enum table table, int r, struct error *error)
{
	const char *program = table == TABLE_FILTER6 ? "ip6tables" : "iptables";
	const char *name = render_table_name(table);

	if (r == -ENOMEM)
		return error_memory(error);
	if (r == -ESTALE)
		return error_set(error, r, NETI_REASON_KERNEL,
			"another program changed Neti's rules in the %s table %s", program, name);
	return error_set(error, r, NETI_REASON_KERNEL, "cannot change the %s table %s: %s", program,
		name, strerror(-r));
}

void commit_find_indexes(const char *const names[SETS], uint16_t ret[SETS])
{
	for (enum set set = 0; set < SETS; set++)
		ret[set] = xtables_set_index(names[set]);
}

static int try_table(struct change *change, enum table table, const uint16_t sets[SETS],
	struct error *error)
{
	struct sync sync = { 0 };
	struct xtables *xtables;
	int r = xtables_open(&xtables, table, sets, error);

	if (r < 0)
		return r;
	r = change->diff ? sync_tree(xtables, change->from, change->to, change->diff, &sync) :
			   sync_table(xtables, change->to, change->enforce, &sync);
	if (r < 0)
		r = commit_failed(table, r, error);
	else if (sync.changed)
		r = xtables_commit(xtables, error);
	change->tried |= sync.changed > 0;
	xtables_close(xtables);
	if (r < 0)
		return r;
	memcpy(change->kept, sync.kept, sizeof(change->kept));
	change->report->entries += sync.changed;
	change->report->changed |= sync.changed > 0;
	return change->tried;
}

/* EAGAIN: somebody changed the number of rules before our commit; EINVAL: between our commit
 * and the counters that follow it. */
int commit_change(struct change *change, enum table table, struct error *error)
{
	struct iptables *iptables = change->iptables;
	uint16_t sets[SETS];
	int r = -EAGAIN, lock;

	if (commit_is_skipped(iptables, change->to, table))
		return 0;
	commit_find_indexes(change->names, sets);
	lock = xtables_lock(iptables->engine.settings->xtables_lock, &iptables->lock_busy, error);
	if (lock < 0)
		return lock;
	for (unsigned i = 0; (r == -EAGAIN || r == -EINVAL) && i < ATTEMPTS; i++)
		r = try_table(change, table, sets, error);
	xtables_unlock(lock);
	if (r >= 0 && *change->kept) /* not before: the log may do anything */
		log_warning(iptables->engine.log,
			"chain %s stays: a rule that Neti did not make refers to it", change->kept);
	return r;
}
