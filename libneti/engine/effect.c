/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The refusal of what has no path is told to who sends it, at once and without a wire.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "effect.h"

#define TRIED_MAX 4096
#define DISCARD 9
#define LATER_MS 100

static bool is_free(const struct ruleset *ruleset, const struct address *overlay)
{
	size_t i = ruleset_path_index(ruleset, overlay);

	if (i < ruleset->n_paths && address_equal(&ruleset->paths[i].overlay, overlay))
		return false;
	for (i = 0; i < ruleset->own.length; i++)
		if (prefix_contains(&ruleset->own.items[i], overlay))
			return false;
	for (i = 0; i < ruleset->policy.n_nat_overrides; i++)
		if (address_equal(&ruleset->policy.nat_overrides[i].from, overlay))
			return false;
	return true;
}

/* From the end: leases are given out all over the subnet, and the last address is none. */
static bool find_free(const struct ruleset *ruleset, struct address *ret)
{
	uint64_t n = prefix_count(&ruleset->overlay);

	for (uint64_t i = 2; i < n && i < TRIED_MAX; i++) {
		*ret = prefix_nth(&ruleset->overlay, n - i);
		if (is_free(ruleset, ret))
			return true;
	}
	return false;
}

static int send_to(int fd, const struct sockaddr_in *to)
{
	if (sendto(fd, "", 0, 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
		return errno == EPERM ? 1 : -errno;
	return 0;
}

/* Where a program looks at each packet first (NFQUEUE), the refusal comes a little later, as an error of
 * the socket. Not asked for at first: the kernel keeps such an error for a while, and its flow. */
static int send_and_wait(int fd, const struct sockaddr_in *to)
{
	struct pollfd poller = { .fd = fd };
	int yes = 1, r;

	if (setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes)) < 0)
		return -errno;
	r = send_to(fd, to);
	return r != 0 ? r : poll(&poller, 1, LATER_MS) == 1;
}

int effect_of(const struct ruleset *ruleset)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(DISCARD) };
	struct address overlay;
	int fd, r;

	if (!find_free(ruleset, &overlay))
		return -EADDRNOTAVAIL;
	memcpy(&to.sin_addr, overlay.bytes, sizeof(to.sin_addr));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = send_to(fd, &to);
	if (r == 0)
		r = send_and_wait(fd, &to);
	close(fd);
	return r;
}
