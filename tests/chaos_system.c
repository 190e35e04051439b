/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that can fail, each with an error that it may really have.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "chaos_faults.h"

#pragma GCC visibility push(default) /* for the libraries, too */

static bool fails(const char *call, int error, const void *caller)
{
	if (!faults_strike(FAULT_SYSTEM, call, caller))
		return false;
	errno = error;
	return true;
}

/* A function of this name that fails in this way, or else does what the next of the name does. */
#define FAILING(type, name, error, failure, parameters, arguments)                                 \
	type name parameters                                                                       \
	{                                                                                          \
		static type(*next) parameters;                                                     \
                                                                                                   \
		if (fails(#name, error, __builtin_return_address(0)))                              \
			return failure;                                                            \
		if (!next)                                                                         \
			*(void **)&next = dlsym(RTLD_NEXT, #name);                                 \
		return next arguments;                                                             \
	}

FAILING(ssize_t, read, EIO, -1, (int fd, void *to, size_t n), (fd, to, n))
FAILING(ssize_t, pread, EIO, -1, (int fd, void *to, size_t n, off_t at), (fd, to, n, at))
FAILING(ssize_t, pread64, EIO, -1, (int fd, void *to, size_t n, off_t at), (fd, to, n, at))
FAILING(ssize_t, write, ENOSPC, -1, (int fd, const void *from, size_t n), (fd, from, n))
FAILING(ssize_t, pwrite, ENOSPC, -1, (int fd, const void *from, size_t n, off_t at),
	(fd, from, n, at))
FAILING(ssize_t, pwrite64, ENOSPC, -1, (int fd, const void *from, size_t n, off_t at),
	(fd, from, n, at))
FAILING(int, fsync, EIO, -1, (int fd), (fd))
FAILING(int, fdatasync, EIO, -1, (int fd), (fd))
FAILING(int, ftruncate, ENOSPC, -1, (int fd, off_t size), (fd, size))
FAILING(int, ftruncate64, ENOSPC, -1, (int fd, off_t size), (fd, size))
FAILING(int, fstat, EIO, -1, (int fd, struct stat *to), (fd, to))
FAILING(int, rename, EACCES, -1, (const char *from, const char *to), (from, to))
FAILING(int, mkdir, EACCES, -1, (const char *path, mode_t mode), (path, mode))
FAILING(int, flock, ENOLCK, -1, (int fd, int operation), (fd, operation))
FAILING(FILE *, fopen, EMFILE, NULL, (const char *path, const char *mode), (path, mode))
FAILING(DIR *, opendir, EMFILE, NULL, (const char *path), (path))
FAILING(void *, mmap, ENOMEM, MAP_FAILED,
	(void *at, size_t n, int protection, int flags, int fd, off_t offset),
	(at, n, protection, flags, fd, offset))
FAILING(int, poll, ENOMEM, -1, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
FAILING(int, eventfd, EMFILE, -1, (unsigned value, int flags), (value, flags))
FAILING(int, epoll_create1, EMFILE, -1, (int flags), (flags))
FAILING(int, epoll_ctl, ENOSPC, -1, (int epoll, int what, int fd, struct epoll_event *event),
	(epoll, what, fd, event))
FAILING(int, epoll_wait, EINTR, -1, (int epoll, struct epoll_event *to, int n, int timeout),
	(epoll, to, n, timeout))
FAILING(int, timerfd_create, EMFILE, -1, (clockid_t clock, int flags), (clock, flags))
FAILING(int, inotify_init1, EMFILE, -1, (int flags), (flags))
FAILING(int, inotify_add_watch, ENOSPC, -1, (int fd, const char *path, uint32_t mask),
	(fd, path, mask))
FAILING(int, socket, EMFILE, -1, (int domain, int type, int protocol), (domain, type, protocol))
FAILING(int, getsockopt, ENOMEM, -1, (int fd, int level, int option, void *to, socklen_t *size),
	(fd, level, option, to, size))
FAILING(int, setsockopt, ENOMEM, -1,
	(int fd, int level, int option, const void *value, socklen_t size),
	(fd, level, option, value, size))
FAILING(ssize_t, send, ENOBUFS, -1, (int fd, const void *from, size_t n, int flags),
	(fd, from, n, flags))
FAILING(ssize_t, sendmsg, ENOBUFS, -1, (int fd, const struct msghdr *message, int flags),
	(fd, message, flags))
FAILING(ssize_t, recv, ENOBUFS, -1, (int fd, void *to, size_t n, int flags), (fd, to, n, flags))
FAILING(ssize_t, recvmsg, ENOBUFS, -1, (int fd, struct msghdr *message, int flags),
	(fd, message, flags))
FAILING(int, getifaddrs, ENOBUFS, -1, (struct ifaddrs * *to), (to))
FAILING(int, pthread_create, EAGAIN, EAGAIN,
	(pthread_t * to, const pthread_attr_t *attributes, void *(*run)(void *), void *data),
	(to, attributes, run, data))

/* glibc's headers give these transparent unions and variable arguments. */
#define FAILING_OPEN(name)                                                                         \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		static int (*next)(const char *, int, ...);                                        \
		va_list arguments;                                                                 \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(arguments, flags);                                                        \
		mode = va_arg(arguments, mode_t);                                                  \
		va_end(arguments);                                                                 \
		if (fails(#name, EMFILE, __builtin_return_address(0)))                             \
			return -1;                                                                 \
		if (!next)                                                                         \
			*(void **)&next = dlsym(RTLD_NEXT, #name);                                 \
		return next(path, flags, mode);                                                    \
	}

FAILING_OPEN(open)
FAILING_OPEN(open64)

/* A lock that is given back needs nothing that could be lacking; SQLite does not get over it. */
static bool gives_back(int command, const void *argument)
{
	return command == F_SETLK && ((const struct flock *)argument)->l_type == F_UNLCK;
}

#define FAILING_FCNTL(name)                                                                        \
	int name(int fd, int command, ...)                                                         \
	{                                                                                          \
		static int (*next)(int, int, ...);                                                 \
		va_list arguments;                                                                 \
		void *argument;                                                                    \
                                                                                                   \
		va_start(arguments, command);                                                      \
		argument = va_arg(arguments, void *);                                              \
		va_end(arguments);                                                                 \
		if (!gives_back(command, argument) &&                                              \
			fails(#name, ENOLCK, __builtin_return_address(0)))                         \
			return -1;                                                                 \
		if (!next)                                                                         \
			*(void **)&next = dlsym(RTLD_NEXT, #name);                                 \
		return next(fd, command, argument);                                                \
	}

FAILING_FCNTL(fcntl)
FAILING_FCNTL(fcntl64)

ssize_t sendto(int fd, const void *from, size_t n, int flags, __CONST_SOCKADDR_ARG to,
	socklen_t size)
{
	static ssize_t (*next)(int, const void *, size_t, int, const void *, socklen_t);

	if (fails("sendto", ENOBUFS, __builtin_return_address(0)))
		return -1;
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "sendto");
	return next(fd, from, n, flags, to.__sockaddr__, size);
}

int bind(int fd, __CONST_SOCKADDR_ARG to, socklen_t size)
{
	static int (*next)(int, const void *, socklen_t);

	if (fails("bind", EADDRINUSE, __builtin_return_address(0)))
		return -1;
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "bind");
	return next(fd, to.__sockaddr__, size);
}
