/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Just look one address up: the overlay address of an id, or the id behind an address.
 *
 * usage: lookup REGISTRY KEY       lookup zookeeper://h1:2181/neti web-17
 */
#include <neti/neti.h>
#include <stdio.h>

static int look_up(struct neti_settings *settings, const char *uri, const char *key)
{
	struct neti_registry *registry;
	struct neti_members *members;
	const struct neti_member *member;
	char overlay[NETI_ADDRESS_MAX];
	int result = neti_settings_set(settings, "registry", uri);

	if (result == 0)
		result = neti_registry_open(&registry, settings);
	if (result < 0)
		return result;
	neti_registry_set_timeout(registry, 3000);
	result = neti_registry_lookup(registry, key, &members);
	if (result == 0) {
		member = neti_members_get(members, 0);
		printf("%s %s\n", neti_member_id(member), neti_member_overlay(member, overlay));
		neti_members_unref(members);
	}
	neti_registry_unref(registry);
	return result;
}

int main(int argc, char **argv)
{
	struct neti_context *context;
	struct neti_settings *settings;
	int result;

	if (argc != 3 || neti_context_new(&context) < 0)
		return 2;
	result = neti_settings_new(&settings, context);
	if (result == 0) {
		result = look_up(settings, argv[1], argv[2]);
		neti_settings_unref(settings);
	}
	if (result < 0)
		fprintf(stderr, "%s\n", neti_context_message(context));
	neti_context_unref(context);
	return result < 0;
}
