/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine, as the public calls give it: it adds the removal guard.
 */
#include <errno.h>
#include <stdlib.h>

#include "api.h"
#include "../agent/guard.h"

NETI_EXPORT int neti_engine_open(struct neti_engine **ret_engine, struct neti_context *context)
{
	struct engine_config config = { .log = &context->log };
	struct neti_engine *engine = calloc(1, sizeof(*engine));
	struct error error;

	if (!engine)
		return context_fail_memory(context);
	if (engine_open(&engine->engine, NULL, &config, &error) < 0) {
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

NETI_EXPORT int neti_engine_apply(struct neti_engine *engine, const struct neti_ruleset *ruleset,
	bool force)
{
	struct engine_report report = { 0 };
	struct error error;
	int result = 0;

	if (!force)
		result = guard_check(engine->engine, &ruleset->fleet, ruleset->ruleset, NULL, &error);
	if (result == 0)
		result = engine_apply(engine->engine, ruleset->ruleset, &report, &error);
	if (result < 0)
		return context_fail(engine->context, &error);
	return report.commits > 0 || report.set_changes > 0;
}

NETI_EXPORT int neti_engine_verify(struct neti_engine *engine, const struct neti_ruleset *ruleset,
	char **ret_diff)
{
	struct buffer diff = { 0 };
	struct error error;
	char *text;
	int result = engine_compare(engine->engine, ruleset->ruleset, &diff, &error);

	if (result < 0) {
		buffer_clear(&diff);
		return context_fail(engine->context, &error);
	}
	text = buffer_steal(&diff);
	if (!text) {
		buffer_clear(&diff);
		return context_fail_memory(engine->context);
	}
	*ret_diff = text;
	return result;
}

NETI_EXPORT int neti_engine_flush(struct neti_engine *engine)
{
	struct engine_report report = { 0 };
	struct error error;

	if (engine_flush(engine->engine, &report, &error) < 0)
		return context_fail(engine->context, &error);
	return report.commits > 0 || report.set_changes > 0;
}
