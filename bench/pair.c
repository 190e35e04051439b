/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Traffic between two namespaces, from one thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "figures.h"
#include "pair.h"

#define FIRST_SOURCE 1025
#define SOURCES 60000
#define CHUNK 65536
#define WARM (64 << 20) /* bytes until windows and buffers have grown */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void must(int good, const char *what)
{
	figure_must(good, what, strerror(errno));
}

static void command(const char *text)
{
	must(system(text) == 0, text);
}

static int open_self(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY); /* kept over exec, for ip */

	must(fd >= 0, "namespace");
	return fd;
}

void pair_enter(int namespace)
{
	must(setns(namespace, CLONE_NEWNET) == 0, "setns");
}

static int make_host(void)
{
	must(unshare(CLONE_NEWNET) == 0, "no network namespace");
	command("ip link set lo up");
	return open_self();
}

static int start_listener(uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	must(fd >= 0 && bind(fd, (void *)&name, sizeof(name)) == 0 && listen(fd, 16) == 0,
		"listen");
	return fd;
}

void pair_make(struct pair *ret)
{
	int back = open_self();
	char text[256];

	*ret = (struct pair){ .client = make_host(), .server = make_host() };
	for (uint16_t i = 0; i < PORTS; i++)
		ret->listeners[i] = start_listener((uint16_t)(7000 + i));
	pair_enter(ret->client);
	snprintf(text, sizeof(text),
		"ip link add eth0 type veth peer name eth0 netns /proc/self/fd/%d", ret->server);
	command(text);
	command("ip addr add " CLIENT "/24 dev eth0 && ip link set eth0 up");
	pair_enter(ret->server);
	command("ip addr add " SERVER "/24 dev eth0 && ip link set eth0 up");
	pair_enter(ret->client);
	command("ip route add default via " SERVER);
	pair_enter(back);
	close(back);
}

static struct sockaddr_in destination(const char *address, unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)(7000 + port)) };

	must(inet_pton(AF_INET, address, &to.sin_addr) == 1, address);
	return to;
}

/* No two connections of a pair have the same ports: none meets the remains of another. */
static int open_connection(struct pair *pair, struct sockaddr_in *to)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)(FIRST_SOURCE + pair->connections % SOURCES)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	to->sin_port = htons((uint16_t)(7000 + pair->connections++ / SOURCES % PORTS));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	must(fd >= 0 && bind(fd, (void *)&from, sizeof(from)) == 0, "bind");
	must(connect(fd, (void *)to, sizeof(*to)) == 0, "connect");
	return fd;
}

static int accept_connection(struct pair *pair, const struct sockaddr_in *to)
{
	int fd = accept4(pair->listeners[ntohs(to->sin_port) - 7000], NULL, NULL,
		SOCK_CLOEXEC | SOCK_NONBLOCK);

	must(fd >= 0, "accept");
	return fd;
}

static void reset(int fd)
{
	static const struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

double pair_connect(struct pair *pair, const char *address, unsigned n)
{
	struct sockaddr_in to = destination(address, 0);
	double start;

	pair_enter(pair->client);
	start = now();
	for (unsigned i = 0; i < n; i++) {
		int fd = open_connection(pair, &to), peer = accept_connection(pair, &to);

		reset(fd);
		close(peer);
	}
	return n / (now() - start);
}

static size_t drain(int fd, char *chunk)
{
	size_t sum = 0;
	ssize_t n;

	while ((n = recv(fd, chunk, CHUNK, 0)) > 0)
		sum += (size_t)n;
	return sum;
}

static size_t send_through(struct pair *pair, size_t size)
{
	static char chunk[CHUNK];
	size_t received = 0;

	while (received < size) {
		must(send(pair->from, chunk, CHUNK, MSG_DONTWAIT) >= 0 || errno == EAGAIN, "send");
		received += drain(pair->to, chunk);
	}
	return received;
}

void pair_open_stream(struct pair *pair, const char *address)
{
	struct sockaddr_in to = destination(address, 0);

	pair_enter(pair->client);
	pair->from = open_connection(pair, &to);
	pair->to = accept_connection(pair, &to);
	send_through(pair, WARM);
}

double pair_stream(struct pair *pair, size_t size)
{
	double start = now();

	size = send_through(pair, size);
	return (double)size / (1 << 20) / (now() - start);
}
