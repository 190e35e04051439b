/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan, apply, verify, flush: the kernel of this host, once.
 */
#include <stdlib.h>

#include "confirm.h"
#include "output.h"
#include "progress.h"
#include "status.h"

/* What neti_ruleset_fetch() says. */
enum { FETCHED_OVERLAP = 1 };

/* The registry is closed when this returns: nothing waits for it any longer. */
static int fetch(struct netictl *netictl, struct neti_ruleset **ret)
{
	struct neti_registry *registry;
	struct progress *progress;
	int result;

	if (netictl->line.from_state)
		return neti_ruleset_restore(ret, netictl->settings);
	result = neti_registry_open(&registry, netictl->settings);
	if (result < 0)
		return result;
	progress = progress_start(netictl, "reading the fleet from the registry");
	result = neti_ruleset_fetch(ret, registry);
	progress_stop(progress);
	neti_registry_unref(registry);
	return result;
}

/* A ruleset that is not all that it should be: the context has the sentence. */
static bool is_less(const struct netictl *netictl, int fetched)
{
	return fetched == (netictl->line.from_state ? NETI_RESTORED_TORN : FETCHED_OVERLAP);
}

struct both {
	struct neti_ruleset *ruleset;
	struct neti_engine *engine;
};

/* The engine first: what it misses is said before anybody waits for a registry. */
static int open_both(struct netictl *netictl, struct both *both)
{
	int result = neti_engine_open(&both->engine, netictl->settings);

	return result < 0 ? result : fetch(netictl, &both->ruleset);
}

static void close_both(struct both *both)
{
	neti_ruleset_unref(both->ruleset);
	neti_engine_unref(both->engine);
}

static int compare(struct netictl *netictl, const char *equal)
{
	struct both both = { 0 };
	int status = EXIT_DONE, result = open_both(netictl, &both);
	char *diff;

	if (is_less(netictl, result))
		say_failure(netictl);
	if (result < 0) {
		status = say_failure(netictl);
	} else if ((result = neti_engine_verify(both.engine, both.ruleset, &diff)) < 0) {
		status = say_failure(netictl);
	} else {
		if (netictl->line.json)
			status = print_lines("changes", diff);
		else
			fputs(diff, stdout);
		free(diff);
		if (result && status == EXIT_DONE)
			status = EXIT_CHANGES;
		else if (!result)
			say(netictl, "%s", equal);
	}
	close_both(&both);
	return status;
}

static int print_text(struct netictl *netictl)
{
	struct neti_ruleset *ruleset;
	char *text = NULL;
	int result = fetch(netictl, &ruleset);

	if (result < 0)
		return say_failure(netictl);
	if (is_less(netictl, result))
		say_failure(netictl);
	result = neti_ruleset_print(ruleset, &text);
	neti_ruleset_unref(ruleset);
	if (result < 0)
		return say_failure(netictl);
	if (netictl->line.json)
		result = print_lines("text", text);
	else
		fputs(text, stdout);
	free(text);
	return result;
}

int command_plan(struct netictl *netictl)
{
	if (netictl->line.text)
		return print_text(netictl);
	return compare(netictl, "nothing to change: the kernel matches");
}

int command_verify(struct netictl *netictl)
{
	return compare(netictl, "no drift: the kernel matches");
}

static int apply_now(struct netictl *netictl, struct both *both)
{
	const char *state_dir = neti_settings_state_dir(netictl->settings);
	int result = neti_engine_apply(both->engine, both->ruleset, netictl->line.accept);

	return result >= 0 && neti_ruleset_save(both->ruleset, state_dir) < 0 ? -1 : result;
}

static bool has_rules(struct neti_engine *engine)
{
	char *diff = NULL;
	int result = neti_engine_verify(engine, NULL, &diff);

	free(diff);
	return result != 0;
}

/* At boot: nothing is saved anew, and the guard has nothing to count. A policy without peers is
 * for a kernel without rules of Neti: it would take the peers away. */
static int apply_from_state(struct netictl *netictl)
{
	struct both both = { 0 };
	int kept = open_both(netictl, &both), status = EXIT_DONE;

	if (kept < 0 || kept == NETI_RESTORED_TORN)
		status = say_failure(netictl);
	if (kept < 0)
		goto out;
	if (kept != NETI_RESTORED_WHOLE && has_rules(both.engine)) {
		status = say_error("nothing is put up: the rules in the kernel stay");
	} else if (neti_engine_apply(both.engine, both.ruleset, true) < 0) {
		status = say_failure(netictl);
	} else {
		say(netictl, kept == NETI_RESTORED_WHOLE ?
				     "the kernel holds what this host held last" :
				     "this host refuses strangers, and knows no members yet");
	}
out:
	close_both(&both);
	return status;
}

/* By hand an overlay that overlaps the host's own networks is a mistake, and nothing is done. */
static int apply_once(struct netictl *netictl)
{
	struct both both = { 0 };
	int status = EXIT_DONE, result;

	if (open_both(netictl, &both) != 0 || (result = apply_now(netictl, &both)) < 0) {
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

int command_apply(struct netictl *netictl)
{
	bool agent = agent_runs(neti_settings_state_dir(netictl->settings));
	struct neti_ruleset *ruleset;
	uint64_t time_ms;
	int status, result;

	if (!netictl->line.confirm) {
		if (agent)
			say(netictl, "an agent runs on this host: the settings it has read last win");
		return netictl->line.from_state ? apply_from_state(netictl) : apply_once(netictl);
	}
	status = confirm_time(netictl, &time_ms);
	if (status != EXIT_DONE)
		return status;
	if (agent)
		return say_error("an agent runs on this host and would put its own rules back: "
				 "stop it first");
	result = fetch(netictl, &ruleset);
	if (result != (netictl->line.from_state ? NETI_RESTORED_WHOLE : 0))
		status = say_failure(netictl);
	else
		status = confirm_apply(netictl, ruleset, time_ms);
	if (result >= 0)
		neti_ruleset_unref(ruleset);
	return status;
}

int command_flush(struct netictl *netictl)
{
	const char *state_dir = neti_settings_state_dir(netictl->settings);
	struct neti_engine *engine;
	int result = neti_engine_open(&engine, netictl->settings);

	if (result < 0)
		return say_failure(netictl);
	if (agent_runs(state_dir))
		say(netictl, "an agent runs on this host and will put its rules back: stop it first");
	/* Nor shall what waits for a confirmation, or the next boot, bring them back. */
	confirm_end(state_dir);
	result = neti_engine_flush(engine);
	neti_engine_unref(engine);
	if (result >= 0 && neti_ruleset_forget(netictl->context, state_dir) < 0)
		result = -1;
	if (result < 0)
		return say_failure(netictl);
	say(netictl, result ? "all of Neti's rules and sets are gone" : "there was nothing of Neti");
	return EXIT_DONE;
}
