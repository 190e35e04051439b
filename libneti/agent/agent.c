/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells the caller, and marks the status file to be written.
 */
#include <string.h>

#include "agent.h"

static void tell_trouble(struct agent *agent, enum neti_reason code, const char *prefix,
	const char *sentence)
{
	struct neti_event *event = event_new(NETI_EVENT_TROUBLE, "%s%s", prefix, sentence);

	if (event)
		event->reason = code;
	events_post(agent->events, event);
	agent->status_stale = true;
}

void agent_trouble(struct agent *agent, enum trouble_cause cause, const struct error *error)
{
	if (trouble_set(&agent->status.troubles, cause, error->text))
		tell_trouble(agent, error->reason, "", error->text);
}

void agent_well(struct agent *agent, enum trouble_cause cause)
{
	char sentence[ERROR_TEXT_MAX];

	strcpy(sentence, agent->status.troubles.text[cause]);
	if (trouble_clear(&agent->status.troubles, cause))
		tell_trouble(agent, NETI_REASON_NONE, "over: ", sentence);
}

bool agent_waits(const struct agent *agent)
{
	return !agent->status.ready || agent->applier.held;
}

void agent_rules_stale(struct agent *agent)
{
	agent->stale.rules = agent->stale.whole = true;
	changes_void(&agent->fleet_changes);
	changes_void(&agent->ruleset_changes);
}
