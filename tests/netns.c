/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Namespaces, cables, commands and probes for tests. Never touches the machine's own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns.h"
#include "test.h"

static char directory[64];
static pid_t owner;

const char *netns_directory(void)
{
	return directory;
}

static void remove_directory(void)
{
	char command[96];

	if (getpid() != owner)
		return;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	if (system(command) != 0)
		return;
}

static void make_directory(void)
{
	char lock[80];

	owner = getpid();
	strcpy(directory, "/tmp/neti-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	atexit(remove_directory);
	snprintf(lock, sizeof(lock), "%s/xtables.lock", directory);
	setenv("XTABLES_LOCKFILE", lock, 1);
}

static bool write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool good;

	if (!file)
		return false;
	fputs(text, file);
	good = fflush(file) == 0;
	fclose(file);
	return good;
}

static bool leave(void)
{
	char user[32], group[32];

	snprintf(user, sizeof(user), "0 %u 1", geteuid());
	snprintf(group, sizeof(group), "0 %u 1", getegid());
	if (geteuid() == 0 && unshare(CLONE_NEWNET | CLONE_NEWNS) == 0)
		return true;
	/* The network comes after the map: its /proc files belong to who is root at that moment. */
	return unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny") &&
	       write_file("/proc/self/uid_map", user) && write_file("/proc/self/gid_map", group) &&
	       unshare(CLONE_NEWNET | CLONE_NEWNS) == 0;
}

static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

/* Without FD_CLOEXEC: ip finds it under /proc/self/fd. */
static int open_self(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY);

	ck_assert_int_ge(fd, 0);
	return fd;
}

bool netns_start(struct netns_host *ret_self)
{
	if (!leave()) {
		test_note_skip("no network namespace: %s", strerror(errno));
		return false;
	}
	make_directory();
	raise_loopback();
	*ret_self = (struct netns_host){ .name = "self", .fd = open_self() };
	return true;
}

void netns_enter(const struct netns_host *host)
{
	ck_assert_int_eq(setns(host->fd, CLONE_NEWNET), 0);
}

void netns_host(struct netns_host *ret, const char *name)
{
	int back = open_self();

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	raise_loopback();
	*ret = (struct netns_host){ .name = name, .fd = open_self() };
	ck_assert_int_eq(setns(back, CLONE_NEWNET), 0);
	close(back);
}

static void configure(const struct netns_host *host, const char *device, const char *address)
{
	bool six = strchr(address, ':');

	netns_enter(host);
	netns_do("ip addr add %s dev %s%s", address, device, six ? " nodad" : "");
	netns_do("ip link set %s up", device);
}

void netns_link(const struct netns_host *a, const char *address_a, const struct netns_host *b,
	const char *address_b)
{
	netns_enter(a);
	netns_do("ip link add %s type veth peer name %s netns /proc/self/fd/%d", b->name, a->name,
		b->fd);
	configure(b, a->name, address_b);
	configure(a, b->name, address_a);
}

static char *run(const char *command, int *ret_status)
{
	FILE *pipe = popen(command, "re");
	size_t size = 0, length = 0;
	char *text = NULL;

	ck_assert_ptr_nonnull(pipe);
	do {
		text = realloc(text, size += 65536);
		length += fread(text + length, 1, size - length - 1, pipe);
	} while (!feof(pipe));
	text[length] = '\0';
	*ret_status = pclose(pipe);
	return text;
}

void netns_do(const char *format, ...)
{
	va_list arguments;
	char *inner, *command, *text;
	int status;

	va_start(arguments, format);
	ck_assert_int_ge(vasprintf(&inner, format, arguments), 0);
	va_end(arguments);
	ck_assert_int_ge(asprintf(&command, "{ %s ; } 2>&1", inner), 0);
	free(inner);
	text = run(command, &status);
	ck_assert_msg(status == 0, "%s: %s", command, text);
	free(text);
	free(command);
}

char *netns_output(const char *format, ...)
{
	va_list arguments;
	char *command, *text;
	int status;

	va_start(arguments, format);
	ck_assert_int_ge(vasprintf(&command, format, arguments), 0);
	va_end(arguments);
	text = run(command, &status);
	free(command);
	return text;
}

static socklen_t fill(struct sockaddr_storage *ret, const char *address, uint16_t port)
{
	struct sockaddr_in *in = (void *)ret;
	struct sockaddr_in6 *in6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (strchr(address, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		ck_assert_int_eq(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	ck_assert_int_eq(inet_pton(AF_INET, address, &in->sin_addr), 1);
	return sizeof(*in);
}

int netns_listen(const char *address, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t length = fill(&name, address, port);
	int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(bind(fd, (void *)&name, length), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	return fd;
}

static int start_connect(const char *address, uint16_t port, unsigned timeout_ms, int *ret_fd)
{
	struct sockaddr_storage name;
	socklen_t length = fill(&name, address, port);
	int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;
	struct pollfd poll_for = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(r);

	*ret_fd = fd;
	if (connect(fd, (void *)&name, length) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&poll_for, 1, (int)timeout_ms) == 0)
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &r, &size);
	return -r;
}

int netns_connect(const char *address, uint16_t port, unsigned timeout_ms)
{
	int fd, r = start_connect(address, port, timeout_ms, &fd);

	close(fd);
	return r;
}

int netns_seen(int listener, const char *address, uint16_t port, char *ret_source)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);
	int fd, peer, r;

	while ((peer = accept(listener, NULL, NULL)) >= 0)
		close(peer); /* of earlier probes */
	r = start_connect(address, port, 5000, &fd);
	if (r == 0) {
		peer = accept(listener, (void *)&name, &length);
		ck_assert_int_ge(peer, 0);
		close(peer);
		if (name.ss_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)&name)->sin_addr, ret_source,
				46);
		else
			inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&name)->sin6_addr, ret_source,
				46);
	}
	close(fd);
	return r;
}
