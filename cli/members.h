/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_MEMBERS_H
#define NETI_CLI_MEMBERS_H
/*
 * Members as JSON.
 */
#include <jansson.h>

#include "neti/neti.h"

json_t *member_json(const struct neti_member *member);
int print_members_json(const struct neti_members *members); /* {"members": [...]}; the exit status */

#endif
