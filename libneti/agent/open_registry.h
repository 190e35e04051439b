/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_OPEN_REGISTRY_H
#define NETI_OPEN_REGISTRY_H
/*
 * The way from settings to an open registry, for the agent and for the public calls.
 */
#include "registry/registry.h"
#include "settings/settings.h"

int open_registry(struct registry **ret, const struct settings *settings,
	const struct fleet_settings *initial, const struct registry_handler *handler,
	const struct log *log, struct error *error);

#endif
