/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ENGINE_OPS_H
#define NETI_ENGINE_OPS_H
/*
 * What an engine has to offer: one row in the table of engine.c. The calls are those of
 * engine.h; times are measured outside, lock_seconds inside.
 */
#include "engine.h"

struct engine_ops {
	const char *name;
	size_t size; /* of the engine's own struct, which begins with struct engine */
	int (*open)(struct engine *engine, struct error *error);
	int (*apply)(struct engine *engine, const struct ruleset *wanted, struct engine_report *report,
		struct error *error);
	int (*update)(struct engine *engine, const struct ruleset *from, const struct ruleset *to,
		struct engine_report *report, struct error *error);
	int (*compare)(struct engine *engine, const struct ruleset *wanted, struct buffer *diff,
		struct error *error);
	int (*flush)(struct engine *engine, struct engine_report *report, struct error *error);
	int (*peers)(struct engine *engine, struct address **ret, size_t *ret_n, struct error *error);
	int (*denied)(struct engine *engine, struct denied **ret, size_t *ret_n, struct error *error);
	int (*enforces)(struct engine *engine, struct error *error);
	void (*levels)(struct engine *engine, struct engine_level ret[ENGINE_TABLES]);
	int (*render)(const struct ruleset *ruleset, struct buffer *text);
};

struct engine {
	const struct engine_ops *ops;
	struct engine_config config;
};

extern const struct engine_ops iptables_engine;

#endif
