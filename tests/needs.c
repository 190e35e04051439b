/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host that refuses strangers lets in all the same: each with packets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/igmp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine_fixture.h"
#include "members.h"

#define HERE "10.9.1.1"
#define REMOTE "10.9.1.2"
#define GROUP "239.7.7.7"
#define SETTLE_S 4 /* a host tells of a new group by itself, twice within some seconds */

static struct netns_host self, remote;
static struct engine *engine;
static struct ruleset *rules;

static bool start(void)
{
	if (!witness_start(&self))
		return false;
	netns_host(&remote, "remote");
	netns_link(&self, HERE "/24", &remote, REMOTE "/24");
	netns_do("ip route add default via " REMOTE);
	rules = check_rules();
	rules->policy.reject_all = true;
	rules->policy.icmp = false;
	engine = check_open();
	check_apply(engine, rules);
	return true;
}

static void stop(void)
{
	engine_close(engine);
	rules_free(rules);
}

/* All IPv4 packets on the wire, also those to groups that nobody here listens to. */
static int wire(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));

	ck_assert_int_ge(fd, 0);
	netns_do("ip link set self allmulticast on");
	return fd;
}

/* How many IGMP packets of the type come within the time; they have an option of four bytes. */
static unsigned count_igmp(int fd, uint8_t type, unsigned seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned n = 0;

	while (time(NULL) <= end) {
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		uint8_t packet[2048];

		if (poll(&poller, 1, 100) == 1 && recv(fd, packet, sizeof(packet), 0) > 24)
			n += packet[9] == IPPROTO_IGMP && packet[24] == type;
	}
	return n;
}

static uint16_t checksum(const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t) ~(sum + (sum >> 16)));
}

static void listen_to_group(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ip_mreqn group = { .imr_ifindex = (int)if_nametoindex("remote") };

	inet_pton(AF_INET, GROUP, &group.imr_multiaddr);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)), 0);
}

static void ask_for_groups(void)
{
	struct igmp query = { .igmp_type = IGMP_MEMBERSHIP_QUERY, .igmp_code = 5 };
	struct ip_mreqn by = { .imr_ifindex = (int)if_nametoindex("self") };
	struct sockaddr_in all = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_IGMP), no = 0;

	ck_assert_int_ge(fd, 0);
	inet_pton(AF_INET, "224.0.0.1", &all.sin_addr);
	query.igmp_cksum = checksum(&query, sizeof(query));
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by));
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &no, sizeof(no));
	ck_assert_int_eq(sendto(fd, &query, sizeof(query), 0, (struct sockaddr *)&all, sizeof(all)),
		sizeof(query));
	close(fd);
}

/* A switch that hears no answer to its question forgets the host. */
START_TEST(test_igmp_is_answered)
{
	int fd;

	if (!start())
		return;
	listen_to_group();
	netns_enter(&remote);
	fd = wire();
	count_igmp(fd, 0, SETTLE_S);
	ask_for_groups();
	ck_assert_uint_ge(count_igmp(fd, IGMP_V2_MEMBERSHIP_REPORT, 2), 1);
	close(fd);
	netns_enter(&self);
	stop();
}
END_TEST

/* Who calls a public address in his own network comes back from there by his own public one. */
START_TEST(test_hairpin_is_let_in)
{
	struct member_list members = { 0 };
	struct fleet_settings fleet;
	struct ruleset *built;
	struct member *own = test_member("hudson ec2 192.168.0.1 " HERE " 198.51.100.1");

	if (!start())
		return;
	fleet_settings_default(&fleet, &rules->overlay);
	test_list_add(&members, test_member("sierra ec2 192.168.0.2 " REMOTE " 198.51.100.2"));
	ck_assert_int_eq(ruleset_build(&built, &rules->policy, &fleet, own, &members, NULL), 0);
	check_apply(engine, built);
	netns_listen("0.0.0.0", 9999);
	netns_enter(&remote);
	netns_do("for a in 2 3; do ip addr add 198.51.100.$a/32 dev self; done;"
		 "ip route replace " HERE " dev self src 198.51.100.2");
	ck_assert_int_eq(netns_connect(HERE, 9999, 5000), 0);
	netns_do("ip route replace " HERE " dev self src 198.51.100.3");
	ck_assert_int_eq(netns_connect(HERE, 9999, 300), -ETIMEDOUT);
	netns_enter(&self);
	ruleset_free(built);
	member_list_clear(&members);
	member_unref(own);
	stop();
}
END_TEST

static void add_needs(void)
{
	test_add(test_igmp_is_answered, test_hairpin_is_let_in);
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("needs");
	const struct test_frame frame = { .timeout = 60 };

	witness_cases(suite, &frame, "needs", add_needs);
	return suite;
}
