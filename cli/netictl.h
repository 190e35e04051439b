/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_NETICTL_H
#define NETI_CLI_NETICTL_H
/*
 * What the commands share: the options as given and the opened handles. A command returns the
 * exit status.
 */
#include "neti/neti.h"
#include "options.h"

#define EXIT_CHECK_UNKNOWN 3 /* check alone */

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* failed or not found */
	EXIT_USAGE = 2,	 /* usage or settings */
	EXIT_CHANGES = 3 /* plan: changes; verify: drift; check has codes of its own */
};

struct netictl {
	struct command_line line;
	struct neti_context *context;
	struct neti_settings *settings;
};

int command_run(struct netictl *netictl);
int command_register(struct netictl *netictl);
int command_list(struct netictl *netictl);
int command_lookup(struct netictl *netictl);
int command_watch(struct netictl *netictl);
int command_plan(struct netictl *netictl);
int command_apply(struct netictl *netictl);
int command_verify(struct netictl *netictl);
int command_confirm(struct netictl *netictl);
int command_denied(struct netictl *netictl);
int command_flush(struct netictl *netictl);
int command_status(struct netictl *netictl);
int command_release(struct netictl *netictl);
int command_reclaim(struct netictl *netictl);
int command_fleet(struct netictl *netictl);
int command_check(struct netictl *netictl);
int check_unknown(const struct netictl *netictl, const char *sentence);
int command_proxy(struct netictl *netictl);
int command_report(struct netictl *netictl);

#endif
