/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine, as the public calls give it: it adds the removal guard.
 */
#include <errno.h>
#include <stdlib.h>

#include "api.h"
#include "engine/guard.h"

NETI_EXPORT int neti_engine_open(struct neti_engine **ret_engine, struct neti_settings *settings)
{
	struct neti_context *context = settings->context;
	struct neti_engine *engine = calloc(1, sizeof(*engine));
	struct error error;

	if (!engine)
		return context_fail_memory(context);
	if (engine_open(&engine->engine, settings->settings, &context->log, &error) < 0) {
		free(engine);
		return context_fail(context, &error);
	}
	engine->references = 1;
	engine->context = neti_context_ref(context);
	*ret_engine = engine;
	return 0;
}

NETI_EXPORT struct neti_engine *neti_engine_ref(struct neti_engine *engine)
{
	engine->references++;
	return engine;
}

NETI_EXPORT void neti_engine_unref(struct neti_engine *engine)
{
	if (!engine || --engine->references > 0)
		return;
	engine_close(engine->engine);
	neti_context_unref(engine->context);
	free(engine);
}

/* The caller's log may let go of what a call works on: it is held until the end. A ruleset is the
 * caller's as it is, and only counted. */
static void enter(struct neti_engine *engine, const struct neti_ruleset *ruleset)
{
	neti_engine_ref(engine);
	if (ruleset)
		neti_ruleset_ref((struct neti_ruleset *)ruleset);
}

static int leave(struct neti_engine *engine, const struct neti_ruleset *ruleset, int result,
	const struct error *error)
{
	if (result < 0)
		context_fail(engine->context, error);
	neti_ruleset_unref((struct neti_ruleset *)ruleset);
	neti_engine_unref(engine);
	return result;
}

NETI_EXPORT int neti_engine_apply(struct neti_engine *engine, const struct neti_ruleset *ruleset,
	bool force)
{
	struct engine_report report = { 0 };
	struct error error;
	int result = 0;

	enter(engine, ruleset);
	if (!force)
		result = guard_check(engine->engine, &ruleset->fleet, ruleset->ruleset, NULL,
			&error);
	if (result == 0)
		result = engine_apply(engine->engine, ruleset->ruleset, &report, &error);
	return leave(engine, ruleset, result < 0 ? result : report.changed, &error);
}

NETI_EXPORT int neti_engine_verify(struct neti_engine *engine, const struct neti_ruleset *ruleset,
	char **ret_diff)
{
	struct buffer diff = { 0 };
	struct error error;
	char *text = NULL;
	int result;

	enter(engine, ruleset);
	result = engine_compare(engine->engine, ruleset ? ruleset->ruleset : NULL, &diff, &error);
	if (result >= 0)
		text = buffer_steal(&diff);
	if (result >= 0 && !text)
		result = error_memory(&error);
	buffer_clear(&diff);
	if (result >= 0)
		*ret_diff = text;
	return leave(engine, ruleset, result, &error);
}

NETI_EXPORT int neti_engine_flush(struct neti_engine *engine)
{
	struct engine_report report = { 0 };
	struct error error;
	int result;

	enter(engine, NULL);
	result = engine_flush(engine->engine, &report, &error);
	return leave(engine, NULL, result < 0 ? result : report.changed, &error);
}

struct neti_denied {
	struct denied *items;
	size_t n;
};

NETI_EXPORT int neti_engine_denied(struct neti_engine *engine, struct neti_denied **ret_denied)
{
	struct neti_denied *denied = calloc(1, sizeof(*denied));
	struct error error;
	int result;

	if (!denied)
		return context_fail_memory(engine->context);
	neti_engine_ref(engine);
	result = engine_denied(engine->engine, &denied->items, &denied->n, &error);
	if (result < 0)
		free(denied);
	else
		*ret_denied = denied;
	return leave(engine, NULL, result < 0 ? result : 0, &error);
}

NETI_EXPORT void neti_denied_unref(struct neti_denied *denied)
{
	if (denied)
		free(denied->items);
	free(denied);
}

NETI_EXPORT size_t neti_denied_count(const struct neti_denied *denied)
{
	return denied->n;
}

NETI_EXPORT const char *neti_denied_source(const struct neti_denied *denied, size_t i,
	char text[NETI_ADDRESS_MAX])
{
	return address_format(&denied->items[i].source, text);
}

NETI_EXPORT int neti_denied_protocol(const struct neti_denied *denied, size_t i)
{
	return denied->items[i].protocol;
}

NETI_EXPORT unsigned neti_denied_port(const struct neti_denied *denied, size_t i)
{
	return denied->items[i].port;
}

NETI_EXPORT uint64_t neti_denied_packets(const struct neti_denied *denied, size_t i)
{
	return denied->items[i].packets;
}

NETI_EXPORT unsigned neti_denied_seconds(const struct neti_denied *denied, size_t i)
{
	return denied->items[i].seconds;
}
