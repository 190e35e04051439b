/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The agent, as the public calls give it: settings in, events out. The work is the worker's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/events.h"
#include "agent/worker.h"
#include "api.h"
#include "base/clock.h"
#include "settings/identity.h"

struct neti_agent {
	unsigned references;
	struct neti_context *context;
	struct settings *settings;
	struct agent_options options;
	struct worker *worker; /* NULL while it does not run */
	struct events events;
	neti_event_function function;
	void *data;
	pid_t process;
};

NETI_EXPORT int neti_agent_new(struct neti_agent **ret_agent, struct neti_settings *settings)
{
	struct neti_context *context = settings->context;
	struct neti_agent *agent = calloc(1, sizeof(*agent));
	struct error error;
	int result;

	if (!agent || settings_copy(&agent->settings, settings->settings) < 0) {
		free(agent);
		return context_fail_memory(context);
	}
	result = events_init(&agent->events);
	if (result < 0) {
		settings_free(agent->settings);
		free(agent);
		error_set(&error, result, NETI_REASON_SYSTEM, "cannot make an eventfd: %s",
			strerrordesc_np(-result));
		return context_fail(context, &error);
	}
	agent->references = 1;
	agent->options.member = agent->options.rules = true;
	agent->process = getpid();
	agent->context = neti_context_ref(context);
	*ret_agent = agent;
	return 0;
}

NETI_EXPORT struct neti_agent *neti_agent_ref(struct neti_agent *agent)
{
	agent->references++;
	return agent;
}

NETI_EXPORT void neti_agent_unref(struct neti_agent *agent)
{
	if (!agent || --agent->references > 0)
		return;
	/* In a child there is no worker thread to join: its memory is the parent's business. */
	if (agent->process == getpid())
		worker_stop(agent->worker);
	events_clear(&agent->events);
	settings_free(agent->settings);
	neti_context_unref(agent->context);
	free(agent);
}

NETI_EXPORT void neti_agent_set_member(struct neti_agent *agent, bool member)
{
	agent->options.member = member;
}

NETI_EXPORT void neti_agent_set_rules(struct neti_agent *agent, bool rules)
{
	agent->options.rules = rules;
}

NETI_EXPORT void neti_agent_set_takeover(struct neti_agent *agent, bool takeover)
{
	agent->options.takeover = takeover;
}

NETI_EXPORT void neti_agent_set_callback(struct neti_agent *agent, neti_event_function function,
	void *data)
{
	agent->function = function;
	agent->data = data;
}

NETI_EXPORT int neti_agent_fd(const struct neti_agent *agent)
{
	return agent->events.fd;
}

static int check_agent_process(const struct neti_agent *agent)
{
	struct error error;

	if (agent->process == getpid())
		return 0;
	error_set(&error, -ECHILD, NETI_REASON_SYSTEM,
		"the agent was made before fork(): make another in this process");
	return context_fail(agent->context, &error);
}

NETI_EXPORT int neti_agent_start(struct neti_agent *agent)
{
	const struct log *log = &agent->context->log;
	struct error error;
	int result = check_agent_process(agent);

	if (result < 0)
		return result;
	if (agent->worker)
		return context_fail(agent->context,
			(error_set(&error, -EALREADY, NETI_REASON_BUSY, "the agent runs already"),
				&error));
	if (agent->options.member || agent->options.rules)
		result = identity_complete(agent->settings, &error);
	agent->options.log_level = log->write ? log->level : 0;
	if (result == 0)
		result = worker_start(&agent->worker, agent->settings, &agent->options,
			&agent->events, &error);
	return result < 0 ? context_fail(agent->context, &error) : 0;
}

static void deliver(struct neti_agent *agent, const struct neti_event *event)
{
	if (event->type == 0)
		log_write(&agent->context->log, event->level, "%s", event->text);
	else if (agent->function)
		agent->function(agent->data, event);
}

NETI_EXPORT int neti_agent_dispatch(struct neti_agent *agent)
{
	struct neti_event *event, *next;
	int result = check_agent_process(agent), n = 0;

	if (result < 0)
		return result;
	agent->references++; /* a callback may let go of the agent */
	for (event = events_take(&agent->events); event; event = next) {
		next = event->next;
		if (agent->references > 1)
			deliver(agent, event);
		n += event->type != 0;
		event_free(event);
	}
	neti_agent_unref(agent);
	return n;
}

/* A member that runs has its lease, and its peers know it by it. */
static int check_same_id(const struct neti_agent *agent, const struct settings *fresh,
	struct error *error)
{
	const char *id = agent->settings->id;

	if (!agent->worker || !agent->options.member || strcmp(id, fresh->id) == 0)
		return 0;
	return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
		"id: this host has joined as %s: restart the agent to become %s", id, fresh->id);
}

NETI_EXPORT int neti_agent_reload(struct neti_agent *agent, struct neti_settings *settings)
{
	struct settings *fresh;
	struct error error;
	int result = check_agent_process(agent);

	if (result < 0)
		return result;
	if (settings_copy(&fresh, settings->settings) < 0)
		return context_fail_memory(agent->context);
	if (agent->options.member || agent->options.rules)
		result = identity_complete(fresh, &error);
	if (result == 0)
		result = check_same_id(agent, fresh, &error);
	if (result == 0 && agent->worker && worker_reload(agent->worker, fresh) < 0)
		result = error_memory(&error);
	if (result < 0) {
		settings_free(fresh);
		return context_fail(agent->context, &error);
	}
	settings_free(agent->settings);
	agent->settings = fresh;
	return 0;
}

NETI_EXPORT int neti_agent_stop(struct neti_agent *agent)
{
	int result = check_agent_process(agent);

	if (result == 0)
		agent->worker = worker_stop(agent->worker);
	return result;
}

NETI_EXPORT int neti_agent_members(struct neti_agent *agent, struct neti_members **ret_members)
{
	struct neti_members *members;
	struct error error;
	int result = check_agent_process(agent);

	if (result == 0)
		result = neti_members_new(&members, agent->context);
	if (result < 0)
		return result;
	result = agent->worker ? worker_members(agent->worker, &members->list) : -ENODATA;
	if (result == 0) {
		*ret_members = members;
		return 0;
	}
	neti_members_unref(members);
	if (result == -ENODATA)
		error_set(&error, result, NETI_REASON_REGISTRY,
			"the whole member list has not been read yet");
	else
		error_memory(&error);
	return context_fail(agent->context, &error);
}

NETI_EXPORT unsigned neti_agent_last_turn_ms(const struct neti_agent *agent)
{
	return agent->worker ? (unsigned)(clock_now() - worker_last_turn(agent->worker)) : 0;
}

NETI_EXPORT enum neti_event_type neti_event_get_type(const struct neti_event *event)
{
	return event->type;
}

NETI_EXPORT const char *neti_event_text(const struct neti_event *event)
{
	return event->text;
}

NETI_EXPORT const struct neti_member *neti_event_member(const struct neti_event *event)
{
	return (const struct neti_member *)event->member;
}

NETI_EXPORT const struct neti_members *neti_event_added(const struct neti_event *event)
{
	return event->added;
}

NETI_EXPORT const struct neti_members *neti_event_moved(const struct neti_event *event)
{
	return event->moved;
}

NETI_EXPORT const struct neti_members *neti_event_removed(const struct neti_event *event)
{
	return event->removed;
}

NETI_EXPORT uint64_t neti_event_revision(const struct neti_event *event)
{
	return event->revision;
}

NETI_EXPORT double neti_event_seconds(const struct neti_event *event)
{
	return event->seconds;
}

NETI_EXPORT size_t neti_event_count(const struct neti_event *event)
{
	return event->count;
}

NETI_EXPORT enum neti_reason neti_event_reason(const struct neti_event *event)
{
	return event->reason;
}
