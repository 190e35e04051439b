/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * My own rules from the member list: an nftables set of the addresses that members are seen
 * from, for "nft -f -". A host in the same network is seen from its private address.
 *
 * usage: own-rules NETI.YML NETWORK
 */
#include <neti/neti.h>
#include <stdio.h>
#include <string.h>

static void print_rules(const struct neti_members *members, const char *network)
{
	char address[NETI_ADDRESS_MAX];

	puts("table inet own {\n\tset fleet {\n\t\ttype ipv4_addr");
	for (size_t i = 0; i < neti_members_count(members); i++) {
		const struct neti_member *member = neti_members_get(members, i);
		int near = strcmp(neti_member_network(member), network) == 0;

		if (near)
			neti_member_private(member, address);
		else
			neti_member_public(member, address);
		if (*address)
			printf("\t\telements = { %s } # %s\n", address, neti_member_id(member));
	}
	puts("\t}\n}");
}

int main(int argc, char **argv)
{
	struct neti_context *context;
	struct neti_settings *settings;
	struct neti_registry *registry = NULL;
	struct neti_members *members;
	int result;

	if (argc != 3 || neti_context_new(&context) < 0)
		return 2;
	result = neti_settings_new(&settings, context);
	if (result == 0)
		result = neti_settings_load(settings, argv[1]);
	if (result == 0)
		result = neti_registry_open(&registry, settings);
	if (result == 0)
		result = neti_registry_list(registry, 0, &members);
	if (result == 0) {
		print_rules(members, argv[2]);
		neti_members_unref(members);
	} else {
		fprintf(stderr, "%s\n", neti_context_message(context));
	}
	neti_registry_unref(registry);
	neti_settings_unref(settings);
	neti_context_unref(context);
	return result < 0;
}
