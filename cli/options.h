/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_OPTIONS_H
#define NETI_CLI_OPTIONS_H
/*
 * The command line.
 */
#include <stdbool.h>

#include "neti/neti.h"

#define OPTIONS_CONFIG "/etc/neti/neti.yml"

struct netictl;

struct command_line {
	const char *config; /* NULL: OPTIONS_CONFIG, if it is there */
	const char *registry;
	const char *field;
	const char *confirm;
	const char *id;
	const char *older_than;
	const char *below;	 /* report: a version */
	const char *inventory;	 /* report: a file, or "-" */
	const char *listen, *to; /* proxy */
	bool json, quiet, verbose, all, takeover, accept, from_state, text, dry_run, help, version;
	int count; /* the command's own arguments */
	char **arguments;
};

struct command {
	const char *name;
	const char *arguments; /* for the usage line */
	const char *help;
	int least, most;     /* arguments */
	const char *options; /* letters of the options it takes beside the common ones */
	int (*run)(struct netictl *netictl);
};

/* 0, or the exit status after saying what is wrong. The command stands before its arguments. */
int options_parse(struct command_line *ret, int argc, char **argv);
/* The same: whether the command takes these options and arguments. */
int options_check(const struct command_line *line, const struct command *command);
/* A line on stdout for each of these, then for those that every command takes. */
void options_print(const char *letters);
/* Reads the settings file, then the command line's own over it. 0 or -errno. */
int options_load(const struct command_line *line, struct neti_settings *settings);

#endif
