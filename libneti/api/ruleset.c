/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rulesets, as the public calls give them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "api.h"
#include "base/file.h"
#include "engine/host_networks.h"
#include "ruleset/ruleset_file.h"
#include "ruleset/ruleset_text.h"
#include "settings/identity.h"

/* Takes what was made over, also when it fails. */
static int give_out(struct neti_ruleset **ret, struct neti_context *context, struct ruleset *made,
	const char *engine, struct error *error)
{
	struct neti_ruleset *ruleset = calloc(1, sizeof(*ruleset));

	if (!ruleset) {
		ruleset_free(made);
		return error_memory(error);
	}
	ruleset->references = 1;
	ruleset->context = neti_context_ref(context);
	ruleset->ruleset = made;
	fleet_settings_default(&ruleset->fleet, &made->overlay);
	snprintf(ruleset->engine, sizeof(ruleset->engine), "%s", engine);
	*ret = ruleset;
	return 0;
}

static int new_ruleset(struct neti_ruleset **ret, struct neti_context *context,
	const struct settings *settings, const struct fleet_settings *fleet,
	const struct member_list *members, const struct prefix_list *own, struct error *error)
{
	struct member self = {
		.id = settings->id,
		.network = settings->network,
		.private_address = settings->private_ip,
		.public_address = settings->public_ip,
	};
	struct ruleset *made;

	if (ruleset_build(&made, &settings->policy, fleet, &self, members, own) < 0)
		return error_memory(error);
	if (give_out(ret, context, made, settings->engine, error) < 0)
		return error->result;
	(*ret)->fleet = *fleet;
	return 0;
}

NETI_EXPORT int neti_ruleset_build(struct neti_ruleset **ret_ruleset,
	struct neti_settings *settings, const struct neti_members *members)
{
	struct neti_context *context = settings->context;
	struct fleet_settings fleet;
	struct settings *complete;
	struct error error;
	int result;

	if (settings_copy(&complete, settings->settings) < 0)
		return context_fail_memory(context);
	fleet_settings_default(&fleet, &complete->overlay_subnet);
	result = identity_complete(complete, &error);
	if (result == 0)
		result = new_ruleset(ret_ruleset, context, complete, &fleet, &members->list, NULL,
			&error);
	settings_free(complete);
	return result < 0 ? context_fail(context, &error) : 0;
}

NETI_EXPORT int neti_ruleset_fetch(struct neti_ruleset **ret_ruleset,
	struct neti_registry *registry)
{
	struct member_list members = { 0 };
	struct prefix_list own = { 0 };
	struct fleet_settings fleet;
	bool overlaps = false;
	struct error error;
	int result = registry_enter(registry, false, &error);

	if (result == 0)
		result = identity_complete(registry->settings, &error);
	if (result == 0)
		result = registry_fleet(registry->registry, &fleet, registry->timeout_ms, &error);
	if (result >= 0)
		result = host_networks_overlapping(&fleet.overlay_subnet, &own, &error);
	overlaps = result == 1;
	if (overlaps)
		context_fail(registry->context, &error);
	if (result >= 0)
		result = registry_members(registry->registry, &members, false, registry->timeout_ms,
			&error);
	if (result >= 0)
		result = new_ruleset(ret_ruleset, registry->context, registry->settings, &fleet,
			&members, &own, &error);
	member_list_clear(&members);
	prefix_list_clear(&own);
	return registry_leave(registry, result < 0 ? result : overlaps, &error);
}

NETI_EXPORT struct neti_ruleset *neti_ruleset_ref(struct neti_ruleset *ruleset)
{
	ruleset->references++;
	return ruleset;
}

NETI_EXPORT void neti_ruleset_unref(struct neti_ruleset *ruleset)
{
	if (!ruleset || --ruleset->references > 0)
		return;
	ruleset_free(ruleset->ruleset);
	neti_context_unref(ruleset->context);
	free(ruleset);
}

NETI_EXPORT int neti_ruleset_save(const struct neti_ruleset *ruleset, const char *folder)
{
	struct error error;
	int result = file_make_folder(folder, &error);

	if (result == 0)
		result = ruleset_file_save(folder, ruleset->ruleset, NULL, &error);
	return result < 0 ? context_fail(ruleset->context, &error) : 0;
}

NETI_EXPORT int neti_ruleset_load(struct neti_ruleset **ret_ruleset, struct neti_context *context,
	const char *folder)
{
	struct ruleset *made;
	struct error error;

	if (ruleset_file_load(folder, &made, &error) < 0 ||
		give_out(ret_ruleset, context, made, "auto", &error) < 0)
		return context_fail(context, &error);
	return 0;
}

NETI_EXPORT int neti_ruleset_restore(struct neti_ruleset **ret_ruleset,
	struct neti_settings *settings)
{
	struct neti_context *context = settings->context;
	struct error error = { 0 };
	struct ruleset *made;
	int result = ruleset_file_restore(settings->settings, &made, &error);

	if (error.result < 0)
		context_fail(context, &error);
	if (result < 0)
		return result;
	if (give_out(ret_ruleset, context, made, settings->settings->engine, &error) < 0)
		return context_fail(context, &error);
	return result;
}

NETI_EXPORT int neti_ruleset_forget(struct neti_context *context, const char *folder)
{
	struct error error;

	return ruleset_file_forget(folder, &error) < 0 ? context_fail(context, &error) : 0;
}

static int steal_text(struct neti_context *context, struct buffer *buffer, char **ret)
{
	char *text = buffer_steal(buffer);

	if (!text) {
		buffer_clear(buffer);
		return context_fail_memory(context);
	}
	*ret = text;
	return 0;
}

NETI_EXPORT int neti_ruleset_print(const struct neti_ruleset *ruleset, char **ret_text)
{
	struct buffer text = { 0 };
	struct error error;
	int result = engine_render(ruleset->engine, ruleset->ruleset, &text);

	if (result >= 0)
		return steal_text(ruleset->context, &text, ret_text);
	buffer_clear(&text);
	if (result == -EINVAL)
		error_set(&error, result, NETI_REASON_SETTINGS, "engine: there is no \"%s\"",
			ruleset->engine);
	else
		error_memory(&error);
	return context_fail(ruleset->context, &error);
}

NETI_EXPORT int neti_ruleset_diff(const struct neti_ruleset *from, const struct neti_ruleset *to,
	char **ret_text)
{
	struct neti_context *context = from ? from->context : to ? to->context : NULL;
	struct buffer text = { 0 };
	struct ruleset_diff diff;
	int result, changed;

	if (!context)
		return -EINVAL;
	if (ruleset_diff(&diff, from ? from->ruleset : NULL, to ? to->ruleset : NULL) < 0)
		return context_fail_memory(context);
	changed = !ruleset_diff_empty(&diff);
	ruleset_diff_print(&diff, &text);
	ruleset_diff_clear(&diff);
	result = steal_text(context, &text, ret_text);
	return result < 0 ? result : changed;
}
