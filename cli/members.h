/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_MEMBERS_H
#define NETI_CLI_MEMBERS_H
/*
 * Members: read from the registry, and as JSON.
 */
#include <jansson.h>

#include "netictl.h"

/* As neti_registry_list(), with a registry of its own and a line on the terminal meanwhile. */
int members_read(const struct netictl *netictl, unsigned flags, struct neti_members **ret);
json_t *member_json(const struct neti_member *member);
int print_members_json(const struct neti_members
		*members); /* {"members": [...]}; the exit status */

#endif
