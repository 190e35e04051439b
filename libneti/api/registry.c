/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry, as the public calls give it: each call waits for its answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/open_registry.h"
#include "api.h"
#include "settings/identity.h"

#define TIMEOUT_DEFAULT_MS 10000

NETI_EXPORT int neti_registry_open(struct neti_registry **ret_registry,
	struct neti_settings *settings)
{
	struct neti_context *context = settings->context;
	struct neti_registry *registry = calloc(1, sizeof(*registry));

	if (!registry || settings_copy(&registry->settings, settings->settings) < 0) {
		free(registry);
		return context_fail_memory(context);
	}
	registry->references = 1;
	registry->context = neti_context_ref(context);
	registry->timeout_ms = TIMEOUT_DEFAULT_MS;
	registry->process = getpid();
	fleet_settings_default(&registry->initial, &registry->settings->overlay_subnet);
	*ret_registry = registry;
	return 0;
}

NETI_EXPORT struct neti_registry *neti_registry_ref(struct neti_registry *registry)
{
	registry->references++;
	return registry;
}

NETI_EXPORT void neti_registry_unref(struct neti_registry *registry)
{
	if (!registry || --registry->references > 0)
		return;
	if (registry->registry && registry->process == getpid())
		registry_close(registry->registry);
	settings_free(registry->settings);
	neti_context_unref(registry->context);
	free(registry);
}

NETI_EXPORT void neti_registry_set_timeout(struct neti_registry *registry, unsigned milliseconds)
{
	registry->timeout_ms = milliseconds > INT32_MAX ? INT32_MAX : (int)milliseconds;
}

static int check_registry_process(const struct neti_registry *registry, struct error *error)
{
	if (registry->process == getpid())
		return 0;
	return error_set(error, -ECHILD, NETI_REASON_SYSTEM,
		"the registry was opened before fork(): open it again in this process");
}

static void pass_on(void *data, enum neti_log_level level, const char *text)
{
	const struct neti_context *context = data;

	log_write(&context->log, level, "%s", text);
}

/* Every call begins here, and holds the registry, which the caller's log may let go of. What only
 * looks makes no fleet; what makes one opens anew. */
int registry_enter(struct neti_registry *registry, bool make, struct error *error)
{
	static const struct registry_handler quiet;
	int result = check_registry_process(neti_registry_ref(registry), error);

	if (registry->calls++ > 0 && result == 0)
		return error_set(error, -EDEADLK, NETI_REASON_SYSTEM,
			"a call on this registry is under way: this one came from its log callback");
	if (result < 0 || (registry->registry && (registry->makes || !make)))
		return result;
	if (registry->registry)
		registry->registry = registry_close(registry->registry);
	result = identity_for_registry(registry->settings, error);
	if (result < 0)
		return result;
	registry->makes = make;
	registry->log = (struct log){ registry->context->log.level, pass_on, registry->context };
	return open_registry(&registry->registry, registry->settings,
		make ? &registry->initial : NULL, &quiet, &registry->log, error);
}

/* And ends here, whatever the entry said. */
int registry_leave(struct neti_registry *registry, int result, const struct error *error)
{
	registry->calls--;
	if (result < 0)
		context_fail(registry->context, error);
	neti_registry_unref(registry);
	return result;
}

static int leave_with_members(struct neti_registry *registry, int result, const struct error *error,
	struct neti_members *members, struct neti_members **ret_members)
{
	if (result < 0)
		neti_members_unref(members);
	else
		*ret_members = members;
	return registry_leave(registry, result, error);
}

static int check_flags(unsigned flags, unsigned known, struct error *error)
{
	if (!(flags & ~known))
		return 0;
	return error_set(error, -EINVAL, NETI_REASON_SETTINGS, "flags 0x%x are not known",
		flags & ~known);
}

static bool lives_elsewhere(const struct member *member, const struct settings *settings)
{
	return strcmp(member->id, settings->id) == 0 &&
	       (strcmp(member->network, settings->network) != 0 ||
		       !address_equal(&member->private_address, &settings->private_ip) ||
		       !address_equal(&member->public_address, &settings->public_ip));
}

static int refuse_conflict(struct neti_registry *registry, struct error *error)
{
	char text[ADDRESS_TEXT_MAX];
	struct member_list members = { 0 };
	int result =
		registry_members(registry->registry, &members, false, registry->timeout_ms, error);

	for (size_t i = 0; i < members.length && result == 0; i++)
		if (lives_elsewhere(members.items[i], registry->settings))
			result = error_set(error, -EEXIST, NETI_REASON_CONFLICT,
				"%s is live at %s in network %s: give this host another id, or take "
				"the id over",
				registry->settings->id,
				address_format(&members.items[i]->private_address, text),
				members.items[i]->network);
	member_list_clear(&members);
	return result;
}

static int take_lease(struct neti_registry *registry, const char *id, unsigned flags,
	struct address *ret, struct error *error)
{
	int result = 0;

	if (id && name_check_id(id) < 0)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"id \"%s\" is not 1 to %d printable characters without a space", id,
			NAME_ID_MAX);
	if (!id)
		result = identity_complete(registry->settings, error);
	if (result < 0)
		return result;
	result = registry_lease_take(registry->registry, id ? id : registry->settings->id, ret,
		registry->timeout_ms, error);
	if (result == 0 && !id && !(flags & NETI_REGISTER_TAKEOVER))
		result = refuse_conflict(registry, error);
	return result;
}

NETI_EXPORT int neti_registry_register(struct neti_registry *registry, const char *id,
	unsigned flags, char ret_overlay[NETI_ADDRESS_MAX])
{
	struct address overlay;
	struct error error;
	int result = registry_enter(registry, true, &error);

	if (result == 0)
		result = check_flags(flags, NETI_REGISTER_TAKEOVER, &error);
	if (result == 0)
		result = take_lease(registry, id, flags, &overlay, &error);
	if (result >= 0)
		address_format(&overlay, ret_overlay);
	return registry_leave(registry, result, &error);
}

/* Adds the leases that no live member has; both lists are sorted. */
static int merge_leases(struct member_list *live, const struct member_list *leases)
{
	size_t n = live->length, i = 0;
	int result = 0;

	for (size_t j = 0; j < leases->length && result == 0; j++) {
		while (i < n && member_compare_overlay(live->items[i], leases->items[j]) < 0)
			i++;
		if (i == n || member_compare_overlay(live->items[i], leases->items[j]) != 0)
			result = member_list_add(live, leases->items[j]);
	}
	member_list_sort(live);
	return result;
}

static int list_members(struct neti_registry *registry, unsigned flags, struct member_list *ret,
	struct error *error)
{
	struct member_list leases = { 0 };
	int result = registry_members(registry->registry, ret, flags & NETI_LIST_DETAILS,
		registry->timeout_ms, error);

	if (result < 0 || !(flags & NETI_LIST_LEASES))
		return result;
	result = registry_leases(registry->registry, &leases, registry->timeout_ms, error);
	if (result == 0 && merge_leases(ret, &leases) < 0)
		result = error_memory(error);
	member_list_clear(&leases);
	if (result < 0)
		member_list_clear(ret);
	return result;
}

NETI_EXPORT int neti_registry_list(struct neti_registry *registry, unsigned flags,
	struct neti_members **ret_members)
{
	struct neti_members *members = NULL;
	struct error error;
	int result = neti_members_new(&members, registry->context);

	if (result < 0)
		return result;
	result = registry_enter(registry, false, &error);
	if (result == 0)
		result = check_flags(flags, NETI_LIST_DETAILS | NETI_LIST_LEASES, &error);
	if (result == 0)
		result = list_members(registry, flags, &members->list, &error);
	if (result == 0)
		members->revision = registry_newest(registry->registry);
	return leave_with_members(registry, result, &error, members, ret_members);
}

NETI_EXPORT int neti_registry_lookup(struct neti_registry *registry, const char *key,
	struct neti_members **ret_members)
{
	struct neti_members *members = NULL;
	struct member *member = NULL;
	struct error error;
	int result = neti_members_new(&members, registry->context);

	if (result < 0)
		return result;
	result = registry_enter(registry, false, &error);
	if (result == 0)
		result = registry_lookup(registry->registry, key, registry->settings->network,
			&member, registry->timeout_ms, &error);
	if (result == 0 && member_list_add(&members->list, member) < 0)
		result = error_memory(&error);
	member_unref(member);
	return leave_with_members(registry, result, &error, members, ret_members);
}

NETI_EXPORT int neti_registry_release(struct neti_registry *registry, const char *id)
{
	struct error error;
	int result = registry_enter(registry, false, &error);

	if (result == 0)
		result = registry_lease_release(registry->registry, id, registry->timeout_ms,
			&error);
	return registry_leave(registry, result, &error);
}

NETI_EXPORT int neti_registry_reclaim(struct neti_registry *registry, uint64_t older_than,
	unsigned flags, struct neti_members **ret_members)
{
	int64_t seconds = (int64_t)(older_than / 1000) + (older_than % 1000 != 0);
	struct neti_members *members = NULL;
	struct error error;
	int result = neti_members_new(&members, registry->context);

	if (result < 0)
		return result;
	result = registry_enter(registry, false, &error);
	if (result == 0)
		result = check_flags(flags, NETI_RECLAIM_DRY, &error);
	if (result == 0)
		result = registry_lease_reclaim(registry->registry, seconds,
			flags & NETI_RECLAIM_DRY, &members->list, registry->timeout_ms, &error);
	return leave_with_members(registry, result, &error, members, ret_members);
}

NETI_EXPORT int neti_registry_set_initial(struct neti_registry *registry, const char *key,
	const char *value)
{
	struct error error;
	int result =
		fleet_settings_choose(&registry->initial, &registry->chosen, key, value, &error);

	registry->makes = false; /* the next call that may make a fleet opens anew */
	return result < 0 ? context_fail(registry->context, &error) : result;
}

NETI_EXPORT int neti_registry_fleet_init(struct neti_registry *registry)
{
	struct fleet_settings settings;
	struct error error;
	int result = registry_enter(registry, true, &error);

	if (result == 0)
		result =
			registry_fleet(registry->registry, &settings, registry->timeout_ms, &error);
	if (result == 0)
		result = fleet_settings_check_chosen(&settings, &registry->initial,
			registry->chosen, &error);
	return registry_leave(registry, result, &error);
}

NETI_EXPORT int neti_registry_fleet_show(struct neti_registry *registry, char **ret_json)
{
	struct fleet_settings settings;
	struct buffer json = { 0 };
	struct error error;
	char *text = NULL;
	int result = registry_enter(registry, false, &error);

	if (result == 0)
		result =
			registry_fleet(registry->registry, &settings, registry->timeout_ms, &error);
	if (result >= 0) {
		fleet_settings_print(&settings, &json);
		text = buffer_steal(&json);
		result = text ? 0 : error_memory(&error);
	}
	buffer_clear(&json);
	if (result == 0)
		*ret_json = text;
	return registry_leave(registry, result, &error);
}

/* key NULL: accept. */
static int change_fleet(struct neti_registry *registry, const char *key, const char *value)
{
	struct fleet_settings settings;
	struct error error;
	int result = registry_enter(registry, false, &error);

	if (result == 0)
		result =
			registry_fleet(registry->registry, &settings, registry->timeout_ms, &error);
	if (result >= 0 && key)
		result = fleet_settings_set(&settings, key, value, &error);
	else if (result >= 0)
		settings.accepted++;
	if (result >= 0)
		result = registry_fleet_set(registry->registry, &settings, registry->timeout_ms,
			&error);
	return registry_leave(registry, result, &error);
}

NETI_EXPORT int neti_registry_fleet_set(struct neti_registry *registry, const char *key,
	const char *value)
{
	return change_fleet(registry, key, value);
}

NETI_EXPORT int neti_registry_fleet_accept(struct neti_registry *registry)
{
	return change_fleet(registry, NULL, NULL);
}
