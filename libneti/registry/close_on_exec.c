/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds another library's sockets through /proc/self/fd.
 */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "close_on_exec.h"

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->ss_family == AF_INET6 && a6->sin6_port == b6->sin6_port &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
}

/* As the ZooKeeper client makes them: non-blocking, undelayed, to this server, and open across
 * exec. */
static bool is_such(int fd, const struct sockaddr_storage *server)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer), int_size = sizeof(int);
	int undelayed = 0, flags = fcntl(fd, F_GETFD);

	return flags >= 0 && !(flags & FD_CLOEXEC) && (fcntl(fd, F_GETFL) & O_NONBLOCK) &&
	       getpeername(fd, (struct sockaddr *)&peer, &size) == 0 &&
	       same_host(&peer, server) &&
	       getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &undelayed, &int_size) == 0 && undelayed;
}

void close_on_exec(const struct sockaddr_storage *server)
{
	DIR *all = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!all)
		return;
	while ((entry = readdir(all))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && is_such(fd, server))
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	closedir(all);
}
