/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rulesets by hand. Runs out of memory by crashing: it is for tests.
 */
#include <stdlib.h>
#include <string.h>

#include "rules.h"

static void *duplicate(const void *items, size_t n, size_t size)
{
	void *copy = calloc(n + 1, size);

	if (n)
		memcpy(copy, items, n * size);
	return copy;
}

#define GROW(list, n) ((list) = realloc((list), ((n) + 1) * sizeof(*(list))))

struct ruleset *rules_new(const char *overlay)
{
	struct ruleset *rules = calloc(1, sizeof(*rules));

	prefix_parse(overlay, &rules->overlay);
	rules->policy.icmp = true;
	return rules;
}

struct ruleset *rules_free(struct ruleset *rules)
{
	free(rules->paths);
	free(rules->peers);
	free(rules->policy.open_ports);
	free(rules->policy.ssh_whitelist);
	free(rules->policy.trusted);
	free(rules->policy.nat_overrides);
	free(rules);
	return NULL;
}

struct ruleset *rules_copy(const struct ruleset *rules)
{
	struct ruleset *copy = duplicate(rules, 1, sizeof(*rules));
	const struct policy *policy = &rules->policy;

	copy->paths = duplicate(rules->paths, rules->n_paths, sizeof(*rules->paths));
	copy->peers = duplicate(rules->peers, rules->n_peers, sizeof(*rules->peers));
	copy->policy.open_ports =
		duplicate(policy->open_ports, policy->n_open_ports, sizeof(*policy->open_ports));
	copy->policy.ssh_whitelist = duplicate(policy->ssh_whitelist, policy->n_ssh_whitelist,
		sizeof(*policy->ssh_whitelist));
	copy->policy.trusted =
		duplicate(policy->trusted, policy->n_trusted, sizeof(*policy->trusted));
	copy->policy.nat_overrides = duplicate(policy->nat_overrides, policy->n_nat_overrides,
		sizeof(*policy->nat_overrides));
	return copy;
}

void rules_fill(struct ruleset *rules, size_t n)
{
	struct prefix real;

	prefix_parse("10.0.0.0/8", &real);
	rules->paths = realloc(rules->paths, n * sizeof(*rules->paths));
	rules->peers = realloc(rules->peers, n * sizeof(*rules->peers));
	for (size_t i = 0; i < n; i++) {
		rules->paths[i].overlay = prefix_nth(&rules->overlay, i + 1);
		rules->paths[i].target = prefix_nth(&real, i + 1);
		rules->peers[i] = rules->paths[i].target;
	}
	rules->n_paths = rules->n_peers = n;
}

static void add_peer(struct ruleset *rules, const struct address *peer)
{
	size_t i = 0;

	while (i < rules->n_peers && address_compare(&rules->peers[i], peer) < 0)
		i++;
	if (i < rules->n_peers && address_equal(&rules->peers[i], peer))
		return;
	GROW(rules->peers, rules->n_peers);
	memmove(&rules->peers[i + 1], &rules->peers[i], (rules->n_peers - i) * sizeof(*peer));
	rules->peers[i] = *peer;
	rules->n_peers++;
}

static void remove_peer(struct ruleset *rules, const struct address *peer)
{
	for (size_t i = 0; i < rules->n_peers; i++) {
		if (!address_equal(&rules->peers[i], peer))
			continue;
		rules->n_peers--;
		memmove(&rules->peers[i], &rules->peers[i + 1],
			(rules->n_peers - i) * sizeof(*peer));
		return;
	}
}

void rules_member(struct ruleset *rules, const char *overlay, const char *target)
{
	struct path path;
	size_t i = 0;

	address_parse(overlay, &path.overlay);
	address_parse(target, &path.target);
	while (i < rules->n_paths && address_compare(&rules->paths[i].overlay, &path.overlay) < 0)
		i++;
	if (i < rules->n_paths && address_equal(&rules->paths[i].overlay, &path.overlay)) {
		remove_peer(rules, &rules->paths[i].target);
	} else {
		GROW(rules->paths, rules->n_paths);
		memmove(&rules->paths[i + 1], &rules->paths[i],
			(rules->n_paths++ - i) * sizeof(path));
	}
	rules->paths[i] = path;
	add_peer(rules, &path.target);
}

void rules_remove(struct ruleset *rules, const char *overlay)
{
	struct address address;

	address_parse(overlay, &address);
	for (size_t i = 0; i < rules->n_paths; i++) {
		if (!address_equal(&rules->paths[i].overlay, &address))
			continue;
		remove_peer(rules, &rules->paths[i].target);
		rules->n_paths--;
		memmove(&rules->paths[i], &rules->paths[i + 1],
			(rules->n_paths - i) * sizeof(*rules->paths));
		return;
	}
}

void rules_open(struct ruleset *rules, uint8_t protocol, uint16_t low, uint16_t high)
{
	struct policy *policy = &rules->policy;

	GROW(policy->open_ports, policy->n_open_ports);
	policy->open_ports[policy->n_open_ports++] = (struct port_range){ protocol, low, high };
}

void rules_ssh(struct ruleset *rules, const char *prefix)
{
	struct policy *policy = &rules->policy;

	GROW(policy->ssh_whitelist, policy->n_ssh_whitelist);
	prefix_parse(prefix, &policy->ssh_whitelist[policy->n_ssh_whitelist++]);
}

void rules_trust(struct ruleset *rules, const char *prefix)
{
	struct policy *policy = &rules->policy;

	GROW(policy->trusted, policy->n_trusted);
	prefix_parse(prefix, &policy->trusted[policy->n_trusted++]);
}

void rules_override(struct ruleset *rules, const char *from, const char *to)
{
	struct policy *policy = &rules->policy;

	GROW(policy->nat_overrides, policy->n_nat_overrides);
	address_parse(from, &policy->nat_overrides[policy->n_nat_overrides].from);
	address_parse(to, &policy->nat_overrides[policy->n_nat_overrides++].to);
}
