/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engines by name, and the way to them. Knows nothing of any kernel interface.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "engine_ops.h"

/* The first is the default. */
static const struct engine_ops *const engines[] = {
	&iptables_engine,
};

static const struct engine_ops *find(const char *name)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (!name || strcmp(engines[i]->name, name) == 0)
			return engines[i];
	return NULL;
}

int engine_open(struct engine **ret, const char *name, const struct engine_config *config,
	struct error *error)
{
	const struct engine_ops *ops = find(name);
	struct engine *engine;
	int r;

	if (!ops)
		return error_set(error, -EINVAL, NETI_TROUBLE_UNSUPPORTED,
			"there is no engine called \"%s\"", name);
	engine = calloc(1, ops->size);
	if (!engine)
		return error_memory(error);
	engine->ops = ops;
	if (config)
		engine->config = *config;
	r = ops->open(engine, error);
	if (r < 0)
		free(engine);
	else
		*ret = engine;
	return r;
}

struct engine *engine_close(struct engine *engine)
{
	free(engine);
	return NULL;
}

void engine_set_conntrack_max(struct engine *engine, uint32_t conntrack_max)
{
	engine->config.conntrack_max = conntrack_max;
}

/* A report is filled also when the call fails: what was done by then was done. */
static int finish(struct engine_report *ret, struct engine_report *report, double start, int r)
{
	report->seconds = clock_seconds(CLOCK_MONOTONIC) - start;
	if (ret)
		*ret = *report;
	return r;
}

int engine_apply(struct engine *engine, const struct ruleset *wanted, struct engine_report *ret,
	struct error *error)
{
	struct engine_report report = { 0 };
	double start = clock_seconds(CLOCK_MONOTONIC);

	return finish(ret, &report, start, engine->ops->apply(engine, wanted, &report, error));
}

int engine_update(struct engine *engine, const struct ruleset *from, const struct ruleset *to,
	struct engine_report *ret, struct error *error)
{
	struct engine_report report = { 0 };
	double start = clock_seconds(CLOCK_MONOTONIC);

	return finish(ret, &report, start, engine->ops->update(engine, from, to, &report, error));
}

int engine_compare(struct engine *engine, const struct ruleset *wanted, struct buffer *diff,
	struct error *error)
{
	return engine->ops->compare(engine, wanted, diff, error);
}

int engine_flush(struct engine *engine, struct engine_report *ret, struct error *error)
{
	struct engine_report report = { 0 };
	double start = clock_seconds(CLOCK_MONOTONIC);

	return finish(ret, &report, start, engine->ops->flush(engine, &report, error));
}

int engine_peers(struct engine *engine, struct address **ret, size_t *ret_n, struct error *error)
{
	return engine->ops->peers(engine, ret, ret_n, error);
}

static int compare_denied(const void *a, const void *b)
{
	const struct denied *p = a, *q = b;

	if (p->packets != q->packets)
		return p->packets > q->packets ? -1 : 1;
	return address_compare(&p->source, &q->source);
}

int engine_denied(struct engine *engine, struct denied **ret, size_t *ret_n, struct error *error)
{
	int r = engine->ops->denied(engine, ret, ret_n, error);

	if (r == 0 && *ret_n)
		qsort(*ret, *ret_n, sizeof(**ret), compare_denied);
	return r;
}

void engine_levels(struct engine *engine, struct engine_level ret[ENGINE_TABLES])
{
	memset(ret, 0, ENGINE_TABLES * sizeof(*ret));
	engine->ops->levels(engine, ret);
}

int engine_enforces(struct engine *engine, struct error *error)
{
	return engine->ops->enforces(engine, error);
}

int engine_render(const char *name, const struct ruleset *ruleset, struct buffer *text)
{
	const struct engine_ops *ops = find(name);

	return ops ? ops->render(ruleset, text) : -EINVAL;
}
