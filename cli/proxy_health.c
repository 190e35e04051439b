/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks a ZooKeeper server how it is, by the command "srvr", which it answers unasked-for. The
 * question comes from this host, as do the connections through the proxy: it meets the same
 * limit of connections from one address.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output.h"
#include "proxy.h"

#define PATIENCE_MS 1000

static bool is_ready(int fd, short events)
{
	struct pollfd poller = { .fd = fd, .events = events };

	return poll(&poller, 1, PATIENCE_MS) == 1;
}

/* 0, or the errno of the attempt. */
static int connect_to(int fd, const struct sockaddr_in *target)
{
	socklen_t size = sizeof(int);
	int result = 0;

	if (connect(fd, (const struct sockaddr *)target, sizeof(*target)) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (!is_ready(fd, POLLOUT))
		return ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size);
	return result;
}

/* What came until the server closed, or the time was up; -1 when it was up before anything. */
static ssize_t ask(int fd, char *text, size_t size)
{
	size_t length = 0;
	ssize_t n = 1;

	if (send(fd, "srvr", 4, MSG_NOSIGNAL) != 4)
		return 0;
	while (n > 0 && length < size - 1 && is_ready(fd, POLLIN)) {
		n = recv(fd, text + length, size - 1 - length, 0);
		length += n > 0 ? (size_t)n : 0;
	}
	text[length] = '\0';
	return n > 0 && length == 0 ? -1 : (ssize_t)length;
}

static void read_answer(struct proxy_health *health, const char *text)
{
	const char *mode = strstr(text, "\nMode: "), *count = strstr(text, "\nConnections: ");

	health->healthy = true;
	health->text = "healthy";
	if (mode)
		sscanf(mode, "\nMode: %31s", health->mode);
	if (count)
		health->connections = atoi(count + strlen("\nConnections: "));
	if (strstr(text, "not currently serving")) {
		health->healthy = false;
		health->text = "it runs, but has no quorum";
	}
}

struct proxy_health proxy_health(const struct sockaddr_in *target)
{
	struct proxy_health health = { .connections = -1, .text = "no socket can be opened" };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), result;
	char text[1024];
	ssize_t length;

	if (fd < 0)
		return health;
	result = connect_to(fd, target);
	length = result == 0 ? ask(fd, text, sizeof(text)) : 0;
	close(fd);
	if (result)
		health.text = strerrordesc_np(result);
	else if (length < 0)
		health.text = "it accepts connections, but does not answer";
	else if (length == 0)
		health.text = "it closes connections at once: its maxClientCnxns may be reached, "
			      "which counts all that come through this host as one client";
	else
		read_answer(&health, text);
	return health;
}
