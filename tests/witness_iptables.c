/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What iptables and ipset say of the engine of that name, and what they can do to it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "engine_fixture.h"

static void write_golden(const struct ruleset *rules)
{
	struct buffer text = { 0 };
	char path[96];
	FILE *file;

	ck_assert_int_eq(engine_render("iptables", rules, &text), 0);
	snprintf(path, sizeof(path), "%s/golden", netns_directory());
	file = fopen(path, "we");
	fputs(buffer_text(&text), file);
	fclose(file);
	buffer_clear(&text);
}

/* Chains come in another order, so rules are put in order of their chains on both sides. */
static void check_golden(const struct ruleset *rules)
{
	static const char *const sides[][2] = { { "# iptables", "iptables-legacy-save" },
		{ "# ip6tables", "ip6tables-legacy-save" } };
	const char *directory = netns_directory();

	write_golden(rules);
	for (size_t i = 0; i < 2; i++)
		netns_do("cd %s; export LC_ALL=C; awk '/^# /{on=($0==\"%s\")} on' golden > part;"
			 "%s > real;"
			 "for f in part real; do grep -h '^:NETI' $f | sort > $f.chains;"
			 "grep -h '^-A' $f | sort -s -k2,2 > $f.rules; done;"
			 "diff part.chains real.chains && diff part.rules real.rules",
			directory, sides[i][0], sides[i][1]);
	netns_do("cd %s; export LC_ALL=C; awk '/^# /{on=($0==\"# ipset\")} on && !/^#/' golden | "
		 "sort > part; ipset save | sed 's/ bucketsize.*//' | sort > real; diff part real",
		directory);
}

static int hold_lock(void)
{
	int lock = open(getenv("XTABLES_LOCKFILE"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(flock(lock, LOCK_EX), 0);
	return lock;
}

static const char *const spoilers[] = {
	/* The set under the rules is one of another type, as after a change by hand. */
	"ipset create spoiled hash:net; ipset add spoiled $1;"
	"iptables-legacy -w -I INPUT -m set --match-set spoiled src -j ACCEPT;"
	"iptables-legacy -w -F NETI-INPUT; ipset destroy neti-peers;"
	"ipset create neti-peers hash:net; ipset add neti-peers $1;"
	"iptables-legacy -w -A NETI-INPUT -m set --match-set neti-peers src -j ACCEPT;"
	"iptables-legacy -w -A NETI-INPUT -j DROP;"
	"iptables-legacy -w -D INPUT -m set --match-set spoiled src -j ACCEPT;"
	"ipset destroy spoiled",
	/* As an older version left it: a smaller set, other chains in another tree, another order. */
	"ipset create older hash:ip maxelem 65536; ipset add older $1;"
	"ipset swap older neti-peers; ipset destroy older;"
	"printf '%s\\n' '*nat' ':NETI-OVERLAY - [0:0]' ':NETI-OLD - [0:0]'"
	" '-A NETI-OVERLAY -d 192.168.0.0/24 -j NETI-OLD'"
	" \"-A NETI-OLD -d $2/32 -j DNAT --to-destination $1\""
	" COMMIT '*filter' ':NETI-INPUT - [0:0]' ':NETI-ACCEPT - [0:0]'"
	" '-A NETI-INPUT -m set --match-set neti-peers src -j NETI-ACCEPT'"
	" '-A NETI-INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j NETI-ACCEPT'"
	" '-A NETI-INPUT -i lo -j NETI-ACCEPT' '-A NETI-INPUT -j DROP' '-A NETI-ACCEPT -j ACCEPT'"
	" COMMIT | iptables-legacy-restore -w -n",
};

#define SAVED "cd \"$XTABLES_LOCKFILE.d\"; "

static const struct drift drifts[] = {
	/* Rules of everybody flushed, with and without the chains. */
	{ "iptables-legacy -F",
		{ "+ -A INPUT -j NETI-INPUT # rule 1\n", "+ -A NETI-INPUT -i lo -j ACCEPT\n",
			"+ -A FORWARD -d 192.168.0.0/18 -j NETI-OUTPUT # rule 1\n" } },
	{ "iptables-legacy -F; iptables-legacy -X",
		{ "+ :NETI-INPUT - [0:0]\n", "+ :NETI-OUTPUT" } },
	{ "iptables-legacy -t nat -F",
		{ "+ -A NETI-192.168.17.0/28 -d 192.168.17.3/32 -j DNAT --to-destination 10.9.0.1\n",
			"+ -A PREROUTING -d 192.168.0.0/18 -j NETI-OVERLAY" } },
	{ "iptables-legacy -t nat -F; iptables-legacy -t nat -X",
		{ "+ :NETI-OVERLAY - [0:0]\n", "+ :NETI-192.168.17.0/28 - [0:0]\n" } },
	{ "ip6tables-legacy -F; ip6tables-legacy -X",
		{ "+ :NETI-INPUT - [0:0]\n", "# ip6tables\n" } },
	/* Somebody's saved file, made before Neti was there, put back. */
	{ SAVED "iptables-legacy-restore < iptables", { "+ :NETI-INPUT - [0:0]\n" } },
	{ SAVED "iptables-legacy-restore < nat", { "+ :NETI-OVERLAY - [0:0]\n" } },
	{ SAVED "ip6tables-legacy-restore < iptables", { "# ip6tables\n", "+ :NETI-INPUT" } },
	{ SAVED "for i in 1 2; do iptables-legacy-restore < iptables; iptables-legacy-restore < nat; done;"
		"ip6tables-legacy-restore < iptables; ipset destroy",
		{ "+ create neti-peers hash:ip", "+ :NETI-OVERLAY", "+ :NETI-INPUT" } },
	/* One own chain or rule. */
	{ "iptables-legacy -F NETI-INPUT", { "+ -A NETI-INPUT -i lo -j ACCEPT\n" } },
	{ "iptables-legacy -F NETI-OUTPUT", { "+ -A NETI-OUTPUT -j REJECT" } },
	{ "iptables-legacy -D NETI-INPUT -m set --match-set neti-peers src -j ACCEPT",
		{ "+ -A NETI-INPUT -m set --match-set neti-peers src -j ACCEPT\n" } },
	{ "iptables-legacy -I NETI-INPUT 3 -s 6.6.6.6 -j ACCEPT",
		{ "- -A NETI-INPUT -s 6.6.6.6/32 -j ACCEPT\n" } },
	{ "iptables-legacy -I NETI-INPUT 3 -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT",
		{ "- -A NETI-INPUT # rule 3, which Neti did not make\n" } },
	{ "iptables-legacy -I NETI-INPUT -j DROP; ip6tables-legacy -I NETI-INPUT -j DROP",
		{ "- -A NETI-INPUT -j DROP\n", "# ip6tables\n" } },
	{ "iptables-legacy -t nat -F NETI-OVERLAY",
		{ "+ -A NETI-OVERLAY -d 192.168.16.0/20 -g NETI-192.168.16.0/20\n" } },
	{ "iptables-legacy -t nat -R NETI-192.168.17.0/28 1 -d 192.168.17.3 -j DNAT "
	  "--to-destination 6.6.6.6",
		{ "- -A NETI-192.168.17.0/28 -d 192.168.17.3/32 -j DNAT --to-destination 6.6.6.6\n" } },
	{ "iptables-legacy -t nat -N NETI-192.168.32.0/28",
		{ "- :NETI-192.168.32.0/28 - [0:0]\n" } },
	{ "iptables-legacy -t nat -E NETI-192.168.17.0/28 NETI-stolen",
		{ "- :NETI-stolen - [0:0]\n", "+ :NETI-192.168.17.0/28 - [0:0]\n" } },
	/* Jump rules: gone, moved, doubled, of another subnet. */
	{ "iptables-legacy -D INPUT -j NETI-INPUT", { "+ -A INPUT -j NETI-INPUT # rule 1\n" } },
	{ "ip6tables-legacy -D INPUT -j NETI-INPUT", { "+ -A INPUT -j NETI-INPUT # rule 1\n" } },
	{ "iptables-legacy -D OUTPUT -d 192.168.0.0/18 -j NETI-OUTPUT",
		{ "+ -A OUTPUT -d 192.168.0.0/18 -j NETI-OUTPUT # rule 1\n" } },
	{ "iptables-legacy -D FORWARD -d 192.168.0.0/18 -j NETI-OUTPUT",
		{ "+ -A FORWARD -d 192.168.0.0/18 -j NETI-OUTPUT # rule 1\n" } },
	{ "iptables-legacy -t nat -D OUTPUT -d 192.168.0.0/18 -j NETI-OVERLAY",
		{ "+ -A OUTPUT -d 192.168.0.0/18 -j NETI-OVERLAY # rule 2\n" } },
	{ "iptables-legacy -t nat -D PREROUTING -j NETI-OVERRIDES",
		{ "+ -A PREROUTING -j NETI-OVERRIDES # rule 1\n" } },
	{ "iptables-legacy -A OUTPUT -d 172.16.0.0/12 -j NETI-OUTPUT",
		{ "- -A OUTPUT -d 172.16.0.0/12 -j NETI-OUTPUT # rule 2\n" } },
	/* Sets. */
	{ "ipset flush", { "+ add neti-peers 10.0.0.1\n", "+ add neti-peers 54.1.2.3\n" } },
	{ "ipset flush neti-peers", { "+ add neti-peers 10.0.0.5\n" } },
	{ "ipset del neti-peers 10.0.0.5", { "+ add neti-peers 10.0.0.5\n" } },
	{ "ipset add neti-peers 66.6.6.6", { "- add neti-peers 66.6.6.6\n" } },
	{ "ipset create neti-old bitmap:port range 1-9", { "- create neti-old bitmap:port" } },
	{ "iptables-legacy -F; iptables-legacy -X; ipset destroy",
		{ "+ create neti-peers hash:ip family inet hashsize 1024 maxelem 1048576\n",
			"+ create neti-denied hash:ip,port", "+ add neti-peers 10.0.0.5\n" } },
	{ "iptables-legacy -F NETI-INPUT; ipset destroy neti-peers; ipset create neti-peers hash:net;"
	  "iptables-legacy -A NETI-INPUT -m set --match-set neti-peers src -j ACCEPT",
		{ "- create neti-peers hash:net family inet",
			"+ create neti-peers hash:ip family inet",
			"+ add neti-peers 10.0.0.5\n" } },
	{ "iptables-legacy -F NETI-INPUT; ipset destroy neti-denied; ipset create neti-denied hash:ip,port",
		{ "- create neti-denied hash:ip,port family inet",
			"+ create neti-denied hash:ip,port" } },
	{ "ipset create other hash:ip maxelem 1048576; ipset add other 6.6.6.6; ipset swap other neti-peers;"
	  "ipset destroy other",
		{ "- add neti-peers 6.6.6.6\n", "+ add neti-peers 10.0.0.5\n" } },
};

const struct witness witness_iptables = {
	.engine = "iptables",
	.missing =
		"for p in iptables-legacy ip6tables-legacy ipset; do command -v $p > /dev/null || "
		"echo $p; done; [ -e /proc/net/ip_tables_names ] || echo legacy tables",

	.is_peer = "ipset test neti-peers $1",
	.is_denied = "ipset test neti-denied $1,$2:$3",
	.denied =
		"text=$(ipset save neti-denied) && echo \"$text\" | sed -n '/^add/s/^add neti-denied "
		"\\(.*\\),\\(.*\\):\\([0-9]*\\) .*packets \\([0-9]*\\) .*/\\1 \\2 \\3 \\4/p'",
	.answers_ping = "iptables-legacy-save | grep -- '--icmp-type 8 -j ACCEPT'",
	.has_ipv6 = "ip6tables-legacy-save | grep NETI",
	/* Without comments and what the tools make up, too. */
	.dump = "{ iptables-legacy-save; ip6tables-legacy-save; } | "
		"grep -v '^#' | sed 's/ \\[[0-9]*:[0-9]*\\]$//'; ipset save | "
		"sed 's/ initval.*//;s/ bucketsize [0-9]*//' | LC_ALL=C sort",
	.paths = "iptables-legacy-save -t nat | grep -v '^#'",
	.drop_own = "grep -v 'NETI-\\| neti-'",
	.golden = check_golden,
	.save_and_restore = "cd $1; for p in iptables ip6tables; do $p-legacy-save > $p.saved;"
			    "$p-legacy-restore < $p.saved; $p-legacy-save > $p.again;"
			    "grep -v '^#' $p.saved > 1; grep -v '^#' $p.again > 2; diff 1 2; done",

	.deny = "ipset add neti-denied $1,$2:$3",
	.track =
		"for p in iptables ip6tables; do $p-legacy -A INPUT -m conntrack --ctstate NEW; done",
	.cut_in = { "iptables-legacy -w -I INPUT -s 1.2.3.4 -j DROP",
		"iptables-legacy -w -t nat -I OUTPUT -d 9.9.9.9 -j ACCEPT" },
	.empty_filter = "iptables-legacy -F NETI-INPUT; ip6tables-legacy -F NETI-INPUT",
	.empty_paths = "iptables-legacy -t nat -F NETI-192.168.0.0/28",
	.tear_down = "for p in iptables ip6tables; do $p-legacy -F; $p-legacy -X; done;"
		     "iptables-legacy -t nat -F; iptables-legacy -t nat -X",
	.redirect = "iptables-legacy-save -t nat | sed \"s/$1\\$/$2/\" | iptables-legacy-restore;"
		    "ipset add neti-peers $2; ipset del neti-peers $1",
	.wrong_sets = "ipset create neti-peers hash:net; ipset create neti-denied hash:ip",
	/* It takes no lock, which makes our commits fail with EAGAIN. */
	.meddle = "export XTABLES_LOCKFILE=/dev/null;"
		  "for t in nat filter; do iptables-legacy -t $t -A OUTPUT -s 1.2.3.4;"
		  "iptables-legacy -t $t -D OUTPUT -s 1.2.3.4; done",
	.spoilers = spoilers,
	.n_spoilers = sizeof(spoilers) / sizeof(spoilers[0]),
	.spoiled_no_more = "! iptables-legacy-save | grep 'NETI-OLD\\|NETI-ACCEPT'",
	.hold_lock = hold_lock,

	.foreign = "iptables-legacy -A INPUT -s 1.2.3.4 -j DROP; iptables-legacy -N foreign;"
		   "iptables-legacy -A foreign -m comment --comment x -j ACCEPT;"
		   "iptables-legacy -A FORWARD -i lo -j foreign; iptables-legacy -P FORWARD DROP;"
		   "iptables-legacy -t nat -A POSTROUTING -o eth9 -j MASQUERADE;"
		   "iptables-legacy -t nat -A OUTPUT -d 9.9.9.9 -j DNAT --to-destination 8.8.8.8;"
		   "iptables-legacy -t nat -N zzz; ip6tables-legacy -A INPUT -s fd01::1 -j DROP;"
		   "iptables-legacy -A INPUT -i lo -p udp --dport 99;"
		   "ipset create foreign hash:net; ipset add foreign 10.0.0.0/8",
	.foreign_works =
		"iptables-legacy -S INPUT | sed -n 2p | grep -x -- '-A INPUT -j NETI-INPUT' &&"
		"ipset test foreign 10.1.1.1",
	.count = "iptables-legacy -A OUTPUT -p udp; iptables-legacy -t nat -A OUTPUT -p udp;"
		 "iptables-legacy -P FORWARD DROP",
	.counted = "for t in filter nat; do iptables-legacy-save -c -t $t | "
		   "grep -x -- \"\\[$1:$2\\] -A OUTPUT -p udp\" || exit; done",
	.policy_counted =
		"iptables-legacy-save -c -t filter | grep \"^:OUTPUT ACCEPT \\[$1:$2\\]\" &&"
		"iptables-legacy-save -c -t filter | grep '^:FORWARD DROP'",

	/* Looking at a table brings it into being. Files as an administrator's stand in /etc. */
	.prepare =
		"ip6tables-legacy -S; mkdir \"$XTABLES_LOCKFILE.d\"; " SAVED
		"printf '*filter\\n:INPUT ACCEPT\\n:FORWARD ACCEPT\\n:OUTPUT ACCEPT\\nCOMMIT\\n' "
		"> iptables;"
		"printf '*nat\\n:PREROUTING ACCEPT\\n:INPUT ACCEPT\\n:OUTPUT ACCEPT\\n"
		":POSTROUTING ACCEPT\\nCOMMIT\\n' > nat",
	.drifts = drifts,
	.n_drifts = sizeof(drifts) / sizeof(drifts[0]),

	.branch_entries = 8, /* a peer, three chains of a rule, the root's rule */
	.target_entries = 4, /* a peer and a rule, each exchanged */
	.peers_max = 1048576,
	.denied_max = 65536,
};
