/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netictl: reads the command line and hands over to one command.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netictl.h"

#define CONFIG_DEFAULT "/etc/neti/neti.yml"

const struct command commands[] = {
	{ "run", "", "be the agent: join the fleet and keep the rules, in the foreground", 0, 0, "t", command_run },
	{ "register", "", "take or find this host's lease; print its overlay address", 0, 0, "itj", command_register },
	{ "list", "", "live members; with --all also leases without one", 0, 0, "aj", command_list },
	{ "lookup", "KEY", "a member by id, overlay, private or public address", 1, 1, "fj", command_lookup },
	{ "watch", "", "a line for each change of the fleet, until interrupted", 0, 0, "j", command_watch },
	{ "plan", "", "what apply would change, as a diff", 0, 0, "STj", command_plan },
	{ "apply", "", "make the kernel match the registry, once", 0, 0, "ACS", command_apply },
	{ "confirm", "", "keep what apply --confirm has put up", 0, 0, "", command_confirm },
	{ "verify", "", "compare the kernel with the registry; print the drift", 0, 0, "j", command_verify },
	{ "denied", "", "who was refused, or would have been", 0, 0, "j", command_denied },
	{ "flush", "", "take away all that Neti put into the kernel", 0, 0, "", command_flush },
	{ "status", "", "the agent of this host", 0, 0, "j", command_status },
	{ "check", "", "one line on this host for a monitoring system", 0, 0, "j", command_check },
	{ "report", "", "the fleet: networks, versions, who is behind, who is missing", 0, 0, "bIj", command_report },
	{ "release", "ID", "give a lease back; never one that is live", 1, 1, "", command_release },
	{ "reclaim", "--older-than TIME", "give back the leases nobody has joined with for so long", 0, 0, "Onj", command_reclaim },
	{ "fleet", "init [KEY VALUE]...|show|set KEY VALUE|accept", "fleet-wide settings", 1, INT_MAX, "j", command_fleet },
	{ "proxy", "apply|flush|status", "lead hosts of this network on to ZooKeeper in another", 1, 1, "Loj", command_proxy },
	{ 0 },
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "registry", required_argument, NULL, 'r' },
	{ "json", no_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "all", no_argument, NULL, 'a' },
	{ "accept", no_argument, NULL, 'A' },
	{ "confirm", required_argument, NULL, 'C' },
	{ "from-state", no_argument, NULL, 'S' },
	{ "text", no_argument, NULL, 'T' },
	{ "field", required_argument, NULL, 'f' },
	{ "id", required_argument, NULL, 'i' },
	{ "takeover", no_argument, NULL, 't' },
	{ "older-than", required_argument, NULL, 'O' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "below", required_argument, NULL, 'b' },
	{ "inventory", required_argument, NULL, 'I' },
	{ "listen", required_argument, NULL, 'L' },
	{ "to", required_argument, NULL, 'o' },
	{ 0 },
};

static const struct {
	char letter;
	const char *text, *help;
} option_help[] = {
	{ 'c', "-c, --config FILE", "settings, instead of " CONFIG_DEFAULT },
	{ 'r', "--registry URI", "registry, instead of the settings' own" },
	{ 'q', "-q, --quiet", "errors alone on stderr" },
	{ 'v', "-v, --verbose", "more on stderr" },
	{ 'j', "--json", "results as JSON" },
	{ 'a', "--all", "also leases without a live member" },
	{ 'A', "--accept", "let removals go that the guard would hold" },
	{ 'C', "--confirm TIME", "undo it then (60s), unless netictl confirm follows" },
	{ 'S', "--from-state", "what this host held last; asks no registry" },
	{ 'T', "--text", "all that should be there, as iptables-save has it" },
	{ 'f', "--field NAME", "that field alone, by its name in --json" },
	{ 'i', "--id ID", "the id, instead of this host's" },
	{ 't', "--takeover", "take the id over from another live member" },
	{ 'O', "--older-than TIME", "joined with last so long ago, or longer: 30d" },
	{ 'n', "--dry-run", "only tell which" },
	{ 'b', "--below VERSION", "members whose agent is older, or tells no version" },
	{ 'I', "--inventory FILE", "hosts there should be: ids or JSON; -: stdin" },
	{ 'L', "--listen PORT", "the port of the proxy, instead of the settings' own" },
	{ 'o', "--to SERVERS", "where it leads, HOST:PORT[,HOST:PORT]..." },
};

void say(const struct netictl *netictl, const char *format, ...)
{
	va_list arguments;

	if (netictl->line.quiet)
		return;
	fputs("netictl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

int say_usage(const char *format, ...)
{
	va_list arguments;

	fputs("netictl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

int say_memory(void)
{
	fputs("netictl: out of memory\n", stderr);
	return EXIT_FAILED;
}

int say_failure(const struct netictl *netictl)
{
	const char *message = neti_context_message(netictl->context);

	fprintf(stderr, "netictl: %s\n", *message ? message : "failed");
	return neti_context_trouble(netictl->context) == NETI_TROUBLE_SETTINGS ? EXIT_USAGE : EXIT_FAILED;
}

static void write_log(void *data, enum neti_log_level level, const char *text)
{
	(void)data;
	(void)level;
	fprintf(stderr, "netictl: %s\n", text);
}

int load_settings(struct netictl *netictl, struct neti_settings *settings)
{
	const struct command_line *line = &netictl->line;
	int result = 0;

	if (line->config || access(CONFIG_DEFAULT, F_OK) == 0)
		result = neti_settings_load(settings, line->config ? line->config : CONFIG_DEFAULT);
	if (result == 0 && line->registry)
		result = neti_settings_set(settings, "registry", line->registry);
	return result;
}

static void print_options(const char *letters)
{
	for (size_t i = 0; i < sizeof(option_help) / sizeof(*option_help); i++)
		if (strchr(letters, option_help[i].letter))
			printf("  %-20s %s\n", option_help[i].text, option_help[i].help);
}

static int help_all(void)
{
	puts("usage: netictl [OPTION]... COMMAND [ARGUMENT]...\n\ncommands:");
	for (const struct command *command = commands; command->name; command++)
		printf("  %-10s %s\n", command->name, command->help);
	puts("\noptions, before or after the command:");
	print_options("crqv");
	puts("\n\"netictl COMMAND --help\" tells more; so does netictl(8).");
	return EXIT_DONE;
}

static int help_command(const struct command *command)
{
	printf("usage: netictl [OPTION]... %s%s%s\n\n%c%s.\n\n", command->name,
		*command->arguments ? " " : "", command->arguments,
		command->help[0] - ('a' <= command->help[0] && command->help[0] <= 'z' ? 'a' - 'A' : 0),
		command->help + 1);
	print_options(command->options);
	print_options("crqv");
	return EXIT_DONE;
}

static const struct command *find_command(const char *name)
{
	const struct command *command = commands;

	while (command->name && strcmp(command->name, name) != 0)
		command++;
	return command->name ? command : NULL;
}

struct parsed {
	struct command_line line;
	char used[32]; /* letters of the options that were given */
	bool help, version;
};

static void set_option(struct parsed *parsed, int letter)
{
	struct command_line *line = &parsed->line;

	switch (letter) {
	case 'c': line->config = optarg; break;
	case 'r': line->registry = optarg; break;
	case 'f': line->field = optarg; break;
	case 'i': line->id = optarg; break;
	case 'b': line->below = optarg; break;
	case 'I': line->inventory = optarg; break;
	case 'L': line->listen = optarg; break;
	case 'o': line->to = optarg; break;
	case 'j': line->json = true; break;
	case 'q': line->quiet = true; break;
	case 'v': line->verbose = true; break;
	case 'a': line->all = true; break;
	case 'A': line->accept = true; break;
	case 'C': line->confirm = optarg; break;
	case 'S': line->from_state = true; break;
	case 'T': line->text = true; break;
	case 't': line->takeover = true; break;
	case 'O': line->older_than = optarg; break;
	case 'n': line->dry_run = true; break;
	case 'h': parsed->help = true; break;
	case 'V': parsed->version = true; break;
	}
}

static int parse(struct parsed *parsed, int argc, char **argv)
{
	char short_options[] = ":c:qvh";
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (letter == ':')
			return say_usage("%s needs a value", argv[optind - 1]);
		if (letter == '?' && optopt)
			return say_usage("unknown option -%c: see netictl --help", optopt);
		if (letter == '?')
			return say_usage("unknown option %s: see netictl --help", argv[optind - 1]);
		if (!strchr(parsed->used, letter))
			parsed->used[strlen(parsed->used)] = (char)letter;
		set_option(parsed, letter);
	}
	parsed->line.count = argc - optind;
	parsed->line.arguments = argv + optind;
	return 0;
}

static const char *name_of(char letter)
{
	const struct option *option = long_options;

	while (option->name && option->val != letter)
		option++;
	return option->name;
}

/* --json is for every command: those without results have nothing to print so. */
static int check(const struct command *command, const struct parsed *parsed)
{
	for (const char *letter = parsed->used; *letter; letter++)
		if (!strchr("crqvhj", *letter) && !strchr(command->options, *letter))
			return say_usage("%s takes no --%s: see netictl %s --help", command->name,
				name_of(*letter), command->name);
	if (parsed->line.count < command->least)
		return say_usage("%s needs %s: see netictl %s --help", command->name,
			command->arguments, command->name);
	if (parsed->line.count > command->most)
		return say_usage("%s does not take \"%s\": see netictl %s --help", command->name,
			parsed->line.arguments[command->most], command->name);
	return 0;
}

/* A command that answers once says itself what went wrong; the library's warnings on the way
 * would only repeat it. Those that stay show them. */
static int run(const struct command *command, struct netictl *netictl)
{
	if (command->run != command_run && command->run != command_watch &&
		command->run != command_register && !netictl->line.verbose)
		neti_context_set_log(netictl->context, NETI_LOG_ERROR, NULL, NULL);
	return command->run(netictl);
}

static int start(const struct command *command, struct netictl *netictl)
{
	int status;

	if (neti_context_new(&netictl->context) < 0)
		return say_memory();
	if (!netictl->line.quiet)
		neti_context_set_log(netictl->context,
			netictl->line.verbose ? NETI_LOG_DEBUG : NETI_LOG_WARNING, write_log, NULL);
	if (neti_settings_new(&netictl->settings, netictl->context) < 0 ||
		load_settings(netictl, netictl->settings) < 0)
		status = command->run == command_check ?
				 check_unknown(netictl, neti_context_message(netictl->context)) :
				 (say_failure(netictl), EXIT_USAGE);
	else
		status = run(command, netictl);
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
	fprintf(stderr, "netictl: cannot write the result%s%s\n", errno ? ": " : "",
		errno ? strerror(errno) : "");
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct parsed parsed = { 0 };
	struct netictl netictl = { 0 };
	const struct command *command;
	int status = parse(&parsed, argc, argv);

	if (status)
		return status;
	if (parsed.version) {
		printf("netictl %s\n", neti_version());
		return finish(EXIT_DONE);
	}
	if (parsed.line.count == 0)
		return parsed.help ? finish(help_all()) : say_usage("no command: see netictl --help");
	command = find_command(parsed.line.arguments[0]);
	if (!command)
		return say_usage("unknown command \"%s\": see netictl --help", parsed.line.arguments[0]);
	if (parsed.help)
		return finish(help_command(command));
	parsed.line.count--;
	parsed.line.arguments++;
	status = check(command, &parsed);
	if (status) /* 2 would say "critical" there */
		return command->run == command_check ? EXIT_CHECK_UNKNOWN : status;
	netictl.line = parsed.line;
	return finish(start(command, &netictl));
}
