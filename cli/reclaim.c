/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reclaim: leases that nobody has joined with for a long time are given back.
 */
#include "base/duration.h"
#include "handles.h"
#include "members.h"
#include "output.h"

static void print_plain(const struct neti_members *members)
{
	char overlay[NETI_ADDRESS_MAX];

	for (size_t i = 0; i < neti_members_count(members); i++) {
		const struct neti_member *member = neti_members_get(members, i);

		printf("%s %s\n", neti_member_id(member), neti_member_overlay(member, overlay));
	}
}

int command_reclaim(struct netictl *netictl)
{
	unsigned flags = netictl->line.dry_run ? NETI_RECLAIM_DRY : 0;
	const char *text = netictl->line.older_than;
	auto_registry *registry = NULL;
	auto_members *members = NULL;
	int status = EXIT_DONE;
	uint64_t older_than;

	if (!text)
		return say_usage("reclaim needs --older-than, a duration such as 30d");
	if (duration_parse(text, &older_than) < 0)
		return say_usage("--older-than: \"%s\" is not a duration, such as 30d", text);
	if (neti_registry_open(&registry, netictl->settings) < 0 ||
		neti_registry_reclaim(registry, older_than, flags, &members) < 0)
		return say_failure(netictl);
	if (netictl->line.json)
		status = print_members_json(members);
	else
		print_plain(members);
	say(netictl, "%zu leases %s given back", neti_members_count(members),
		netictl->line.dry_run ? "would be" : "are");
	return status;
}
