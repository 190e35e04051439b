/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_INSIDE_H
#define NETI_CLI_INSIDE_H
/*
 * Settings that mean something to netictl alone, and have no public call: the tool links the
 * library's static twin and reaches inside.
 */
#include "api/api.h"

static inline const struct settings *settings_inside(const struct neti_settings *settings)
{
	return settings->settings;
}

#endif
