/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_API_H
#define NETI_API_H
/*
 * The objects behind the public handles. Each holds a reference to its context, where its
 * failures are told; the work is done by the layers below.
 */
#include "base/error.h"
#include "base/log.h"
#include "engine/engine.h"
#include "fleet/fleet_settings.h"
#include "fleet/members.h"
#include "registry/registry.h"
#include "ruleset/ruleset.h"
#include "settings/settings.h"

struct neti_context {
	unsigned references;
	struct log log;
	struct error error;
};

struct neti_settings {
	unsigned references;
	struct neti_context *context;
	struct settings *settings;
};

struct neti_registry {
	unsigned references;
	struct neti_context *context;
	struct settings *settings;
	struct fleet_settings initial; /* what a fleet is made with */
	unsigned chosen;	       /* keys of it that the caller set */
	struct registry *registry;     /* NULL before the first call */
	bool makes;		       /* opened so that it may make the fleet */
	unsigned calls;		       /* under way: more than one from a log callback alone */
	struct log log;		       /* leads to the context's, whatever that is by then */
	int timeout_ms;
	int process; /* pid of the process that opened it */
};

struct neti_ruleset {
	unsigned references;
	struct neti_context *context;
	struct ruleset *ruleset;
	struct fleet_settings fleet;
	char engine[NAME_NETWORK_MAX + 1]; /* in whose words it is printed */
};

struct neti_engine {
	unsigned references;
	struct neti_context *context;
	struct engine *engine;
};

/* Keeps the error for neti_context_message() and returns its result. */
int context_fail(struct neti_context *context, const struct error *error);
/* The same for -ENOMEM. */
int context_fail_memory(struct neti_context *context);

/* Opens the registry in this call, when it is not open yet. Also after a failure the call ends
 * with registry_leave(), which keeps the error as context_fail() does and returns the result. */
int registry_enter(struct neti_registry *registry, bool make, struct error *error);
int registry_leave(struct neti_registry *registry, int result, const struct error *error);

#endif
