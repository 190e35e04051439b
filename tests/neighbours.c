/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules, sets and counters of others in the same namespace: nothing of theirs is ever another
 * because of Neti.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine_fixture.h"

#define HERE "10.9.1.1"
#define REMOTE "10.9.1.2"
#define BANNED "10.9.1.66"
#define GATEWAY "172.17.0.1"
#define CONTAINER "172.17.0.2"

/* What somebody else's tool has put in place. */
static const char *const neighbours[] = {
	/* Docker */
	"printf '%s\\n' '*nat' ':DOCKER - [0:0]'"
	" '-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER'"
	" '-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER'"
	" '-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE'"
	" '-A DOCKER -i docker0 -j RETURN'"
	" '-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80'"
	" COMMIT '*filter' ':FORWARD DROP [0:0]' ':DOCKER - [0:0]' ':DOCKER-USER - [0:0]'"
	" ':DOCKER-ISOLATION-STAGE-1 - [0:0]'"
	" '-A FORWARD -j DOCKER-USER' '-A FORWARD -j DOCKER-ISOLATION-STAGE-1'"
	" '-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'"
	" '-A FORWARD -o docker0 -j DOCKER' '-A FORWARD -i docker0 ! -o docker0 -j ACCEPT'"
	" '-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT'"
	" '-A DOCKER-ISOLATION-STAGE-1 -j RETURN' '-A DOCKER-USER -j RETURN'"
	" COMMIT | iptables-legacy-restore -n",
	/* fail2ban */
	"ipset create f2b-sshd hash:ip timeout 600 counters && ipset add f2b-sshd " BANNED " &&"
	"printf '%s\\n' '*filter' ':f2b-sshd - [0:0]' '-A INPUT -p tcp -m tcp --dport 22 -j f2b-sshd'"
	" '-A f2b-sshd -m set --match-set f2b-sshd src -j REJECT --reject-with icmp-port-unreachable'"
	" '-A f2b-sshd -j RETURN' COMMIT | iptables-legacy-restore -n",
	/* an administrator's own: accounting, a nat chain of 1,500 rules with a past, mangle, IPv6 */
	"printf '%s\\n' '*filter' ':accounting - [0:0]' ':zz-last - [0:0]' '-A INPUT -j accounting'"
	" '-A OUTPUT -j accounting' '-A accounting -i lo' '-A accounting -p udp' '-A accounting -p tcp'"
	" '-A zz-last -j RETURN' COMMIT '*mangle' '-A PREROUTING -j MARK --set-xmark 0x7/0x7' COMMIT |"
	" iptables-legacy-restore -n &&"
	"{ printf '%s\\n' '*nat' ':SITE - [0:0]' '[3:180] -A OUTPUT -j SITE';"
	"  seq 1500 | awk '{printf \"[%d:%d] -A SITE -d 10.66.%d.%d/32 -j RETURN\\n\", $1, $1 * 60,"
	"    $1 / 250, $1 % 250}'; echo COMMIT; } | iptables-legacy-restore -c -n &&"
	"printf '%s\\n' '*filter' '-A INPUT -i lo' '-A OUTPUT -o lo' COMMIT | ip6tables-legacy-restore -n",
	/* iptables over nf_tables, and a table of nf_tables itself */
	"iptables-nft -N nft-accounting && iptables-nft -A INPUT -j nft-accounting &&"
	"iptables-nft -A nft-accounting -p udp && iptables-nft -P FORWARD ACCEPT &&"
	"iptables-nft -t mangle -A OUTPUT -j MARK --or-mark 8",
	"printf '%s\\n' 'table inet site {' 'set seen { type ipv4_addr; counter;"
	"  elements = { " REMOTE ", 127.0.0.1 }; }'"
	" 'chain in { type filter hook input priority 10; ip saddr @seen counter; tcp dport 22 counter; }'"
	" 'chain forward { type filter hook forward priority -5; counter; }' '}'"
	" 'table ip site-nat { chain out { type nat hook output priority -99; counter; }'"
	" 'chain post { type nat hook postrouting priority 101; counter masquerade; }' '}' | nft -f -",
};

/*
 * All of it with all counters, in order; without what is Neti's, and without the time that an
 * entry of a set has left.
 */
static void snapshot(const char *name)
{
	netns_do(
		"{ for p in iptables-legacy ip6tables-legacy iptables-nft; do echo $p; $p-save -c; done;"
		"nft list ruleset; ipset save; } 2>&1 | grep -v '^#' | %s |"
		"sed '/^add /s/ timeout [0-9]*//; s/ initval [^ ]*//' > %s/%s",
		witness->drop_own, netns_directory(), name);
}

static struct netns_host self, remote, container;
static struct engine *engine;
static struct ruleset *rules;

/* Router advertisements would move the counters of IPv6 at any moment. */
static void no_ipv6_on_cables(const struct netns_host *host)
{
	netns_enter(host);
	netns_do("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
}

static bool start(void)
{
	if (!witness_start(&self))
		return false;
	netns_host(&remote, "remote");
	netns_host(&container, "docker0");
	no_ipv6_on_cables(&remote);
	no_ipv6_on_cables(&container);
	no_ipv6_on_cables(&self);
	netns_link(&self, HERE "/24", &remote, REMOTE "/24");
	netns_link(&self, GATEWAY "/16", &container, CONTAINER "/16");
	netns_do("echo 1 > /proc/sys/net/ipv4/ip_forward");
	netns_enter(&container);
	netns_do("ip route add default via " GATEWAY);
	netns_enter(&remote);
	netns_do("ip addr add " BANNED "/24 dev self && ip route add default via " HERE);
	netns_enter(&self);
	for (size_t i = 0; i < sizeof(neighbours) / sizeof(neighbours[0]); i++)
		netns_do("%s", neighbours[i]);
	engine = check_open();
	rules = check_rules();
	rules_fill(rules, 300);
	return true;
}

static void stop(void)
{
	engine_close(engine);
	rules_free(rules);
}

static void knock(const struct netns_host *from, const char *to, uint16_t port, int expected)
{
	netns_enter(from);
	ck_assert_int_eq(netns_connect(to, port, expected == -ETIMEDOUT ? 300 : 5000), expected);
	netns_enter(&self);
}

/* Through every kind of rule, so that each has something to lose. */
static void send_packets(void)
{
	netns_enter(&container);
	netns_listen("0.0.0.0", 80);
	netns_enter(&remote);
	netns_listen("0.0.0.0", 7000);
	netns_enter(&self);
	netns_listen("0.0.0.0", 22);
	netns_listen("::1", 22);
	knock(&remote, HERE, 8080, 0);		   /* published port of the container */
	knock(&container, REMOTE, 7000, 0);	   /* masqueraded */
	knock(&remote, CONTAINER, 81, -ETIMEDOUT); /* the policy of FORWARD */
	knock(&remote, HERE, 22, 0);
	knock(&self, REMOTE, 7000, 0);
	knock(&self, "::1", 22, 0);
	netns_do(
		"bash -c 'for i in 1 2 3; do echo x > /dev/udp/127.0.0.1/99; done' 2> /dev/null || true");
	netns_enter(&remote);
	netns_do("ip route replace " HERE " dev self src " BANNED);
	knock(&remote, HERE, 22, -ECONNREFUSED);
	usleep(300000); /* for the last packets of these connections */
}

/* These rules and counters only such packets can have moved. */
static void check_packets_counted(void)
{
	static const char *const unmoved[] = {
		"[0:0] -A DOCKER ! -i docker0",
		"[0:0] -A POSTROUTING -s 172.17.0.0/16",
		"[0:0] -A f2b-sshd",
		"[0:0] -A accounting",
		"[0:0] -A DOCKER-USER",
		"[0:0] -A nft-accounting",
		"[0:0] -A INPUT -i lo",
		"counter packets 0",
		":FORWARD DROP [0:0]",
		"add f2b-sshd " BANNED " packets 0",
	};
	static const char *const there[] = {
		"^\\[1500:90000\\] -A SITE",
		"^table inet site",
		"^:PREROUTING ACCEPT \\[[1-9]",
		"^:POSTROUTING ACCEPT \\[[1-9]",
	};

	for (size_t i = 0; i < sizeof(unmoved) / sizeof(unmoved[0]); i++)
		netns_do("! grep -F -e '%s' %s/before", unmoved[i], netns_directory());
	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
		netns_do("grep -e '%s' %s/before", there[i], netns_directory());
}

static void check_unchanged(const char *when)
{
	snapshot("after");
	netns_do("diff %s/before %s/after || { echo changed by %s; false; }", netns_directory(),
		netns_directory(), when);
}

START_TEST(test_foreign_rules_and_counters_stay)
{
	if (!start())
		return;
	send_packets();
	snapshot("before");
	check_packets_counted();
	check_apply(engine, rules);
	check_unchanged("apply");
	check_change(engine, rules, 1);
	check_unchanged("update");
	for (unsigned round = 0; round < 1000; round++)
		check_change(engine, rules, round);
	check_unchanged("1,000 changes");
	check_equal(engine, rules);
	check_flush(engine);
	check_unchanged("flush");
	stop();
}
END_TEST

/* Each datagram a flow of its own, to a socket that nobody reads: no packet comes back. */
static void send_from(uint16_t port, const struct sockaddr_in *to)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (void *)&name, sizeof(name)) < 0 ||
		sendto(fd, "x", 1, 0, (void *)to, sizeof(*to)) != 1)
		_exit(1);
	close(fd);
	usleep(20);
}

static unsigned send_until(int end)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(999),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int silent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned n = 0;

	if (bind(silent, (void *)&to, sizeof(to)) < 0)
		_exit(1);
	for (char byte; n < 60000 && read(end, &byte, 1) < 0; n++)
		send_from((uint16_t)(1024 + n), &to);
	return n;
}

static pid_t start_sender(int ends[2])
{
	unsigned n;
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
		0);
	pid = fork();
	if (pid)
		return pid;
	n = send_until(ends[1]);
	_exit(write(ends[1], &n, sizeof(n)) != sizeof(n));
}

static unsigned stop_sender(pid_t pid, const int ends[2])
{
	unsigned n = 0;

	ck_assert_int_eq(write(ends[0], "x", 1), 1);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(read(ends[0], &n, sizeof(n)), sizeof(n));
	return n;
}

/* Under traffic no packet is missing from a counter, of a rule. */
START_TEST(test_counters_are_exact_under_traffic)
{
	char counts[32];
	int ends[2];
	unsigned n;
	pid_t sender;

	if (!witness_start(&self))
		return;
	witness_do(witness->count, "");
	engine = check_open();
	rules = check_rules();
	check_apply(engine, rules);
	sender = start_sender(ends);
	for (unsigned round = 0; round < 300; round++)
		check_change(engine, rules, round);
	n = stop_sender(sender, ends);
	ck_assert_uint_gt(n, 100);
	snprintf(counts, sizeof(counts), "%u %u", n, n * 29);
	witness_do(witness->counted, counts);
	stop();
}
END_TEST

/* Another tool inserts itself before our rules, which go back to their place; its own stay. */
START_TEST(test_place_is_taken_back)
{
	if (!start())
		return;
	check_apply(engine, rules);
	for (unsigned round = 0; round < 3; round++) {
		netns_do("iptables-legacy -I INPUT -s 1.2.3.%u -j DROP;"
			 "iptables-legacy -I FORWARD -s 1.2.3.%u -j DROP;"
			 "iptables-legacy -t nat -I OUTPUT -d 1.2.3.%u -j ACCEPT;"
			 "iptables-legacy -t nat -I PREROUTING -d 1.2.3.%u -j ACCEPT;"
			 "ip6tables-legacy -I INPUT -s fd01::%u -j DROP",
			round, round, round, round, round);
		check_difference(engine, rules, "+ -A INPUT -j NETI-INPUT # rule 1\n");
		check_difference(engine, rules,
			"+ -A FORWARD -d 192.168.0.0/18 -j NETI-OUTPUT # rule 1\n");
		check_difference(engine, rules, "+ -A PREROUTING -j NETI-OVERRIDES # rule 1\n");
		check_apply(engine, rules);
		check_equal(engine, rules);
	}
	netns_do(
		"iptables-legacy -S INPUT | sed -n '2,4p' | tr '\\n' ' ' | grep -x -- "
		"'-A INPUT -j NETI-INPUT -A INPUT -s 1.2.3.2/32 -j DROP -A INPUT -s 1.2.3.1/32 -j DROP '");
	check_flush(engine);
	netns_do("[ $(iptables-legacy-save | grep -c ' 1\\.2\\.3\\.') = 12 ]");
	stop();
}
END_TEST

/* --- hosts with thousands of rules, loaded again and again --- */

/* Services of Kubernetes with two endpoints each, as kube-proxy writes them; ports that Docker
 * publishes, through iptables over nf_tables; firewalld. */
static const char *const crowds[] = {
	"seq $CROWD | awk 'BEGIN { print \"*nat\\n:KUBE-SERVICES - [0:0]\" }"
	" { a = sprintf(\"10.96.%d.%d\", $1 / 250, $1 % 250); s = \"KUBE-SVC-\" $1;"
	"   c = c \":\" s \" - [0:0]\\n:KUBE-SEP-\" $1 \"A - [0:0]\\n:KUBE-SEP-\" $1 \"B - [0:0]\\n\";"
	"   r = r \"-A KUBE-SERVICES -d \" a \"/32 -p tcp -m tcp --dport 443 -j \" s \"\\n\""
	"     \"-A \" s \" -m statistic --mode random --probability 0.5 -j KUBE-SEP-\" $1 \"A\\n\""
	"     \"-A \" s \" -j KUBE-SEP-\" $1 \"B\\n\""
	"     \"-A KUBE-SEP-\" $1 \"A -p tcp -j DNAT --to-destination 10.244.1.1:8443\\n\""
	"     \"-A KUBE-SEP-\" $1 \"B -p tcp -j DNAT --to-destination 10.244.2.1:8443\\n\" }"
	" END { printf \"%s%s\", c, r; print \"-I PREROUTING -j KUBE-SERVICES\\nCOMMIT\" }' > kube.legacy",
	"seq $CROWD | awk 'BEGIN { print \"table ip kube-proxy\\ndelete table ip kube-proxy\\ntable ip kube-proxy {\" }"
	" { printf \"chain service-%d { counter; numgen random mod 2 vmap { 0 : goto ep-%dA, 1 : goto ep-%dB }; }\\n\""
	"     \"chain ep-%dA { meta l4proto tcp dnat to 10.244.1.1:8443; }\\n\""
	"     \"chain ep-%dB { meta l4proto tcp dnat to 10.244.2.1:8443; }\\n\", $1, $1, $1, $1, $1;"
	"   m = m sprintf(\"10.97.%d.%d . tcp . 443 : goto service-%d, \", $1 / 250, $1 % 250, $1) }"
	" END { print \"map services { type ipv4_addr . inet_proto . inet_service : verdict; elements = {\" m \"}; }\""
	"   \"\\nchain pre { type nat hook prerouting priority -100; ip daddr . meta l4proto . th dport vmap @services; }\\n}\" }'"
	" > kube.nft && nft -f kube.nft",
	"seq $((CROWD * 2 / 3)) | awk 'BEGIN { print \"*nat\\n:DOCKER - [0:0]\" } { print \"-A DOCKER ! -i docker0 -p tcp -m tcp --dport \""
	" 20000 + $1 \" -j DNAT --to-destination 172.17.0.2:80\" } END { print \"COMMIT\" }' | iptables-nft-restore -n",
	"printf '%s\\n' 'table inet firewalld' 'delete table inet firewalld' 'table inet firewalld {'"
	" 'chain filter_INPUT { type filter hook input priority 10; policy accept;"
	"   ct state { established, related } accept; iifname lo accept; jump filter_INPUT_ZONES; }'"
	" 'chain filter_INPUT_ZONES { iifname remote goto filter_IN_public; goto filter_IN_trusted; }'"
	" 'chain filter_IN_public { tcp dport 22 counter accept; }' 'chain filter_IN_trusted { accept; }'"
	" 'chain nat_POSTROUTING { type nat hook postrouting priority 110; oifname nowhere masquerade; }' '}'"
	" > firewalld.nft && nft -f firewalld.nft",
};

/* In a user namespace nft(8) has no right to the room that a large batch takes. */
static void set_crowd(void)
{
	char *map = netns_output("cat /proc/self/uid_map");
	unsigned inside, outside, n = 0;

	ck_assert_int_eq(sscanf(map, "%u %u %u", &inside, &outside, &n), 3);
	setenv("CROWD", n == 1 ? "50" : "1500", 1);
	free(map);
}

static void crowd_in(void)
{
	set_crowd();
	ck_assert_int_eq(chdir(netns_directory()), 0);
	for (size_t i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++)
		netns_do("%s", crowds[i]);
	if (strcmp(witness->engine, "iptables") == 0)
		netns_do("iptables-legacy-restore -n < kube.legacy");
}

START_TEST(test_crowded_host)
{
	if (!start())
		return;
	crowd_in();
	send_packets();
	snapshot("before");
	netns_do("[ $(wc -l < %s/before) -gt $((CROWD * 5)) ]", netns_directory());
	check_apply(engine, rules);
	check_unchanged("apply");
	for (unsigned round = 0; round < 50; round++)
		check_change(engine, rules, round);
	check_unchanged("changes");
	check_flush(engine);
	check_unchanged("flush");
	stop();
}
END_TEST

/* Their owners load them again and again, whole tables, while members come and go. */
START_TEST(test_reloads_of_others)
{
	pid_t reloader;
	int status;

	if (!start())
		return;
	crowd_in();
	check_apply(engine, rules);
	reloader = fork();
	if (reloader == 0) {
		for (unsigned i = 0; i < 10; i++)
			if (system("nft -f firewalld.nft && nft -f kube.nft && "
				   "iptables-nft -A FORWARD -d 9.9.9.9 && "
				   "iptables-nft -D FORWARD -d 9.9.9.9 && "
				   "iptables-legacy -A FORWARD -d 9.9.9.9 && "
				   "iptables-legacy -D FORWARD -d 9.9.9.9") != 0)
				_exit(1);
		_exit(0);
	}
	for (unsigned round = 0; waitpid(reloader, &status, WNOHANG) == 0; round++) {
		check_change(engine, rules, round);
		if (round % 16 == 0)
			check_equal(engine, rules);
		usleep(5000); /* nft(8) begins anew with each change that it sees */
	}
	ck_assert_int_eq(status, 0);
	check_equal(engine, rules);
	netns_do("nft list table inet firewalld | grep -q 'goto filter_IN_public'");
	netns_do("[ $(nft list table ip kube-proxy | grep -c 'chain service-') = $CROWD ]");
	check_flush(engine);
	stop();
}
END_TEST

static void add_foreign(void)
{
	test_add(test_foreign_rules_and_counters_stay, test_counters_are_exact_under_traffic,
		test_crowded_host, test_reloads_of_others);
}

static void add_place(void)
{
	test_add(test_place_is_taken_back);
}

Suite *test_suite(void)
{
	Suite *suite = suite_create("neighbours");
	const struct test_frame frame = { .timeout = 120 };

	witness_cases(suite, &frame, "foreign", add_foreign);
	witness_own_cases(suite, &frame, "iptables", "place", add_place);
	return suite;
}
