/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two living agents with one id. The session that owns an entry tells whose it is: this host's,
 * now or before it was killed, or another's. Who is refused leaves a mark in the data of the
 * entry, which its holder alone watches, so that both can say it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

#define RETRY_LOWEST_MS 500
#define TWIN_MOST_MS 5000
#define MARK_MS 5000 /* between two marks */
#define TOOK_MS 60000
#define FRESH_MS 15000 /* a mark that nobody renewed for so long: the other is gone */

/* --- whose an entry is ------------------------------------------------------------------- */

void registry_remember(struct registry *registry, const uint64_t *sessions, size_t n)
{
	struct twin *twin = &registry->twin;

	for (size_t i = 0; i < n && twin->n_sessions < REGISTRY_SESSIONS; i++)
		twin->sessions[twin->n_sessions++] = sessions[i];
}

size_t registry_sessions(const struct registry *registry, const uint64_t **ret)
{
	*ret = registry->twin.sessions;
	return registry->twin.n_sessions;
}

void twin_connected(struct registry *registry)
{
	uint64_t session = registry_session(registry), *sessions = registry->twin.sessions;
	size_t n = registry->twin.n_sessions;

	if (!session || (n > 0 && sessions[0] == session))
		return;
	if (n == REGISTRY_SESSIONS)
		n--;
	memmove(sessions + 1, sessions, n * sizeof(*sessions));
	sessions[0] = session;
	registry->twin.n_sessions = n + 1;
}

bool twin_is_own(struct registry *registry, const struct store_answer *answer)
{
	return answer->result == 0 && answer->owner && answer->owner == registry_session(registry);
}

bool twin_may_go(const struct registry *registry, const struct store_answer *answer, bool same)
{
	for (size_t i = 0; i < registry->twin.n_sessions; i++)
		if (registry->twin.sessions[i] == answer->owner)
			return true;
	return registry->membership.takeover || (same && !answer->owner);
}

/* --- the one that is refused --------------------------------------------------------------- */

static void marked(void *data, const struct store_answer *answer)
{
	(void)data;
	(void)answer; /* the next look tries again */
}

static void write_mark(struct registry *registry, const char *path,
	const struct store_answer *answer)
{
	struct entry_mark mark = {
		.private_address = registry->membership.wanted->private_address,
		.number = registry_random(INT64_MAX),
	};
	struct store_operation set = {
		.kind = STORE_SET, .path = path, .version = answer->version
	};
	struct buffer json = { 0 };

	gethostname(mark.host, sizeof(mark.host) - 1);
	if (entry_mark_data(&json, answer->bytes, answer->size, &mark) == 0) {
		set.bytes = json.text;
		set.size = json.length;
		registry->backend->multi(registry->store, &set, 1, marked, registry);
	}
	buffer_clear(&json);
}

int64_t twin_refuse(struct registry *registry, const char *other, const char *path,
	const struct store_answer *answer, struct error *error)
{
	const struct membership *membership = &registry->membership;
	int64_t retry = registry_timeout(registry) / 2;

	if (registry_due(&registry->twin.mark_at)) {
		registry->twin.mark_at = registry_now() + MARK_MS;
		write_mark(registry, path, answer);
	}
	error_set(error, -EEXIST, NETI_REASON_CONFLICT,
		"another live member has the id %s%s: %.200s; stop one of the two, or give it an id "
		"of its own",
		membership->wanted->id,
		strcmp(other, membership->name) == 0 ? " and the same addresses" : "", other);
	if (retry > TWIN_MOST_MS)
		return TWIN_MOST_MS;
	return retry < RETRY_LOWEST_MS ? RETRY_LOWEST_MS : retry;
}

/* --- the one that holds the entry ---------------------------------------------------------- */

void twin_look(struct registry *registry, const struct store_answer *answer)
{
	struct twin *twin = &registry->twin;
	char address[ADDRESS_TEXT_MAX];
	struct entry_mark mark;
	struct error error;
	bool told = twin->until != 0;

	if (!entry_read_mark(&mark, answer->bytes, answer->size) || mark.number == twin->seen)
		return;
	twin->seen = mark.number;
	twin->until = registry_now() + FRESH_MS;
	if (told) /* of several, the first */
		return;
	error_set(&error, -EEXIST, NETI_REASON_CONFLICT,
		"another agent wants the id %s and is refused: host %s, private address %s; stop it, "
		"or give it an id of its own",
		registry->membership.wanted->id, mark.host,
		address_format(&mark.private_address, address));
	registry_trouble(registry, REGISTRY_TROUBLE_TWIN, &error);
}

void twin_forget(struct registry *registry)
{
	registry->twin.until = 0;
	registry_trouble(registry, REGISTRY_TROUBLE_TWIN, NULL);
}

bool twin_took(struct registry *registry, struct error *error)
{
	struct twin *twin = &registry->twin;
	int64_t now = registry_now();
	bool often = twin->took_at && now - twin->took_at < TOOK_MS;

	twin->took_at = now;
	twin_forget(registry);
	if (often)
		error_set(error, -EEXIST, NETI_REASON_CONFLICT,
			"the entry of %s was taken away twice within a minute: stop the other agent, "
			"or whatever removes it",
			registry->membership.wanted->id);
	return often;
}

int64_t twin_next(const struct registry *registry)
{
	return registry->twin.until ? registry->twin.until : REGISTRY_NEVER;
}

void twin_advance(struct registry *registry)
{
	if (registry->twin.until && registry_now() >= registry->twin.until)
		twin_forget(registry);
}
