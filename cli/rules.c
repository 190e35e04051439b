/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan, apply, verify, flush: the kernel of this host, once.
 */
#include <stdlib.h>

#include "netictl.h"

struct both {
	struct neti_ruleset *ruleset;
	struct neti_engine *engine;
};

/* The engine first: what it misses is said before anybody waits for a registry. */
static int open_both(struct netictl *netictl, struct both *both)
{
	struct neti_registry *registry;
	int result = neti_engine_open(&both->engine, netictl->context);

	if (result < 0)
		return result;
	result = neti_registry_open(&registry, netictl->settings);
	if (result < 0)
		return result;
	result = neti_ruleset_fetch(&both->ruleset, registry);
	neti_registry_unref(registry);
	return result;
}

static void close_both(struct both *both)
{
	neti_ruleset_unref(both->ruleset);
	neti_engine_unref(both->engine);
}

static int compare(struct netictl *netictl, const char *equal)
{
	struct both both = { 0 };
	int status = EXIT_DONE, result;
	char *diff;

	if (open_both(netictl, &both) < 0) {
		status = say_failure(netictl);
	} else if ((result = neti_engine_verify(both.engine, both.ruleset, &diff)) < 0) {
		status = say_failure(netictl);
	} else {
		fputs(diff, stdout);
		free(diff);
		if (result)
			status = EXIT_CHANGES;
		else
			say(netictl, "%s", equal);
	}
	close_both(&both);
	return status;
}

int command_plan(struct netictl *netictl)
{
	return compare(netictl, "nothing to change: the kernel matches");
}

int command_verify(struct netictl *netictl)
{
	return compare(netictl, "no drift: the kernel matches");
}

int command_apply(struct netictl *netictl)
{
	struct both both = { 0 };
	int status = EXIT_DONE, result;

	if (open_both(netictl, &both) < 0 ||
		(result = neti_engine_apply(both.engine, both.ruleset, netictl->line.accept)) < 0) {
		status = say_failure(netictl);
		if (neti_context_trouble(netictl->context) == NETI_TROUBLE_HELD)
			say(netictl, "\"netictl apply --accept\" lets them go");
	} else {
		say(netictl, result ? "the kernel was changed and matches now" :
				      "nothing to change: the kernel matches");
	}
	close_both(&both);
	return status;
}

int command_flush(struct netictl *netictl)
{
	struct neti_engine *engine;
	int result = neti_engine_open(&engine, netictl->context);

	if (result < 0)
		return say_failure(netictl);
	result = neti_engine_flush(engine);
	neti_engine_unref(engine);
	if (result < 0)
		return say_failure(netictl);
	say(netictl, result ? "all of Neti's rules and sets are gone" : "there was nothing of Neti");
	return EXIT_DONE;
}
