#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What an operator does to the rules of one host by hand: look before, apply with a way back,
# put up what stood before the boot, and see who was refused. Real kernel, embedded registry.
#
# Quoted commands are for other shells, and namespaces are named by suite_namespace.
# shellcheck disable=SC2016,SC2154
source "${srcdir:-.}/tests/suite.sh"

netictl=$PWD/netictl
cd "$suite_folder" || exit
export XTABLES_LOCKFILE=$suite_folder/xtables.lock
if ! suite_namespace host; then
	skip "no network namespace for this user"
	suite_end
fi

cat >hudson.yml <<YML
registry: sqlite:$PWD/registry.db
state_dir: $PWD/state
id: hudson
network: ec2
private_ip: 10.0.0.11
reject_all: true
open_ports: [80]
engine: iptables
YML
sed 's/open_ports.*/open_ports: [80, 443]/' hudson.yml >other.yml
sed 's/reject_all.*/reject_all: false/' hudson.yml >open.yml

ctl() { "${host[@]}" "$netictl" -c "${config:-hudson.yml}" "$@"; }
saved() { "${host[@]}" sh -c 'iptables-legacy-save; ip6tables-legacy-save; ipset save' | grep -v '^#'; }
stripped() { saved | sed 's/\[[0-9:]*\]//; s/initval [^ ]*//'; }
says() { # STATUS TEXT COMMAND…
	local expected=$1 text=$2 status=0
	shift 2
	"$@" >out 2>&1 || status=$?
	cat out
	[ "$status" = "$expected" ] && grep -qF -- "$text" out
}
same() { diff "$1" "$2"; }

ctl register >overlay
# Reading a table makes it; from here on all are there.
"${host[@]}" sh -c 'iptables-legacy -S; iptables-legacy -t nat -S; ip6tables-legacy -S' >/dev/null
stripped >nothing
expect "plan --text prints what apply makes" says 0 '-A INPUT -j NETI-INPUT' ctl plan --text
expect "plan --text changes nothing" bash -c '[ -z "$(grep NETI nothing)" ]'
expect "apply" says 0 'the kernel was changed' ctl apply
stripped >applied
text_is_what_stands() {
	ctl plan --text | grep '^-A' | sort >planned
	grep '^-A' applied | sort | same planned -
}
expect "plan --text is what stands then" text_is_what_stands

"${host[@]}" iptables-legacy -F
"${host[@]}" iptables-legacy -t nat -F
"${host[@]}" iptables-legacy -X
"${host[@]}" iptables-legacy -t nat -X
"${host[@]}" ip6tables-legacy -F
"${host[@]}" ip6tables-legacy -X
"${host[@]}" ipset destroy
mv registry.db away.db
from_state_is_whole() {
	ctl apply --from-state && stripped | same applied -
}
expect "apply --from-state puts up what stood, with the registry away" from_state_is_whole
mv away.db registry.db

{ cat hudson.yml; echo "xtables_lock: $PWD/own.lock"; } >named.yml
sed 's/^engine:.*/engine: carrier-pigeon/' hudson.yml >pigeon.yml
config=named.yml
expect "an engine by its name" says 0 'nothing to change' ctl plan
takes_the_named_lock() {
	(flock 9 && exec sleep 30) 9>own.lock &
	local holder=$!
	until ! flock -n own.lock true; do sleep 0.05; done
	sed -i 's/80]/81]/' named.yml
	says 1 "the xtables lock $PWD/own.lock is held by" ctl apply
	local status=$?
	kill "$holder"
	return "$status"
}
expect "xtables_lock names the lock" takes_the_named_lock
config=pigeon.yml
expect "an engine that there is not" says 2 'there is no "carrier-pigeon"' ctl plan
expect "nor is its text" says 2 'there is no "carrier-pigeon"' ctl plan --text
unset config

# As long as somebody holds the lock nothing can be rolled back. The rest goes on beside it.
busy_undo() {
	local -x XTABLES_LOCKFILE=$PWD/busy.lock _
	mkdir busy
	"${busy[@]}" "$netictl" -c busy.yml apply --confirm 1s && flock busy.lock sleep 8 || return
	for _ in $(seq 100); do
		"${busy[@]}" iptables-legacy -S | grep -q NETI || return 0
		sleep 0.1
	done
	return 1
}
suite_namespace busy
sed 's/state$/busy/' hudson.yml >busy.yml
busy_undo &
busy_undo=$!

# Confirmed or not.
config=other.yml
expect "apply --confirm wants a time" says 2 'not a duration' ctl apply --confirm soon
expect "apply --confirm says how long" says 0 'rolled back in 60s' ctl apply --confirm 60s
expect "the new rules are up" bash -c 'grep -q "dport 443" <(cat)' < <(saved)
expect "a second one has to wait" says 1 'wait to be confirmed' ctl apply --confirm 60s
expect "confirm keeps them" says 0 'the rules stay' ctl confirm
expect "they still stand" bash -c 'grep -q "dport 443" <(cat)' < <(saved)
expect "nothing is left to confirm" says 1 'no rules wait' ctl confirm
stripped >confirmed
unset config

goes_back() { # FILE: what stands becomes it again within some seconds
	local _
	for _ in $(seq 60); do
		stripped >now
		cmp -s now "$1" && return
		sleep 0.1
	done
	same now "$1"
}
expect "apply --confirm 1s" says 0 'rolled back in 1s' ctl apply --confirm 1s
expect "unconfirmed rules go back to the confirmed ones" goes_back confirmed
expect "confirm comes too late" says 1 'no rules wait' ctl confirm

is_killed_and_goes_back() { # COLUMN of ps: the rollback's pid, or ppid, who watches over it
	ctl apply --confirm 60s && stripped | same applied - || return
	kill -KILL "$(ps -o "$1=" -p "$(cat state/unconfirmed)" | tr -d ' ')" && goes_back confirmed
}
expect "a rollback that is killed leaves nothing unconfirmed" is_killed_and_goes_back pid
expect "nor does its watcher" is_killed_and_goes_back ppid

dies_and_goes_back() {
	setsid "${host[@]}" "$netictl" -c hudson.yml apply --confirm 60s
	stripped | same applied - && kill -TERM "$(cat state/unconfirmed)" && goes_back confirmed
}
expect "a rollback that is told to go rolls back first" dies_and_goes_back

expect "rolled back when the lock is free again" wait "$busy_undo"

expect "flush" says 0 'are gone' ctl flush
expect "after a flush nothing comes back at boot" says 1 'state/ruleset' ctl apply --from-state
expect "apply --confirm 1s on a host without rules" says 0 'rolled back in 1s' ctl apply --confirm 1s
expect "unconfirmed first rules go away as a whole" goes_back nothing

flush_is_final() {
	ctl apply && setsid "${host[@]}" "$netictl" -c other.yml apply --confirm 60s && ctl flush &&
		! kill -TERM "$(cat state/unconfirmed)" && stripped | same nothing -
}
expect "flush ends the wait for a confirmation" flush_is_final

ctl apply 2>/dev/null
cp state/ruleset good
is_ignored() { # WHY SED-COMMAND
	sed "$2" good >state/ruleset
	says 1 "state/ruleset is ignored: $1" ctl apply --from-state
}
expect "a torn state file is named" is_ignored 'it is torn' '$s/.....$//'
expect "that of a newer version too" is_ignored 'another version of Neti' '1s/neti-state 1/neti-state 2/'
expect "and a foreign one" is_ignored 'it is not a state file' '1d'
cp good state/ruleset
"${host[@]}" ip link set lo down
expect "without any interface up the state can be put up" says 0 'rules of the last run' ctl apply --from-state
"${host[@]}" ip link set lo up

# The size of the table of connections is the machine's: files are laid over it.
is_sized() {
	sed '$aconntrack_max: 7777777' hudson.yml >sized.yml
	echo 1000 | tee max >buckets
	"${host[@]}" unshare --mount --propagation private sh -c 'for n in max buckets; do
		mount --bind $n /proc/sys/net/netfilter/nf_conntrack_$n; done; "$0" -c sized.yml apply' "$netictl"
	[ "$(cat max)" = 7777777 ]
}
expect "apply sizes the table of connections as it is set" is_sized

# Who is refused.
if suite_namespace stranger; then
	"${host[@]}" ip link add eth0 type veth peer name eth0 netns "$(cat holder-stranger)"
	"${host[@]}" sh -c 'ip address add 198.51.100.1/24 dev eth0; ip link set eth0 up'
	"${stranger[@]}" sh -c 'ip address add 198.51.100.9/24 dev eth0; ip link set eth0 up'
	knock() { "${stranger[@]}" bash -c 'for i in 1 2 3; do echo x >"/dev/udp/198.51.100.1/$1"; done' . "$1"; }
	for config in open.yml hudson.yml; do
		ctl apply 2>/dev/null
		knock 99
		expect "denied with $config" says 0 '198.51.100.9' ctl denied
	done
	expect "denied --json" bash -c 'jq -e ".denied | length == 1 and .[0] == (.[0] +
		{source: \"198.51.100.9\", protocol: \"udp\", port: 99, packets: 6}) and
		(now - .[0].since | . >= 0 and . < 60)"' < <(ctl denied --json)
	"${host[@]}" ipset add neti-denied 192.0.2.9,tcp:25 timeout 3000 packets 7
	expect "denied says since when" bash -c 'jq -e "[.denied[] | select(.port == 25) | now - .since] |
		length == 1 and .[0] >= 600 and .[0] < 660"' < <(ctl denied --json)
	"${host[@]}" ipset del neti-denied 192.0.2.9,tcp:25
	for port in $(seq 1000 1200); do printf '%s\n' "$port"; done |
		"${stranger[@]}" bash -c 'while read -r port; do echo x >"/dev/udp/198.51.100.1/$port"; done'
	expect "a port scan is counted, and bounded" bash -c '[ "$(jq ".denied | length")" = 202 ]' \
		< <(ctl denied --json)
fi

# Beside an agent its settings count.
"${host[@]}" "$netictl" -c hudson.yml run >run.log 2>&1 &
agent=$!
for _ in $(seq 100); do
	ctl status >/dev/null 2>&1 && break
	sleep 0.1
done
expect "apply beside an agent" says 0 'will apply the settings that it read last' ctl apply
expect "apply --confirm beside an agent is refused" says 1 'stop it first' ctl apply --confirm 60s
expect "flush beside an agent" says 0 'will put its rules back' ctl flush
kill "$agent"
wait "$agent"
# --- the engine of nftables -----------------------------------------------------------------------

ctl flush >/dev/null
sed 's/^engine:.*/engine: nftables/' hudson.yml >nft.yml
sed 's/open_ports.*/open_ports: [80, 443]/' nft.yml >more.yml
config=nft.yml
table() { "${host[@]}" nft list table inet neti; }
expect "nftables: plan --text prints what apply makes" says 0 'type filter hook input' ctl plan --text
expect "nftables: apply" says 0 'the kernel was changed' ctl apply
# nft says some things in other words from release to release: it says the same of both.
reread() { ctl plan --text >text && "${host[@]}" unshare -n sh -c 'nft -f text && nft list table inet neti'; }
expect "nftables: that is what stands then" same <(reread) <(table)
table >applied
config=more.yml
expect "nftables: with a way back" ctl apply --confirm 1s
expect "nftables: other rules are in force" eval 'table | grep "tcp dport 443 accept"'
await_undone() {
	local _
	for _ in $(seq 100); do
		! table | diff applied - || return 0
		sleep 0.1
	done
	return 1
}
expect "nftables: undone when nobody confirms" await_undone
config=nft.yml
"${host[@]}" nft delete table inet neti
mv registry.db away.db
expect "nftables: apply --from-state" eval 'ctl apply --from-state && table | diff applied -'
mv away.db registry.db
expect "nftables: the other engine takes its place" says 0 'the kernel was changed' \
	"${host[@]}" "$netictl" -c hudson.yml apply
expect "nothing of nftables is left" eval '! table'
expect "and back" says 0 'the kernel was changed' ctl apply
expect "nothing of iptables is left" eval '! saved | grep -i neti'
"${host[@]}" iptables-legacy -P INPUT DROP
expect "auto takes nftables where none of iptables' rules of Neti stand" eval \
	'sed "s/^engine:.*/engine: auto/" hudson.yml >auto.yml && config=auto.yml says 0 "nothing to change" ctl plan'
"${host[@]}" "$netictl" -c hudson.yml apply >/dev/null
expect "auto stays with iptables where its INPUT would refuse members" eval \
	'config=auto.yml says 0 "the engine stays iptables" ctl -v apply && ! table'
"${host[@]}" iptables-legacy -P INPUT ACCEPT
expect "and changes where it would not" eval 'config=auto.yml ctl apply && table'
expect "flush takes away what any engine left" eval \
	'ctl flush && "${host[@]}" "$netictl" -c hudson.yml apply && config=nft.yml ctl flush && ! saved | grep -i neti'
suite_end
