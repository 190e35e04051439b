/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_NETICTL_H
#define NETI_CLI_NETICTL_H
/*
 * What the commands share: the options as given, the opened handles, and how results and
 * failures are told. A command returns the exit status.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "neti/neti.h"

#define EXIT_CHECK_UNKNOWN 3 /* check alone */

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* failed or not found */
	EXIT_USAGE = 2,	 /* usage or settings */
	EXIT_CHANGES = 3 /* plan: changes; verify: drift; check has codes of its own */
};

struct command_line {
	const char *config; /* NULL: the default file, if it is there */
	const char *registry;
	const char *field;
	const char *confirm;
	const char *id;
	const char *older_than;
	bool dry_run;
	const char *below;     /* report: a version */
	const char *inventory; /* report: a file, or "-" */
	const char *listen, *to; /* proxy */
	bool json, quiet, verbose, all, takeover, accept, from_state, text;
	int count; /* the command's own arguments */
	char **arguments;
};

struct netictl {
	struct command_line line;
	struct neti_context *context;
	struct neti_settings *settings;
};

struct command {
	const char *name;
	const char *arguments; /* for the usage line */
	const char *help;
	int least, most; /* arguments */
	const char *options; /* letters of the options it takes beside the common ones */
	int (*run)(struct netictl *netictl);
};

extern const struct command commands[];

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
int check_unknown(const struct netictl *netictl, const char *sentence); /* the exit status */
int command_proxy(struct netictl *netictl);
int command_report(struct netictl *netictl);

/* One sentence on stderr; say_failure takes the context's and chooses the exit status. */
void say(const struct netictl *netictl, const char *format, ...) __attribute__((format(printf, 2, 3)));
int say_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
int say_memory(void); /* EXIT_FAILED */
int say_failure(const struct netictl *netictl);
/* Reads the settings file over netictl->settings, then the command line's own. 0 or -errno. */
int load_settings(struct netictl *netictl, struct neti_settings *settings);

/* Whether somebody holds a lock on that file; false without the right to ask. */
bool lock_is_held(const char *folder, const char *name);

/* Prints and frees. */
int print_json(json_t *json);
int print_lines(const char *name, const char *text); /* {NAME: [a string for each line]} */
int list_json(const struct neti_members *members); /* {"members": [...]} */
json_t *member_json(const struct neti_member *member);

#endif
