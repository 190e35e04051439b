/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_AGENT_H
#define NETI_AGENT_H
/*
 * What the worker carries from the registry to the kernel, and what all its files tell. One
 * thread's own: no locks.
 */
#include "applier.h"
#include "base/sealed_file.h"
#include "events.h"
#include "fleet/fleet.h"
#include "fleet/view.h"
#include "pace.h"
#include "refresh.h"
#include "registry/registry.h"
#include "status.h"

struct agent_options {
	bool member;   /* be in the fleet */
	bool rules;    /* keep the kernel in step */
	bool takeover; /* take the id over from a live member */
	enum neti_log_level log_level;
};

/* What the rules do not have yet. */
struct stale {
	bool rules; /* view, policy or subnet is not what was applied */
	bool whole; /* more than the members at these overlay addresses */
	struct address overlays[FLEET_VIEW_PATCH_MAX];
	size_t n;
};

struct agent {
	struct settings *settings;
	struct agent_options options;
	struct events *events;
	const struct log *log;
	struct registry *registry;
	/* The worker's, set after the open. delta NULL: anything may be another. */
	void (*view_changed)(void *data, const struct fleet_delta *delta);
	void *view_data;
	struct applier applier;
	struct refresh refresh;
	struct member *self;
	struct fleet *fleet; /* NULL before the fleet's settings were read */
	struct fleet_settings fleet_settings;
	struct fleet_settings initial; /* what the first member of all makes the fleet with */
	struct status status;
	bool registered;
	bool moving;	       /* the settings have other addresses than the entry was asked for */
	uint64_t kept_session; /* the newest in the file of sessions */
	struct stale stale;
	struct changes fleet_changes, ruleset_changes; /* of what is kept in state_dir */
	bool policy_stale; /* what was put up before the fleet was read is by older settings */
	bool status_stale;
	bool state_stale;
	bool doubts_stale;	/* who is held or doubted is not what the state says */
	bool doubts_kept;	/* the state names somebody who may be proved meanwhile */
	bool foreign;		/* the registry holds another fleet now: nothing of it counts */
	struct prefix_list own; /* networks of this host that overlap the overlay */
	unsigned failures;	/* of the kernel, in a row */
	struct pace pace;
	int64_t fleet_due; /* -1: none */
	int64_t check_due, checked_at;
	struct engine_heard heard;	  /* who changed the rules */
	int64_t networks_due, policy_due; /* -1: never */
	int64_t status_due;
	int64_t metrics_due, denied_due;
	int64_t state_due, state_since;
	double state_seconds; /* that writing it took the last time */
};

/* Nothing of the rules is known to be as it should. */
void agent_rules_stale(struct agent *agent);
/* What the registry wants is not in force yet: it is not read, or the guard holds it. */
bool agent_waits(const struct agent *agent);
/* Tells the caller and the status file what is not well, and when that is over. */
void agent_trouble(struct agent *agent, enum trouble_cause cause, const struct error *error);
void agent_well(struct agent *agent, enum trouble_cause cause);

#endif
