/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each prober is a forked process that keeps to socket calls and counts in a shared page.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"
#include "test.h"

#define PROBERS_MAX 16
#define PERIOD_MS 3
#define LOST_MS 900  /* a first packet that is lost is sent again after a second */
#define STRANGERS 64 /* connections of a stranger under way at once */

struct shared {
	atomic_uint members, refused, strangers, let_in;
};

static struct shared *shared;
static pid_t probers[PROBERS_MAX];
static unsigned n_probers;

static struct sockaddr_in name_of(const char *address)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(PROBE_PORT) };

	inet_pton(AF_INET, address, &name.sin_addr);
	return name;
}

/* Closed by a reset: no port stays behind in TIME_WAIT. */
static int start_connect(const struct sockaddr_in *name)
{
	struct linger reset = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) < 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool is_open(int fd, int timeout_ms)
{
	struct pollfd poller = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error = 0;

	if (poll(&poller, 1, timeout_ms) != 1)
		return false;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return error == 0;
}

static void ask_as_member(const char *address)
{
	struct sockaddr_in name = name_of(address);

	for (;;) {
		int fd = start_connect(&name);

		shared->members++;
		if (fd < 0 || !is_open(fd, LOST_MS))
			shared->refused++;
		if (fd >= 0)
			close(fd);
		poll(NULL, 0, PERIOD_MS);
	}
}

/* Each attempt is looked at when it has been under way for a while. */
static void ask_as_stranger(const char *address)
{
	struct sockaddr_in name = name_of(address);
	int fds[STRANGERS];

	for (unsigned i = 0; i < STRANGERS; i++)
		fds[i] = -1;
	for (unsigned i = 0;; i = (i + 1) % STRANGERS) {
		if (fds[i] >= 0 && is_open(fds[i], 0))
			shared->let_in++;
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = start_connect(&name);
		shared->strangers++;
		poll(NULL, 0, PERIOD_MS);
	}
}

static void accept_all(const char *address)
{
	int listener = netns_listen(address, PROBE_PORT);

	/* On a busy machine this process may not run for seconds: what waits must not be lost. */
	listen(listener, 4096);
	for (;;) {
		struct pollfd poller = { .fd = listener, .events = POLLIN };
		int fd;

		poll(&poller, 1, -1);
		while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
			close(fd);
	}
}

static void start(const struct netns_host *host, void (*work)(const char *), const char *address)
{
	pid_t parent = getpid(), pid;

	if (!shared)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_uint_lt(n_probers, PROBERS_MAX);
	netns_enter(host);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			work(address);
		_exit(0);
	}
	probers[n_probers++] = pid;
}

void probe_listen(const struct netns_host *host)
{
	start(host, accept_all, "0.0.0.0");
	poll(NULL, 0, 50); /* it listens before anybody asks */
}

void probe_member(const struct netns_host *host, const char *address)
{
	start(host, ask_as_member, address);
}

void probe_stranger(const struct netns_host *host, const char *address)
{
	start(host, ask_as_stranger, address);
}

struct probe_counts probe_end(void)
{
	struct probe_counts counts = { 0 };

	/* The askers first: a listener that ends refuses. */
	while (n_probers > 0) {
		kill(probers[--n_probers], SIGKILL);
		waitpid(probers[n_probers], NULL, 0);
	}
	if (shared)
		counts = (struct probe_counts){ shared->members, shared->refused, shared->strangers,
			shared->let_in };
	return counts;
}
