/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes tables one by one under the lock, and again when somebody without the lock came in
 * between.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "commit.h"
#include "lock.h"
#include "sync.h"

#define ATTEMPTS 10 /* at a table that somebody else keeps changing without the lock */

/* IPv6 switched off as a whole has no packets either. */
bool change_ipv6_is_off(struct iptables *iptables)
{
	if (access("/proc/thread-self/net/if_inet6", F_OK) == 0)
		return false;
	if (!iptables->ipv6_missed)
		log_info(iptables->engine.config.log,
			"this kernel has no IPv6: no ip6tables rules are made");
	iptables->ipv6_missed = true;
	return true;
}

bool change_is_skipped(struct iptables *iptables, const struct ruleset *wanted, enum table table)
{
	if (!wanted || (table == TABLE_FILTER6 && !wanted->policy.reject_all))
		return !xtables_exists(table);
	return table == TABLE_FILTER6 && change_ipv6_is_off(iptables);
}

int change_failed(enum table table, int r, struct error *error)
{
	const char *program = table == TABLE_FILTER6 ? "ip6tables" : "iptables";
	const char *name = render_table_name(table);

	if (r == -ENOMEM)
		return error_memory(error);
	if (r == -ESTALE)
		return error_set(error, r, NETI_TROUBLE_KERNEL,
			"the %s table %s holds something else than was put there", program, name);
	return error_set(error, r, NETI_TROUBLE_KERNEL, "cannot change the %s table %s: %s", program,
		name, strerror(-r));
}

static int try_table(struct change *change, enum table table, struct error *error)
{
	struct sync sync = { 0 };
	struct xtables *xtables;
	int r = xtables_open(&xtables, table, change->sets, error);

	if (r < 0)
		return r;
	r = change->diff ? sync_tree(xtables, change->from, change->to, change->diff, &sync) :
			   sync_table(xtables, change->to, &sync);
	if (r < 0) {
		r = change_failed(table, r, error);
	} else if (sync.changed) {
		change->iptables->flows_unknown |= table == TABLE_NAT;
		r = xtables_commit(xtables, error);
		change->report->commits += r == 0;
		change->report->chains_changed += r == 0 ? sync.changed : 0;
	}
	xtables_close(xtables);
	if (r == 0 && *sync.kept)
		memcpy(change->kept, sync.kept, sizeof(change->kept));
	return r;
}

/* EAGAIN: somebody changed the number of rules before our commit; EINVAL: between our commit
 * and the counters that follow it. */
static int change_table(struct change *change, enum table table, struct error *error)
{
	int r = -EAGAIN;

	for (unsigned i = 0; (r == -EAGAIN || r == -EINVAL) && i < ATTEMPTS; i++)
		r = try_table(change, table, error);
	return r;
}

int change_tables(struct change *change, const enum table *tables, size_t n, struct error *error)
{
	const struct engine_config *config = &change->iptables->engine.config;
	char before[sizeof(change->kept)];
	int r = 0, lock = -1;

	memcpy(before, change->kept, sizeof(before));
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (change_is_skipped(change->iptables, change->to, tables[i]))
			continue;
		if (lock < 0)
			r = lock = xtables_lock(config->lock_timeout_ms, &change->iptables->lock_busy,
				    &change->report->lock_seconds, error);
		if (r >= 0)
			r = change_table(change, tables[i], error);
	}
	if (lock >= 0)
		xtables_unlock(lock);
	if (strcmp(change->kept, before) != 0) /* not before: the log may do anything */
		log_warning(config->log,
			"chain %s stays: a rule that Neti did not make refers to it", change->kept);
	return r;
}
