/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What nft says of the engine of nftables, and what it can do to it.
 */
#include <stdio.h>

#include "engine_fixture.h"

/* nft makes of the text what is there, but for which set or chain comes first. */
static void check_golden(const struct ruleset *rules)
{
	struct buffer text = { 0 };
	char path[96];
	FILE *file;

	ck_assert_int_eq(engine_render("nftables", rules, &text), 0);
	snprintf(path, sizeof(path), "%s/golden", netns_directory());
	file = fopen(path, "we");
	fputs(buffer_text(&text), file);
	fclose(file);
	buffer_clear(&text);
	netns_do(
		"cd %s; nft list table inet neti > real;"
		"unshare -n sh -c 'nft -f golden && nft list table inet neti' > again;"
		"for f in real again; do sed '1d;$d' $f | tr -s '[:blank:]' ' ' | sed 's/^$/@@/' | tr '\\n' ' ' |"
		" sed 's/@@/\\n/g' | sed 's/^ *//; s/ *$//' | LC_ALL=C sort > $f.parts; done; diff again.parts real.parts",
		netns_directory());
}

#define INPUT(set)                                                                                 \
	"chain input { type filter hook input priority 0; iif lo accept;"                          \
	" ct state established,related accept; ip saddr @" set " accept; drop; };"
#define PATHS(map)                                                                                 \
	"chain paths { type nat hook output priority -101; dnat ip to ip daddr map @" map "; };"

static const char *const spoilers[] = {
	/* The set under the rules is of another kind, as after a change by hand. */
	"nft \"delete table inet neti; table inet neti {"
	" set peers { type ipv4_addr; flags interval; elements = { $1 }; };"
	" map overlay { type ipv4_addr : ipv4_addr; elements = { $2 : $1 }; };" INPUT("peers")
		PATHS("overlay") "}\"",
	/* As another version left it: other sets, other chains, another order. */
	"nft \"delete table inet neti; table inet neti {"
	" set older { type ipv4_addr; elements = { $1 }; };"
	" map older_paths { type ipv4_addr : ipv4_addr; elements = { $2 : $1 }; };" INPUT("older")
		PATHS("older_paths") "}\"",
	/* The set has less room than it needs. */
	"nft \"delete table inet neti; table inet neti {"
	" set peers { type ipv4_addr; size 1; elements = { $1 }; };"
	" map overlay { type ipv4_addr : ipv4_addr; size 1; elements = { $2 : $1 }; };" INPUT(
		"peers") PATHS("overlay") "}\"",
};

#define SAVED "\"$XTABLES_LOCKFILE.nft\""

static const struct drift drifts[] = {
	/* Of everybody. */
	{ "nft flush ruleset",
		{ "+ table inet neti\n", "+ rule inet neti input iif \"lo\" accept",
			"+ element inet neti peers { 10.0.0.5 }\n",
			"+ element inet neti overlay { 192.168.17.3 : 10.9.0.1 }\n" } },
	/* Somebody's saved file, made before Neti was there, put back. */
	{ "{ echo flush ruleset; cat " SAVED "; } | nft -f -",
		{ "+ table inet neti\n", "+ chain inet neti input\n" } },
	{ "nft delete table inet neti", { "+ set inet neti denied\n" } },
	{ "nft add table inet neti '{ flags dormant; }'", { "- table inet neti # asleep\n" } },
	{ "nft flush table inet neti", { "+ rule inet neti input drop comment" } },
	/* One chain or rule. */
	{ "nft flush chain inet neti input", { "+ rule inet neti input ip saddr @peers accept" } },
	{ "nft flush chain inet neti output",
		{ "+ rule inet neti output ip daddr 192.168.0.0/18 reject" } },
	{ "nft flush chain inet neti paths",
		{ "+ rule inet neti paths dnat ip to ip daddr map @overlay",
			"+ rule inet neti paths ip daddr 172.31.0.2 dnat ip to 10.0.0.2" } },
	{ "nft flush chain inet neti forward; nft delete chain inet neti forward",
		{ "+ chain inet neti forward\n" } },
	{ "nft flush chain inet neti input; nft delete chain inet neti input;"
	  "nft add chain inet neti input '{ type filter hook input priority 50; }'",
		{ "- chain inet neti input # of another kind\n", "+ chain inet neti input\n" } },
	{ "nft add chain inet neti input '{ policy drop; }'",
		{ "- chain inet neti input # of another kind\n" } },
	{ "nft add chain inet neti mine; nft add rule inet neti mine accept",
		{ "- chain inet neti mine # which Neti did not make\n" } },
	{ "nft insert rule inet neti input ip saddr 6.6.6.6 accept",
		{ "- rule inet neti input # handle ", ", which Neti did not make\n" } },
	{ "nft insert rule inet neti input drop comment '\"everybody else\"'",
		{ "- rule inet neti input drop comment" } },
	{ "nft add rule inet neti input accept", { "- rule inet neti input # handle " } },
	/* A set and a chain that stand inside a rule. */
	{ "nft add rule inet neti input tcp dport '{ 80, 443 }' accept",
		{ "- rule inet neti input # handle " } },
	{ "nft insert rule inet neti input ip saddr 6.6.6.6 jump '{ accept; }'",
		{ "- rule inet neti input # handle " } },
	/* The comment stays, the rule is another one. */
	{ "nft list table inet neti | sed 's/dport 80 /dport 81 /' > $XTABLES_LOCKFILE.edited;"
	  "nft delete table inet neti; nft -f $XTABLES_LOCKFILE.edited",
		{ "- rule inet neti input # handle ",
			"+ rule inet neti input tcp dport 80 accept" } },
	{ "nft list table inet neti | sed 's/@peers accept/@peers drop/' > $XTABLES_LOCKFILE.edited;"
	  "nft delete table inet neti; nft -f $XTABLES_LOCKFILE.edited",
		{ "+ rule inet neti input ip saddr @peers accept" } },
	{ "nft list table inet neti | sed 's/saddr @peers/saddr != @peers/' > "
	  "$XTABLES_LOCKFILE.edited; nft delete table inet neti; nft -f $XTABLES_LOCKFILE.edited",
		{ "+ rule inet neti input ip saddr @peers accept" } },
	{ "nft list table inet neti | sed 's/203.0.113.7/203.0.113.0\\/24/' > "
	  "$XTABLES_LOCKFILE.edited; nft delete table inet neti; nft -f $XTABLES_LOCKFILE.edited",
		{ "+ rule inet neti input ip saddr 203.0.113.7 tcp dport 22 accept" } },
	/* Sets. */
	{ "nft flush set inet neti peers", { "+ element inet neti peers { 10.0.0.1 }\n",
						   "+ element inet neti peers { 54.1.2.3 }\n" } },
	{ "nft delete element inet neti peers '{ 10.0.0.5 }'",
		{ "+ element inet neti peers { 10.0.0.5 }\n" } },
	{ "nft add element inet neti peers '{ 66.6.6.6 }'",
		{ "- element inet neti peers { 66.6.6.6 }\n" } },
	{ "nft delete element inet neti overlay '{ 192.168.17.3 }';"
	  "nft add element inet neti overlay '{ 192.168.17.3 : 6.6.6.6 }'",
		{ "- element inet neti overlay { 192.168.17.3 : 6.6.6.6 }\n",
			"+ element inet neti overlay { 192.168.17.3 : 10.9.0.1 }\n" } },
	{ "nft flush map inet neti overlay",
		{ "+ element inet neti overlay { 192.168.63.254 : 54.1.2.3 }\n" } },
	{ "nft add set inet neti mine '{ type ipv4_addr; }'",
		{ "- set inet neti mine # which Neti did not make\n" } },
	{ "nft flush chain inet neti input; nft delete set inet neti denied;"
	  "nft add set inet neti denied '{ type ipv4_addr; }'",
		{ "- set inet neti denied # of another kind\n", "+ set inet neti denied\n" } },
	{ "nft flush chain inet neti input; nft delete set inet neti peers;"
	  "nft add set inet neti peers '{ type ipv4_addr; flags interval; }';"
	  "nft add rule inet neti input ip saddr @peers accept",
		{ "- set inet neti peers # of another kind\n", "+ set inet neti peers\n",
			"+ element inet neti peers { 10.0.0.5 }\n" } },
};

const struct witness witness_nftables = {
	.engine = "nftables",
	.missing = "command -v nft > /dev/null || echo nft",

	.is_peer = "nft get element inet neti peers \"{ $1 }\"",
	.is_denied = "nft get element inet neti denied \"{ $1 . $2 . $3 }\"",
	.denied = "text=$(nft list set inet neti denied) && echo \"$text\" | "
		  "grep -oE '[0-9.]+ [.] (tcp|udp) [.] [0-9]+ [^,}]*packets [0-9]+' | "
		  "awk '{ print $1, $3, $5, $NF }'",
	.answers_ping = "nft list chain inet neti input | grep 'icmp type echo-request accept'",
	.has_ipv6 = "nft list chain inet neti input | grep '^.*\tdrop comment \"everybody else\"'",
	.dump = "nft -s list ruleset",
	.paths = "nft list chain inet neti paths; nft list map inet neti overlay",
	.drop_own = "awk '/^table inet neti /{ own = 1 } !own { print } /^}/{ own = 0 }'",
	.golden = check_golden,
	.save_and_restore = "cd $1; nft list ruleset > saved;"
			    "{ echo flush ruleset; cat saved; } | nft -f -;"
			    "nft list ruleset > again; diff saved again",

	.deny = "nft add element inet neti denied \"{ $1 . $2 . $3 counter }\"",
	.track = "nft add table inet track;"
		 "nft add chain inet track in '{ type filter hook input priority 10; }';"
		 "nft add rule inet track in ct state new",
	.cut_in = { "nft insert rule inet neti input ip saddr 1.2.3.4 drop",
		"nft insert rule inet neti paths ip daddr 9.9.9.9 accept" },
	.empty_filter = "nft flush chain inet neti input",
	.empty_paths = "nft flush map inet neti overlay",
	.tear_down =
		"nft flush table inet neti; for c in $(nft list table inet neti | "
		"sed -n 's/^\tchain \\(.*\\) {/\\1/p'); do nft delete chain inet neti $c; done",
	.redirect =
		"at=$(nft list map inet neti overlay | grep -oE \"[0-9.]+ : $1\" | cut -d' ' -f1);"
		"nft \"delete element inet neti overlay { $at };"
		"add element inet neti overlay { $at : $2 };"
		"add element inet neti peers { $2 }; delete element inet neti peers { $1 }\"",
	.wrong_sets =
		"nft add table inet neti; nft add set inet neti peers '{ type inet_service; }';"
		"nft add set inet neti denied '{ type ipv4_addr; }'",
	.meddle = "nft add table ip meddle; nft delete table ip meddle;"
		  "nft add chain inet neti meddle; nft delete chain inet neti meddle",
	.spoilers = spoilers,
	.n_spoilers = sizeof(spoilers) / sizeof(spoilers[0]),
	.spoiled_no_more = "! nft list table inet neti | grep 'interval\\|older\\|size 1$'",

	.foreign =
		"nft 'table ip foreign { set some { type ipv4_addr; flags interval;"
		" elements = { 10.0.0.0/8 }; };"
		" chain input { type filter hook input priority 0; ip saddr 1.2.3.4 drop; };"
		" chain forward { type filter hook forward priority 0; policy drop;"
		" iif lo jump other; };"
		" chain other { accept; };"
		" chain nat { type nat hook postrouting priority 100; oifname eth9 masquerade; };"
		" chain paths { type nat hook output priority -100;"
		" ip daddr 9.9.9.9 dnat to 8.8.8.8; }; };"
		" table inet neti_other { chain input { type filter hook input priority -1; }; }'",
	.foreign_works = "nft get element ip foreign some '{ 10.1.1.1 }'",
	.count = "nft 'table ip count { chain output { type filter hook output priority 0;"
		 " meta l4proto udp counter; counter; };"
		 " chain paths { type nat hook output priority 0; meta l4proto udp counter; }; }'",
	.counted = "for c in output paths; do nft list chain ip count $c | "
		   "grep \"udp counter packets $1 bytes $2\\$\" || exit; done",
	.policy_counted =
		"nft list chain ip count output | grep \"\tcounter packets $1 bytes $2\\$\"",

	.prepare = "nft add table ip before; nft list ruleset > " SAVED,
	.drifts = drifts,
	.n_drifts = sizeof(drifts) / sizeof(drifts[0]),

	.branch_entries = 2, /* a peer and where it is */
	.target_entries = 4, /* each exchanged */
	.peers_max = 1048576,
	.denied_max = 65536,
};
