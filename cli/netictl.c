/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netictl: reads the command line and hands over to one command.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "output.h"

static const struct command commands[] = {
	{ "run", "", "be the agent: join the fleet and keep the rules, in the foreground", 0, 0,
		"t", command_run },
	{ "register", "", "take or find this host's lease; print its overlay address", 0, 0, "itj",
		command_register },
	{ "list", "", "live members; with --all also leases without one", 0, 0, "aj",
		command_list },
	{ "lookup", "KEY", "a member by id, overlay, private or public address", 1, 1, "fj",
		command_lookup },
	{ "watch", "", "a line for each change of the fleet, until interrupted", 0, 0, "j",
		command_watch },
	{ "plan", "", "what apply would change, as a diff", 0, 0, "STj", command_plan },
	{ "apply", "", "make the kernel match the registry, once", 0, 0, "ACS", command_apply },
	{ "confirm", "", "keep the rules that apply --confirm made", 0, 0, "", command_confirm },
	{ "verify", "", "compare the kernel with the registry; print the drift", 0, 0, "j",
		command_verify },
	{ "denied", "", "who was refused, or would have been", 0, 0, "j", command_denied },
	{ "flush", "", "take away all that Neti put into the kernel", 0, 0, "", command_flush },
	{ "status", "", "the agent of this host", 0, 0, "j", command_status },
	{ "check", "", "one line on this host for a monitoring system", 0, 0, "j", command_check },
	{ "report", "", "the fleet: networks, versions, who is behind, who is missing", 0, 0, "bIj",
		command_report },
	{ "release", "ID", "give a lease back; never one that is live", 1, 1, "", command_release },
	{ "reclaim", "--older-than TIME", "give back the leases nobody has joined with for so long",
		0, 0, "Onj", command_reclaim },
	{ "fleet", "init [KEY VALUE]...|show|set KEY VALUE|accept", "fleet-wide settings", 1,
		INT_MAX, "j", command_fleet },
	{ "proxy", "apply|flush|status", "forward hosts of this network to ZooKeeper in another", 1,
		1, "Loj", command_proxy },
	{ 0 },
};

static void write_log(void *data, enum neti_log_level level, const char *text)
{
	(void)data;
	(void)level;
	say_error("%s", text);
}

static int help_all(void)
{
	puts("usage: netictl [OPTION]... COMMAND [ARGUMENT]...\n\ncommands:");
	for (const struct command *command = commands; command->name; command++)
		printf("  %-10s %s\n", command->name, command->help);
	puts("\noptions, before or after the command:");
	options_print("");
	puts("\n\"netictl COMMAND --help\" tells more; so does netictl(8).");
	return EXIT_DONE;
}

static int help_command(const struct command *command)
{
	printf("usage: netictl [OPTION]... %s%s%s\n\n%c%s.\n\n", command->name,
		*command->arguments ? " " : "", command->arguments,
		command->help[0] -
			('a' <= command->help[0] && command->help[0] <= 'z' ? 'a' - 'A' : 0),
		command->help + 1);
	options_print(command->options);
	return EXIT_DONE;
}

static const struct command *find_command(const char *name)
{
	const struct command *command = commands;

	while (command->name && strcmp(command->name, name) != 0)
		command++;
	return command->name ? command : NULL;
}

/* A command that answers once says itself what went wrong; the library's warnings on the way
 * would only repeat it. Those that stay show them. */
static bool answers_once(const struct command *command)
{
	return command->run != command_run && command->run != command_watch &&
	       command->run != command_register;
}

static int open_and_run(const struct command *command, struct netictl *netictl)
{
	bool verbose = netictl->line.verbose;
	int status;

	if (neti_context_new(&netictl->context) < 0)
		return say_memory();
	if (!netictl->line.quiet)
		neti_context_set_log(netictl->context, verbose ? NETI_LOG_DEBUG : NETI_LOG_WARNING,
			write_log, NULL);
	if (neti_settings_new(&netictl->settings, netictl->context) < 0 ||
		options_load(&netictl->line, netictl->settings) < 0) {
		status = command->run == command_check ?
				 check_unknown(netictl, neti_context_message(netictl->context)) :
				 (say_failure(netictl), EXIT_USAGE);
	} else {
		if (answers_once(command) && !verbose)
			neti_context_set_log(netictl->context, NETI_LOG_ERROR, NULL, NULL);
		status = command->run(netictl);
	}
	neti_settings_unref(netictl->settings);
	neti_context_unref(netictl->context);
	return status;
}

/* What was written may still wait to be, and the disk or the reader may be gone. */
static int finish(int status)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return say_error("cannot write the result%s%s", errno ? ": " : "",
		errno ? strerror(errno) : "");
}

int main(int argc, char **argv)
{
	struct netictl netictl = { 0 };
	struct command_line *line = &netictl.line;
	const struct command *command;
	int status = options_parse(line, argc, argv);

	if (status)
		return status;
	if (line->version) {
		printf("netictl %s\n", neti_version());
		return finish(EXIT_DONE);
	}
	if (line->count == 0)
		return line->help ? finish(help_all()) :
				    say_usage("no command: see netictl --help");
	command = find_command(line->arguments[0]);
	if (!command)
		return say_usage("unknown command \"%s\": see netictl --help", line->arguments[0]);
	if (line->help)
		return finish(help_command(command));
	line->count--;
	line->arguments++;
	status = options_check(line, command);
	if (status) /* 2 would say "critical" there */
		return command->run == command_check ? EXIT_CHECK_UNKNOWN : status;
	return finish(open_and_run(command, &netictl));
}
