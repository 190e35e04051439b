/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * denied: who was refused, or with reject_all false would have been.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#include "handles.h"
#include "output.h"
#include "table.h"

static const char *protocol_of(const struct neti_denied *denied, size_t i)
{
	return neti_denied_protocol(denied, i) == IPPROTO_TCP ? "tcp" : "udp";
}

static time_t since(const struct neti_denied *denied, size_t i)
{
	return time(NULL) - (time_t)neti_denied_seconds(denied, i);
}

static int print_table(const struct neti_denied *denied)
{
	static const char *const heads[] = { "SOURCE", "PROTOCOL", "PORT", "PACKETS", "SINCE" };
	struct table *table = table_new(5, heads);
	char text[NETI_ADDRESS_MAX];

	for (size_t i = 0; i < neti_denied_count(denied); i++) {
		time_t first = since(denied, i);
		struct tm local;

		table_cell(table, neti_denied_source(denied, i, text));
		table_cell(table, protocol_of(denied, i));
		snprintf(text, sizeof(text), "%u", neti_denied_port(denied, i));
		table_cell(table, text);
		snprintf(text, sizeof(text), "%llu",
			(unsigned long long)neti_denied_packets(denied, i));
		table_cell(table, text);
		strftime(text, sizeof(text), "%F %T", localtime_r(&first, &local));
		table_cell(table, text);
	}
	return table_print(table);
}

static int print_array(const struct neti_denied *denied)
{
	char text[NETI_ADDRESS_MAX];
	json_t *array = json_array();

	for (size_t i = 0; i < neti_denied_count(denied); i++)
		json_array_append_new(array,
			json_pack("{s:s, s:s, s:i, s:I, s:I}", "source",
				neti_denied_source(denied, i, text), "protocol",
				protocol_of(denied, i), "port", (int)neti_denied_port(denied, i),
				"packets", (json_int_t)neti_denied_packets(denied, i), "since",
				(json_int_t)since(denied, i)));
	return print_json(json_pack("{s:o}", "denied", array));
}

int command_denied(struct netictl *netictl)
{
	auto_denied *denied = NULL;
	auto_engine *engine = NULL;

	if (neti_engine_open(&engine, netictl->settings) < 0 ||
		neti_engine_denied(engine, &denied) < 0)
		return say_failure(netictl);
	return netictl->line.json ? print_array(denied) : print_table(denied);
}
