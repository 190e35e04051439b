/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client wants a port behind every host.
 */
#include <errno.h>
#include <string.h>

#include "../buffer.h"
#include "zookeeper_hosts.h"

#define DEFAULT_PORT "2181"

/* One host to the buffer; its length in the address, or -EINVAL. */
static int write_host(struct buffer *hosts, const char *host)
{
	size_t length = strcspn(host, ",");

	if (length == 0 || strcspn(host, " \t\n") < length)
		return -EINVAL;
	buffer_append(hosts, host, length);
	if (!memchr(host, ':', length))
		buffer_print(hosts, ":" DEFAULT_PORT);
	return (int)length;
}

int zookeeper_hosts_write(char **ret, const char *address, struct error *error)
{
	struct buffer hosts = { 0 };

	for (const char *host = address;;) {
		int length = write_host(&hosts, host);

		if (length < 0) {
			buffer_clear(&hosts);
			return error_set(error, -EINVAL, NETI_TROUBLE_SETTINGS,
				"registry hosts \"%.200s\": not HOST:PORT,HOST:PORT,...",
				address);
		}
		if (!host[length])
			break;
		buffer_append(&hosts, ",", 1);
		host += length + 1;
	}
	if (buffer_result(&hosts) < 0) {
		buffer_clear(&hosts);
		return error_memory(error);
	}
	*ret = buffer_steal(&hosts);
	return 0;
}
