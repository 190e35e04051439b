/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client wants a port behind every host, and, as it turned out, an odd number of addresses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "hosts.h"

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
			return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
				"registry hosts \"%.200s\": not HOST:PORT,HOST:PORT,...", address);
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

/* Counts the addresses of one HOST:PORT as the client finds them; the first of IPv4 to the text. */
static unsigned count_addresses(char *host, struct buffer *spare)
{
	struct addrinfo hints = { .ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM },
			*all = NULL;
	char *colon = strrchr(host, ':'), text[INET_ADDRSTRLEN];
	unsigned n = 0;

	*colon = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &all) != 0)
		return 0;
	for (const struct addrinfo *one = all; one; one = one->ai_next, n++)
		if (one->ai_family == AF_INET && spare->length == 0)
			buffer_print(spare, ",%s:%s",
				inet_ntop(AF_INET, &((struct sockaddr_in *)one->ai_addr)->sin_addr,
					text, sizeof(text)),
				colon + 1);
	freeaddrinfo(all);
	return n;
}

char *zookeeper_hosts_odd(const char *hosts)
{
	struct buffer text = { 0 }, spare = { 0 };
	char *copy = strdup(hosts), *next = NULL;
	unsigned n = 0;

	for (char *host = copy ? strtok_r(copy, ",", &next) : NULL; host;
		host = strtok_r(NULL, ",", &next))
		n += count_addresses(host, &spare);
	buffer_print(&text, "%s%s", hosts, n % 2 == 0 ? buffer_text(&spare) : "");
	buffer_clear(&spare);
	free(copy);
	return buffer_steal(&text); /* NULL without memory */
}
