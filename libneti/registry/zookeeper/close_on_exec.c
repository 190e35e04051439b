/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds another library's sockets and pipes through /proc/self/fd.
 */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
	       getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && same_host(&peer, server) &&
	       getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &undelayed, &int_size) == 0 && undelayed;
}

static void visit_all(void (*visit)(int fd, void *data), void *data)
{
	DIR *all = opendir("/proc/self/fd");
	struct dirent *entry;

	while (all && (entry = readdir(all)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(all))
			visit(atoi(entry->d_name), data);
	if (all)
		closedir(all);
}

static void mark_such(int fd, void *server)
{
	if (is_such(fd, server))
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void close_on_exec(const struct sockaddr_storage *server)
{
	struct sockaddr_storage copy = *server;

	visit_all(mark_such, &copy);
}

static void note_descriptor(int fd, void *data)
{
	struct open_descriptors *noted = data;

	if (fd < CLOSE_ON_EXEC_KNOWN)
		noted->bits[fd / 8] |= (unsigned char)(1 << fd % 8);
}

void close_on_exec_note(struct open_descriptors *ret)
{
	*ret = (struct open_descriptors){ 0 };
	visit_all(note_descriptor, ret);
}

struct new_pipe {
	const struct open_descriptors *before;
	ino_t inode; /* 0: not found yet */
};

/* Neither of its ends blocks, and both are of the same pipe. */
static void mark_pipe(int fd, void *data)
{
	struct new_pipe *pipe = data;
	int flags = fcntl(fd, F_GETFD);
	struct stat stat;

	if (fd >= CLOSE_ON_EXEC_KNOWN || pipe->before->bits[fd / 8] & 1 << fd % 8 || flags < 0 ||
		flags & FD_CLOEXEC || !(fcntl(fd, F_GETFL) & O_NONBLOCK) || fstat(fd, &stat) < 0 ||
		!S_ISFIFO(stat.st_mode) || (pipe->inode && stat.st_ino != pipe->inode))
		return;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	pipe->inode = stat.st_ino;
}

void close_on_exec_pipes(const struct open_descriptors *before)
{
	struct new_pipe pipe = { .before = before };

	visit_all(mark_pipe, &pipe);
}
