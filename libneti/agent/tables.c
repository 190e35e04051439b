/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Carries levels from the engine and the fleet to fill.c, which decides. The trouble is told
 * but does not stand in the status: the levels do.
 */
#include "tables.h"

static void note_fill(struct agent *agent, enum fill_table table, uint64_t entries, uint64_t max)
{
	struct neti_event *event;
	char text[ERROR_TEXT_MAX];

	if (!fill_note(agent->status.tables, table, entries, max, text, sizeof(text)))
		return;
	event = event_new(NETI_EVENT_TROUBLE, "%s", text);
	if (event)
		event->reason = NETI_REASON_FULL;
	events_post(agent->events, event);
}

void tables_look(struct agent *agent)
{
	static const enum fill_table rows[ENGINE_TABLES] = {
		[ENGINE_CONNTRACK] = FILL_CONNTRACK,
		[ENGINE_PEERS] = FILL_PEERS,
		[ENGINE_DENIED] = FILL_DENIED,
	};
	struct engine_level levels[ENGINE_TABLES] = { 0 };

	if (agent->applier.engine)
		engine_levels(agent->applier.engine, levels);
	for (size_t i = 0; i < ENGINE_TABLES; i++)
		note_fill(agent, rows[i], levels[i].entries, levels[i].max);
	note_fill(agent, FILL_OVERLAY, agent->status.members, agent->status.addresses);
}
