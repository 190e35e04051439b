/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table of options: how they are written, what they mean, and where they go.
 */
#include <getopt.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "output.h"

#define COMMON "crqv"
#define TO(field) offsetof(struct command_line, field)

/* With a value the field is a string, else a truth value. */
static const struct {
	char letter;
	bool is_short;
	const char *name, *value, *help;
	size_t field;
} options[] = {
	{ 'c', true, "config", "FILE", "settings, instead of " OPTIONS_CONFIG, TO(config) },
	{ 'r', false, "registry", "URI", "registry, instead of the settings' own", TO(registry) },
	{ 'q', true, "quiet", NULL, "only errors on stderr", TO(quiet) },
	{ 'v', true, "verbose", NULL, "more on stderr", TO(verbose) },
	{ 'j', false, "json", NULL, "results as JSON", TO(json) },
	{ 'a', false, "all", NULL, "also leases without a live member", TO(all) },
	{ 'A', false, "accept", NULL, "make removals that the guard would hold back", TO(accept) },
	{ 'C', false, "confirm", "TIME", "roll back after this time (60s), unless confirmed",
		TO(confirm) },
	{ 'S', false, "from-state", NULL, "what this host held last; asks no registry",
		TO(from_state) },
	{ 'T', false, "text", NULL, "all that should be there, as iptables-save has it", TO(text) },
	{ 'f', false, "field", "NAME", "that field alone, by its name in --json", TO(field) },
	{ 'i', false, "id", "ID", "the id, instead of this host's", TO(id) },
	{ 't', false, "takeover", NULL, "take the id over from another live member", TO(takeover) },
	{ 'O', false, "older-than", "TIME", "leases that nobody has joined with for so long: 30d",
		TO(older_than) },
	{ 'n', false, "dry-run", NULL, "change nothing, only print them", TO(dry_run) },
	{ 'b', false, "below", "VERSION", "members whose agent is older, or tells no version",
		TO(below) },
	{ 'I', false, "inventory", "FILE", "hosts that should exist: ids or JSON; - is stdin",
		TO(inventory) },
	{ 'L', false, "listen", "PORT", "the port of the proxy, instead of the settings' own",
		TO(listen) },
	{ 'o', false, "to", "SERVERS", "servers that it forwards to, HOST:PORT[,HOST:PORT]...",
		TO(to) },
	{ 'h', true, "help", NULL, NULL, TO(help) },
	{ 'V', false, "version", NULL, NULL, TO(version) },
};

#define OPTIONS (sizeof(options) / sizeof(*options))

static void set_option(struct command_line *line, int letter)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		void *field = (char *)line + options[i].field;

		if (options[i].letter == letter && options[i].value)
			*(const char **)field = optarg;
		else if (options[i].letter == letter)
			*(bool *)field = true;
	}
}

static bool is_given(const struct command_line *line, size_t i)
{
	const void *field = (const char *)line + options[i].field;

	return options[i].value ? *(const char *const *)field != NULL : *(const bool *)field;
}

int options_parse(struct command_line *ret, int argc, char **argv)
{
	struct option names[OPTIONS + 1] = { 0 };
	struct command_line line = { 0 };
	int letter;

	for (size_t i = 0; i < OPTIONS; i++)
		names[i] = (struct option){ options[i].name,
			options[i].value ? required_argument : no_argument, NULL,
			options[i].letter };
	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":c:qvh", names, NULL)) != -1) {
		if (letter == ':')
			return say_usage("%s needs a value", argv[optind - 1]);
		if (letter == '?' && optopt)
			return say_usage("unknown option -%c: see netictl --help", optopt);
		if (letter == '?')
			return say_usage("unknown option %s: see netictl --help", argv[optind - 1]);
		set_option(&line, letter);
	}
	line.count = argc - optind;
	line.arguments = argv + optind;
	*ret = line;
	return 0;
}

/* --json is for every command: those without results have nothing to print so. */
int options_check(const struct command_line *line, const struct command *command)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (is_given(line, i) && !strchr(COMMON "hj", options[i].letter) &&
			!strchr(command->options, options[i].letter))
			return say_usage("%s takes no --%s: see netictl %s --help", command->name,
				options[i].name, command->name);
	if (line->count < command->least)
		return say_usage("%s needs %s: see netictl %s --help", command->name,
			command->arguments, command->name);
	if (line->count > command->most)
		return say_usage("%s does not take \"%s\": see netictl %s --help", command->name,
			line->arguments[command->most], command->name);
	return 0;
}

static void print_options(const char *letters)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		const char *value = options[i].value;
		char text[32] = "";

		if (!strchr(letters, options[i].letter))
			continue;
		if (options[i].is_short)
			snprintf(text, sizeof(text), "-%c, ", options[i].letter);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "--%s%s%s",
			options[i].name, value ? " " : "", value ? value : "");
		printf("  %-20s %s\n", text, options[i].help);
	}
}

void options_print(const char *letters)
{
	print_options(letters);
	print_options(COMMON);
}

int options_load(const struct command_line *line, struct neti_settings *settings)
{
	int result = 0;

	if (line->config || access(OPTIONS_CONFIG, F_OK) == 0)
		result = neti_settings_load(settings, line->config ? line->config : OPTIONS_CONFIG);
	if (result == 0 && line->registry)
		result = neti_settings_set(settings, "registry", line->registry);
	return result;
}
