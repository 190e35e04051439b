/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decides between the smallest and the whole work on the kernel. Waits for nothing but the
 * engine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "applier.h"
#include "engine/guard.h"
#include "ruleset/ruleset_text.h"

int applier_open(struct applier *applier, const struct settings *settings, const struct log *log,
	struct error *error)
{
	*applier = (struct applier){ .log = log };
	return engine_open(&applier->engine, settings, log, error);
}

int applier_reopen(struct applier *applier, const struct settings *settings, struct error *error)
{
	struct engine *fresh;
	int result = engine_open(&fresh, settings, applier->log, error);

	if (result < 0)
		return result;
	engine_close(applier->engine);
	applier->engine = fresh;
	applier->unsure = true;
	return 0;
}

void applier_close(struct applier *applier)
{
	engine_close(applier->engine);
	ruleset_free(applier->applied);
	*applier = (struct applier){ 0 };
}

/* The first apply after a start finds what an earlier agent left: the guard counts against it.
 * What is held once stays held, until all of it is wanted again or accepted. */
static int guard_first(struct applier *applier, const struct fleet_settings *fleet,
	const struct ruleset *wanted, struct error *error)
{
	struct fleet_settings limits = *fleet;

	if (applier->held && applier->accepted)
		return 0;
	applier->accepted = false;
	if (applier->held)
		limits.max_removals = limits.max_removals_percent = 0;
	return guard_check(applier->engine, &limits, wanted, &applier->held, error);
}

int applier_apply(struct applier *applier, const struct fleet_settings *fleet,
	struct ruleset *wanted, struct engine_report *ret, struct error *error)
{
	int result = -ESTALE;

	if ((!applier->applied || !applier->counted) &&
		guard_first(applier, fleet, wanted, error) < 0)
		return error->result;
	if (applier->applied && !applier->unsure)
		result = engine_update(applier->engine, applier->applied, wanted, ret, error);
	if (result == -ESTALE)
		result = engine_apply(applier->engine, wanted, ret, error);
	ruleset_free(applier->applied);
	applier->applied = result < 0 ? NULL : wanted;
	applier->unsure = false;
	if (result >= 0) {
		applier->held = 0;
		applier->accepted = false;
		applier->counted = true;
	}
	return result;
}

int applier_follow(struct applier *applier, const struct fleet_settings *fleet,
	const struct member *self, const struct member_list *members,
	const struct address *overlays, size_t n, struct changes *changes,
	struct engine_report *ret, struct error *error)
{
	struct ruleset_diff diff = { 0 };
	int result;

	if (!applier->applied || applier->unsure || !applier->counted ||
		!engine_changes_in_place(applier->engine))
		return -ESTALE;
	result = ruleset_revise(applier->applied, fleet, self, members, overlays, n, &diff);
	if (result == -ESTALE)
		return result;
	if (result < 0)
		error_memory(error);
	else
		result = engine_change(applier->engine, NULL, applier->applied, &diff, ret, error);
	if (result == -ESTALE)
		result = engine_apply(applier->engine, applier->applied, ret, error);
	if (result < 0)
		applier->applied = ruleset_free(applier->applied);
	changes_count(changes, ruleset_diff_lines(&diff));
	if (changes_suffice(changes))
		ruleset_diff_print(&diff, &changes->lines);
	ruleset_diff_clear(&diff);
	return result;
}

int applier_start(struct applier *applier, struct ruleset *wanted, struct error *error)
{
	struct address *peers = NULL;
	size_t n = 0;
	int result = engine_peers(applier->engine, &peers, &n, error);

	if (result == 0 && ruleset_add_peers(wanted, peers, n) < 0)
		result = error_memory(error);
	free(peers);
	if (result == 0)
		result = engine_apply(applier->engine, wanted, NULL, error);
	if (result < 0)
		return result;
	ruleset_free(applier->applied);
	applier->applied = wanted;
	return 0;
}

int applier_check(struct applier *applier, struct buffer *diff, struct error *error)
{
	struct engine_report report;
	int result;

	if (!applier->applied)
		return 0;
	if (applier->unsure) { /* an engine that has put up nothing yet: no drift */
		result = engine_apply(applier->engine, applier->applied, &report, error);
		applier->unsure = result < 0;
		return result < 0 ? result : 0;
	}
	result = engine_compare(applier->engine, applier->applied, diff, error);
	if (result == 1) {
		result = engine_apply(applier->engine, applier->applied, &report, error);
		result = result < 0 ? result : 1;
	}
	/* Whoever is in the way for the moment has not changed what is known. */
	if (result < 0 && result != -EAGAIN)
		applier->applied = ruleset_free(applier->applied);
	return result;
}

static bool is_peer(const struct ruleset *ruleset, const struct member *member,
	const struct address *peers, size_t n_peers)
{
	size_t path = ruleset_path_index(ruleset, &member->overlay);

	return path < ruleset->n_paths &&
	       address_equal(&ruleset->paths[path].overlay, &member->overlay) &&
	       address_is_among(&ruleset->paths[path].target, peers, n_peers);
}

/* A member is kept when the address it is reached at is a peer in the kernel now; so is this
 * host, which is no peer of its own. */
static void drop_unknown(struct member_list *members, const struct member *self,
	const struct ruleset *ruleset, const struct address *peers, size_t n_peers)
{
	size_t kept = 0;

	for (size_t i = 0; i < members->length; i++) {
		struct member *member = members->items[i];

		if (strcmp(member->id, self->id) == 0 || is_peer(ruleset, member, peers, n_peers))
			members->items[kept++] = member;
		else
			member_unref(member);
	}
	members->length = kept;
}

int applier_filter(struct applier *applier, const struct policy *policy,
	const struct fleet_settings *fleet, const struct member *self, struct member_list *members,
	struct error *error)
{
	struct ruleset *ruleset;
	struct address *peers = NULL;
	size_t n_peers = 0;
	int result = engine_peers(applier->engine, &peers, &n_peers, error);

	if (result < 0)
		return result;
	if (ruleset_build(&ruleset, policy, fleet, self, members, NULL) < 0) {
		free(peers);
		return error_memory(error);
	}
	address_sort(peers, n_peers);
	drop_unknown(members, self, ruleset, peers, n_peers);
	ruleset_free(ruleset);
	free(peers);
	return 0;
}
