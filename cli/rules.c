/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan, apply, verify, flush: the kernel of this host, once.
 */
#include "confirm.h"
#include "handles.h"
#include "output.h"
#include "progress.h"
#include "status.h"

/* What neti_ruleset_fetch() says. */
enum { FETCHED_OVERLAP = 1 };

/* The registry is closed when this returns: nothing waits for it any longer. */
static int fetch(struct netictl *netictl, struct neti_ruleset **ret)
{
	auto_registry *registry = NULL;
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
	return result;
}

/* A ruleset that is not all that it should be: the context has the sentence. */
static bool is_less(const struct netictl *netictl, int fetched)
{
	return fetched == (netictl->line.from_state ? NETI_RESTORED_TORN : FETCHED_OVERLAP);
}

/* The engine first: what it misses is said before anybody waits for a registry. */
static int open_both(struct netictl *netictl, struct neti_engine **ret_engine,
	struct neti_ruleset **ret_ruleset)
{
	int result = neti_engine_open(ret_engine, netictl->settings);

	return result < 0 ? result : fetch(netictl, ret_ruleset);
}

static int compare(struct netictl *netictl, const char *equal)
{
	auto_engine *engine = NULL;
	auto_ruleset *ruleset = NULL;
	auto_text *diff = NULL;
	int result = open_both(netictl, &engine, &ruleset), status = EXIT_DONE;

	if (is_less(netictl, result))
		say_failure(netictl);
	if (result < 0 || (result = neti_engine_verify(engine, ruleset, &diff)) < 0)
		return say_failure(netictl);
	if (netictl->line.json)
		status = print_lines("changes", diff);
	else
		fputs(diff, stdout);
	if (!result)
		say(netictl, "%s", equal);
	return result && status == EXIT_DONE ? EXIT_CHANGES : status;
}

static int print_text(struct netictl *netictl)
{
	auto_ruleset *ruleset = NULL;
	auto_text *text = NULL;
	int result = fetch(netictl, &ruleset);

	if (is_less(netictl, result))
		say_failure(netictl);
	if (result < 0 || neti_ruleset_print(ruleset, &text) < 0)
		return say_failure(netictl);
	if (netictl->line.json)
		return print_lines("text", text);
	fputs(text, stdout);
	return EXIT_DONE;
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

static bool has_rules(struct neti_engine *engine)
{
	auto_text *diff = NULL;

	return neti_engine_verify(engine, NULL, &diff) != 0;
}

/* At boot: nothing is saved anew, and the guard has nothing to count. A policy without peers is
 * for a kernel without rules of Neti: it would take the peers away. */
static int apply_from_state(struct netictl *netictl)
{
	auto_engine *engine = NULL;
	auto_ruleset *ruleset = NULL;
	int kept = open_both(netictl, &engine, &ruleset), status = EXIT_DONE;

	if (kept < 0 || kept == NETI_RESTORED_TORN)
		status = say_failure(netictl);
	if (kept < 0)
		return status;
	if (kept != NETI_RESTORED_WHOLE && has_rules(engine))
		return say_error("nothing was applied: the rules in the kernel stay");
	if (neti_engine_apply(engine, ruleset, true) < 0)
		return say_failure(netictl);
	say(netictl, kept == NETI_RESTORED_WHOLE ?
			     "the rules of the last run are in place" :
			     "strangers are refused; no members are known yet");
	return status;
}

/* By hand an overlay that overlaps the host's own networks is a mistake, and nothing is done. */
static int apply_once(struct netictl *netictl)
{
	const char *state_dir = neti_settings_state_dir(netictl->settings);
	auto_engine *engine = NULL;
	auto_ruleset *ruleset = NULL;
	int status, changed;

	if (open_both(netictl, &engine, &ruleset) != 0 ||
		(changed = neti_engine_apply(engine, ruleset, netictl->line.accept)) < 0 ||
		neti_ruleset_save(ruleset, state_dir) < 0) {
		status = say_failure(netictl);
		if (neti_context_reason(netictl->context) == NETI_REASON_HELD)
			say(netictl, "\"netictl apply --accept\" makes these removals");
		return status;
	}
	say(netictl, changed ? "the kernel was changed and matches now" :
			       "nothing to change: the kernel matches");
	return EXIT_DONE;
}

int command_apply(struct netictl *netictl)
{
	bool agent = agent_runs(neti_settings_state_dir(netictl->settings));
	auto_ruleset *ruleset = NULL;
	uint64_t time_ms;
	int status;

	if (!netictl->line.confirm) {
		if (agent)
			say(netictl,
				"an agent runs on this host and will apply the settings that it read last");
		return netictl->line.from_state ? apply_from_state(netictl) : apply_once(netictl);
	}
	status = confirm_time(netictl, &time_ms);
	if (status != EXIT_DONE)
		return status;
	if (agent)
		return say_error("an agent runs on this host and would put its own rules back: "
				 "stop it first");
	if (fetch(netictl, &ruleset) != (netictl->line.from_state ? NETI_RESTORED_WHOLE : 0))
		return say_failure(netictl);
	return confirm_apply(netictl, ruleset, time_ms);
}

int command_flush(struct netictl *netictl)
{
	const char *state_dir = neti_settings_state_dir(netictl->settings);
	auto_engine *engine = NULL;
	int result;

	if (neti_engine_open(&engine, netictl->settings) < 0)
		return say_failure(netictl);
	if (agent_runs(state_dir))
		say(netictl,
			"an agent runs on this host and will put its rules back: stop it first");
	/* Nor shall what waits for a confirmation, or the next boot, bring them back. */
	confirm_end(state_dir);
	result = neti_engine_flush(engine);
	if (result < 0 || neti_ruleset_forget(netictl->context, state_dir) < 0)
		return say_failure(netictl);
	say(netictl, result ? "all of Neti's rules and sets are gone" :
			      "there were no rules or sets of Neti");
	return EXIT_DONE;
}
