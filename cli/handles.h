/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_HANDLES_H
#define NETI_CLI_HANDLES_H
/*
 * Locals that are given back where their block ends, as json_auto_t is: they begin as NULL.
 */
#include <stdlib.h>

#include "neti/neti.h"

#define auto_text __attribute__((cleanup(free_text))) char
#define auto_registry __attribute__((cleanup(unref_registry))) struct neti_registry
#define auto_members __attribute__((cleanup(unref_members))) struct neti_members
#define auto_ruleset __attribute__((cleanup(unref_ruleset))) struct neti_ruleset
#define auto_engine __attribute__((cleanup(unref_engine))) struct neti_engine
#define auto_denied __attribute__((cleanup(unref_denied))) struct neti_denied
#define auto_settings __attribute__((cleanup(unref_settings))) struct neti_settings

static inline void free_text(char **text)
{
	free(*text);
}

static inline void unref_registry(struct neti_registry **registry)
{
	neti_registry_unref(*registry);
}

static inline void unref_members(struct neti_members **members)
{
	neti_members_unref(*members);
}

static inline void unref_ruleset(struct neti_ruleset **ruleset)
{
	neti_ruleset_unref(*ruleset);
}

static inline void unref_engine(struct neti_engine **engine)
{
	neti_engine_unref(*engine);
}

static inline void unref_denied(struct neti_denied **denied)
{
	neti_denied_unref(*denied);
}

static inline void unref_settings(struct neti_settings **settings)
{
	neti_settings_unref(*settings);
}

#endif
