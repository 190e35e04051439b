/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The context: log and last failure.
 */
#include <errno.h>
#include <stdlib.h>

#include "api.h"
#include "base/json_text.h"

NETI_EXPORT int neti_context_new(struct neti_context **ret_context)
{
	struct neti_context *context = calloc(1, sizeof(*context));

	if (!context)
		return -ENOMEM;
	json_text_seed();
	context->references = 1;
	*ret_context = context;
	return 0;
}

NETI_EXPORT struct neti_context *neti_context_ref(struct neti_context *context)
{
	context->references++;
	return context;
}

NETI_EXPORT void neti_context_unref(struct neti_context *context)
{
	if (context && --context->references == 0)
		free(context);
}

NETI_EXPORT void neti_context_set_log(struct neti_context *context, enum neti_log_level level,
	neti_log_function function, void *data)
{
	context->log = (struct log){ level, function, data };
}

NETI_EXPORT const char *neti_context_message(const struct neti_context *context)
{
	return context->error.text;
}

NETI_EXPORT enum neti_reason neti_context_reason(const struct neti_context *context)
{
	return context->error.reason;
}

int context_fail(struct neti_context *context, const struct error *error)
{
	context->error = *error;
	return error->result;
}

int context_fail_memory(struct neti_context *context)
{
	return error_memory(&context->error);
}
