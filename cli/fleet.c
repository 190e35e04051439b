/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fleet init, show, set, accept: settings that all agents share.
 */
#include <stdlib.h>
#include <string.h>

#include "handles.h"
#include "output.h"

#define PAIRS_MAX 32 /* each key once, and some to spare */

static int show_settings(struct netictl *netictl, struct neti_registry *registry)
{
	auto_text *text = NULL;

	if (neti_registry_fleet_show(registry, &text) < 0)
		return say_failure(netictl);
	return print_json(json_loads(text, 0, NULL));
}

/* KEY VALUE pairs: what the fleet begins with. */
static int init(struct netictl *netictl, struct neti_registry *registry)
{
	char **arguments = netictl->line.arguments;
	int result;

	for (int i = 1; i < netictl->line.count; i += 2)
		if (neti_registry_set_initial(registry, arguments[i], arguments[i + 1]) < 0)
			return say_failure(netictl);
	result = neti_registry_fleet_init(registry);
	if (result < 0)
		return say_failure(netictl);
	say(netictl, result ? "the fleet was created" : "the fleet exists already");
	return EXIT_DONE;
}

static int set(struct netictl *netictl, struct neti_registry *registry)
{
	char **arguments = netictl->line.arguments;

	if (neti_registry_fleet_set(registry, arguments[1], arguments[2]) < 0)
		return say_failure(netictl);
	return EXIT_DONE;
}

static int accept_removals(struct netictl *netictl, struct neti_registry *registry)
{
	if (neti_registry_fleet_accept(registry) < 0)
		return say_failure(netictl);
	say(netictl, "every agent now makes the removals that it held back");
	return EXIT_DONE;
}

static const struct verb {
	const char *name, *takes;
	int pairs_least, pairs_most; /* of KEY and VALUE */
	int (*work)(struct netictl *netictl, struct neti_registry *registry);
} verbs[] = {
	{ "init", "KEY and VALUE, both, for each setting", 0, PAIRS_MAX, init },
	{ "show", "no argument", 0, 0, show_settings },
	{ "set", "KEY and VALUE", 1, 1, set },
	{ "accept", "no argument", 0, 0, accept_removals },
};

static bool counts(const struct verb *verb, int arguments)
{
	return arguments % 2 == 0 && arguments / 2 >= verb->pairs_least &&
	       arguments / 2 <= verb->pairs_most;
}

int command_fleet(struct netictl *netictl)
{
	size_t i, n = sizeof(verbs) / sizeof(*verbs);
	auto_registry *registry = NULL;

	for (i = 0; i < n && strcmp(verbs[i].name, netictl->line.arguments[0]) != 0; i++)
		continue;
	if (i == n)
		return say_usage("fleet has no \"%s\": see netictl fleet --help",
			netictl->line.arguments[0]);
	if (!counts(&verbs[i], netictl->line.count - 1))
		return say_usage("fleet %s takes %s: see netictl fleet --help", verbs[i].name,
			verbs[i].takes);
	if (neti_registry_open(&registry, netictl->settings) < 0)
		return say_failure(netictl);
	return verbs[i].work(netictl, registry);
}
