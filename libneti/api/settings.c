/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings, as the public calls give them.
 */
#include <errno.h>
#include <stdlib.h>

#include "api.h"

NETI_EXPORT int neti_settings_new(struct neti_settings **ret_settings, struct neti_context *context)
{
	struct neti_settings *settings = calloc(1, sizeof(*settings));

	if (!settings || settings_new(&settings->settings) < 0) {
		free(settings);
		return context_fail_memory(context);
	}
	settings->references = 1;
	settings->context = neti_context_ref(context);
	*ret_settings = settings;
	return 0;
}

NETI_EXPORT struct neti_settings *neti_settings_ref(struct neti_settings *settings)
{
	settings->references++;
	return settings;
}

NETI_EXPORT void neti_settings_unref(struct neti_settings *settings)
{
	if (!settings || --settings->references > 0)
		return;
	settings_free(settings->settings);
	neti_context_unref(settings->context);
	free(settings);
}

NETI_EXPORT int neti_settings_load(struct neti_settings *settings, const char *path)
{
	struct error error;
	int result;

	neti_settings_ref(settings); /* the caller's log may let go of them */
	result = settings_load(settings->settings, path, &settings->context->log, &error);
	if (result < 0)
		context_fail(settings->context, &error);
	neti_settings_unref(settings);
	return result < 0 ? result : 0;
}

NETI_EXPORT int neti_settings_set(struct neti_settings *settings, const char *key,
	const char *value)
{
	struct error error;

	if (settings_set(settings->settings, key, value, &error) < 0)
		return context_fail(settings->context, &error);
	return 0;
}

NETI_EXPORT const char *neti_settings_state_dir(const struct neti_settings *settings)
{
	return settings->settings->state_dir;
}

NETI_EXPORT const char *neti_settings_on_register(const struct neti_settings *settings)
{
	return settings->settings->on_register;
}

NETI_EXPORT int neti_settings_proxy(const struct neti_settings *settings, unsigned *ret_listen,
	char **ret_to, char **ret_from)
{
	const struct settings *inside = settings->settings;
	struct buffer to = { 0 }, from = { 0 };
	char text[PREFIX_TEXT_MAX];

	buffer_append(&to, "", 0);
	buffer_append(&from, "", 0);
	for (size_t i = 0; i < inside->n_to; i++)
		buffer_print(&to, "%s%s", i ? "," : "", inside->to[i]);
	for (size_t i = 0; i < inside->n_from; i++)
		buffer_print(&from, "%s%s", i ? "," : "", prefix_format(&inside->from[i], text));
	if (buffer_result(&to) < 0 || buffer_result(&from) < 0) {
		buffer_clear(&to);
		buffer_clear(&from);
		return context_fail_memory(settings->context);
	}
	*ret_listen = inside->listen;
	*ret_to = buffer_steal(&to);
	*ret_from = buffer_steal(&from);
	return 0;
}
