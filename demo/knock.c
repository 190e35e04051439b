/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * knock ADDRESS: tries every TCP port of an IPv4 address and says which are open, how many are
 * closed (answered with a reset or an ICMP error) and how many stayed silent. For the
 * demonstration, whose links answer within a millisecond; not for real networks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* The first batch has the ports that matter, and outlasts a lost SYN, sent again after 1 s. */
enum { PORTS = 65535, BATCH = 8192, PATIENCE_FIRST_MS = 1300, PATIENCE_MS = 400 };

static struct pollfd doors[BATCH];
static unsigned n_closed, n_silent, n_open;

static void refused(int error)
{
	if (n_closed++ == 0 && error != ECONNREFUSED)
		fprintf(stderr, "knock: %s\n", strerror(error));
}

static int knock_at(struct sockaddr_in *address, unsigned port)
{
	int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (door < 0)
		return -1;
	address->sin_port = htons((uint16_t)port);
	if (connect(door, (struct sockaddr *)address, sizeof(*address)) < 0 &&
		errno != EINPROGRESS) {
		refused(errno);
		close(door);
		return -2;
	}
	return door;
}

static void judge(unsigned port, struct pollfd *door)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (door->revents == 0) {
		n_silent++;
	} else if (getsockopt(door->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0) {
		refused(error);
	} else {
		printf("%s%u", n_open++ == 0 ? "open: " : " ", port);
	}
	close(door->fd);
}

/* Answers come singly: what counts is the silence after the last knock. */
static void wait_for_answers(unsigned first, unsigned n)
{
	usleep((first == 1 ? PATIENCE_FIRST_MS : PATIENCE_MS) * 1000);
	poll(doors, n, 0);
}

static int knock_batch(struct sockaddr_in *address, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int door = knock_at(address, first + i);

		if (door == -1) {
			perror("knock: socket");
			return -1;
		}
		doors[i] = (struct pollfd){ .fd = door, .events = POLLOUT };
	}
	wait_for_answers(first, n);
	for (unsigned i = 0; i < n; i++) {
		if (doors[i].fd >= 0)
			judge(first + i, &doors[i]);
	}
	return 0;
}

static unsigned batch_size(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 256;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur > BATCH + 16 ? BATCH : (unsigned)limit.rlim_cur - 16;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	unsigned batch = batch_size();

	if (argc != 2 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
		fputs("usage: knock ADDRESS\n", stderr);
		return 2;
	}
	for (unsigned port = 1; port <= PORTS; port += batch) {
		unsigned left = PORTS - port + 1;

		if (knock_batch(&address, port, left < batch ? left : batch) < 0)
			return EXIT_FAILURE;
	}
	printf("%s, closed: %u, silent: %u\n", n_open == 0 ? "open: none" : "", n_closed, n_silent);
	return EXIT_SUCCESS;
}
