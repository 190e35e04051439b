/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Written field by field and not along the library's table, which it is to check.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "settings_dump.h"

#define DUMP_MAX 65536

struct dump {
	char text[DUMP_MAX];
	size_t length;
};

/* What does not fit is left out. */
static void __attribute__((format(printf, 2, 3))) add(struct dump *dump, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (dump->length < DUMP_MAX)
		dump->length += (size_t)vsnprintf(dump->text + dump->length,
			DUMP_MAX - dump->length, format, arguments);
	va_end(arguments);
}

static void add_text(struct dump *dump, const char *name, const char *text)
{
	if (text)
		add(dump, "%s=%s\n", name, text);
}

static void add_address(struct dump *dump, const char *name, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	if (address_is_set(address))
		add(dump, "%s=%s\n", name, address_format(address, text));
}

static void add_prefixes(struct dump *dump, const char *name, const struct prefix *prefixes,
	size_t n)
{
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		add(dump, "%s=%s\n", name, prefix_format(&prefixes[i], text));
}

static void add_policy(struct dump *dump, const struct policy *policy)
{
	char from[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < policy->n_open_ports; i++)
		add(dump, "open_ports=%s %u-%u\n",
			policy->open_ports[i].protocol == IPPROTO_TCP ? "tcp" : "udp",
			policy->open_ports[i].low, policy->open_ports[i].high);
	add(dump, "reject_all=%d\n", policy->reject_all);
	add_prefixes(dump, "ssh_whitelist", policy->ssh_whitelist, policy->n_ssh_whitelist);
	add_prefixes(dump, "trusted", policy->trusted, policy->n_trusted);
	for (size_t i = 0; i < policy->n_nat_overrides; i++)
		add(dump, "nat_overrides=%s %s\n",
			address_format(&policy->nat_overrides[i].from, from),
			address_format(&policy->nat_overrides[i].to, to));
	add(dump, "forwarded=%d\nicmp=%d\n", policy->forwarded, policy->icmp);
}

static void add_overlay(struct dump *dump, const struct settings *settings)
{
	char text[PREFIX_TEXT_MAX];

	add(dump, "overlay_subnet=%s%s\n", prefix_format(&settings->overlay_subnet, text),
		settings->overlay_subnet_given ? " given" : "");
	add_prefixes(dump, "overlay_exclude", settings->overlay_exclude,
		settings->n_overlay_exclude);
}

const char *settings_dump(const struct settings *settings)
{
	static struct dump dumps[2];
	static unsigned turn;
	struct dump *dump = &dumps[turn++ % 2];

	dump->length = 0;
	dump->text[0] = '\0';
	add_text(dump, "registry", settings->registry);
	for (size_t i = 0; i < settings->n_zk_hosts; i++)
		add(dump, "zk_hosts=%s %s\n", settings->zk_hosts[i].network,
			settings->zk_hosts[i].hosts);
	add_text(dump, "zk_prefix", settings->zk_prefix);
	add_text(dump, "id", settings->id);
	add_text(dump, "network", settings->network);
	add_address(dump, "private_ip", &settings->private_ip);
	add_address(dump, "public_ip", &settings->public_ip);
	add(dump, "identity=%d\n", settings->identity);
	add_overlay(dump, settings);
	add_policy(dump, &settings->policy);
	if (strcmp(settings->engine, "auto") != 0)
		add_text(dump, "engine", settings->engine);
	add_text(dump, "xtables_lock", settings->xtables_lock);
	add(dump, "conntrack_max=%u\nsession_timeout=%ums\n", settings->conntrack_max,
		settings->session_timeout_ms);
	add_text(dump, "state_dir", settings->state_dir);
	add_text(dump, "credentials_file", settings->credentials_file);
	add_text(dump, "on_register", settings->on_register);
	add_text(dump, "metrics_file", settings->metrics_file);
	if (settings->listen)
		add(dump, "listen=%u\n", settings->listen);
	for (size_t i = 0; i < settings->n_to; i++)
		add_text(dump, "to", settings->to[i]);
	add_prefixes(dump, "from", settings->from, settings->n_from);
	return dump->text;
}
