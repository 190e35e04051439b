#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# netictl as a person and as a script meet it: what each command prints, and that bad input gets
# its exit code, nothing on stdout and one sentence on stderr that names the thing.
source "${srcdir:-.}/tests/suite.sh"
netictl=$PWD/netictl
cd "$suite_folder" || exit 1
registry=sqlite:$suite_folder/registry.db

# --- one command ------------------------------------------------------------------------------

status=0
call() {
	status=0
	timeout 30 "$@" >out 2>err </dev/null || status=$?
}

told() {
	printf 'exit %s\n--- stdout\n' "$status"
	cat out
	printf -- '--- stderr\n'
	cat err
	return 1
}

# refuses STATUS PATTERN ARGUMENT…
refuses() {
	local wanted=$1 pattern=$2
	shift 2
	call "$netictl" "$@"
	{
		[ "$status" = "$wanted" ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ] &&
			grep -q '^netictl: ' err && grep -qE -- "$pattern" err
	} || told
}

# The same for a settings file of these lines.
refuses_settings() {
	local pattern=$1
	shift
	printf '%s\n' "$@" >bad.yml
	refuses 2 "$pattern" -c bad.yml list
}

# prints PATTERN ARGUMENT…: exit 0, and one line that matches.
prints() {
	local pattern=$1
	shift
	call "$netictl" "$@"
	{ [ "$status" = 0 ] && [ "$(wc -l <out)" = 1 ] && grep -qE -- "$pattern" out; } || told
}

succeeds() {
	call "$netictl" "$@"
	[ "$status" = 0 ] || told
}

# exits STATUS ARGUMENT…
exits() {
	local wanted=$1
	shift
	call "$netictl" "$@"
	[ "$status" = "$wanted" ] || told
}

# json FILTER ARGUMENT…: exit 0, and jq finds the filter true.
json() {
	local filter=$1
	shift
	call "$netictl" --json "$@"
	{ [ "$status" = 0 ] && jq -e "$filter" out >/dev/null; } || told
}

# --- the command line -------------------------------------------------------------------------

expect "no command" refuses 2 'no command'
expect "unknown command" refuses 2 'frobnicate' frobnicate
expect "unknown long option" refuses 2 '[-][-]frob' --frob list
expect "unknown short option" refuses 2 'unknown option -z' -z list
expect "unknown short option after another" refuses 2 'z' -qz list
expect "a value that looks like an option" refuses 2 'unknown option -1' fleet set removal_delay -1s
expect "--confirm is looked at before the registry" refuses 2 'is not a duration' \
	--registry zookeeper://127.0.0.1:1/x apply --confirm soon
expect "missing value of -c" refuses 2 'needs a value' list -c
expect "missing value of --registry" refuses 2 '[-][-]registry needs a value' list --registry
expect "missing KEY" refuses 2 'lookup needs KEY' lookup
expect "one argument too many" refuses 2 'extra' list extra
expect "another command's option" refuses 2 'list takes no --field' list --field id
expect "unknown verb of fleet" refuses 2 'frob' fleet frob
expect "fleet set without VALUE" refuses 2 'KEY and VALUE' fleet set removal_delay
expect "fleet show with an argument" refuses 2 'no argument' fleet show me
expect "fleet init with KEY alone" refuses 2 'KEY and VALUE' fleet init shards
expect "--version" prints '^netictl [0-9]+\.[0-9]+\.[0-9]+$' --version
expect "--help" succeeds --help
for command in run register list lookup watch plan apply verify flush status release reclaim fleet; do
	expect "$command --help" succeeds "$command" --help
done

# --- settings ---------------------------------------------------------------------------------

expect "no such settings file" refuses 2 'absent.yml' -c absent.yml list
expect "settings that are a folder" refuses 2 "$suite_folder" -c "$suite_folder" list
expect "unknown key: line and nearest key" \
	refuses_settings 'bad.yml:2:.*reject_al.*reject_all' 'network: ec2' 'reject_al: true'
expect "no YAML" refuses_settings 'bad.yml' 'network: [ec2'
expect "a list where one value stands" refuses_settings 'bad.yml:1: network' 'network: [ec2]'
expect "bad truth value" refuses_settings 'reject_all' 'reject_all: perhaps'
expect "bad prefix" refuses_settings 'overlay_subnet' 'overlay_subnet: 192.168.0.0/33'
expect "bits beyond the prefix" refuses_settings 'overlay_subnet' 'overlay_subnet: 192.168.0.1/18'
expect "overlay subnet too small" refuses_settings 'overlay_subnet' 'overlay_subnet: 192.168.0.0/31'
expect "bad port" refuses_settings 'open_ports' 'open_ports: [70000]'
expect "bad address" refuses_settings 'private_ip' 'private_ip: 10.0.0'
expect "bad time" refuses_settings 'session_timeout' 'session_timeout: soon'
if [ "$(id -u)" != 0 ]; then
	printf 'network: ec2\n' >closed.yml
	chmod 000 closed.yml
	expect "unreadable settings" refuses 2 'closed.yml.*[Pp]ermission' -c closed.yml list
fi

# --- registry ---------------------------------------------------------------------------------

printf '%s\n' "registry: $registry" 'id: hudson' 'network: ec2' 'private_ip: 10.0.0.11' \
	'public_ip: 198.51.100.11' 'overlay_subnet: 192.168.0.0/18' 'open_ports: [80]' \
	"state_dir: $suite_folder/hudson" >hudson.yml
hudson=(-c hudson.yml)

within_seconds() {
	local limit=$1 since=$SECONDS
	shift
	"$@" && [ $((SECONDS - since)) -le "$limit" ]
}

expect "no registry named" refuses 2 'registry' list
expect "unknown kind of registry" refuses 2 'etcd' --registry etcd://h1:2379/neti list
expect "registry in a folder that is not there" \
	refuses 1 'absent/registry.db' --registry "sqlite:$PWD/absent/registry.db" list
expect "a file that is no registry" refuses 1 'hudson.yml' --registry "sqlite:$PWD/hudson.yml" list
expect "unreachable registry" within_seconds 20 \
	refuses 1 '127.0.0.1:1' --registry zookeeper://127.0.0.1:1/neti list
expect "unresolvable host" within_seconds 20 \
	refuses 1 'no-such-host.invalid' --registry zookeeper://no-such-host.invalid:2181/neti list

expect "register prints the address alone" \
	prints '^192\.168\.([0-9]|[1-5][0-9]|6[0-3])\.[0-9]+$' "${hudson[@]}" register
overlay=$(cat out)
expect "register again prints the same" prints "^${overlay//./\\.}\$" "${hudson[@]}" register
expect "options stand after the command too" prints "^${overlay//./\\.}\$" register -c hudson.yml
expect "register --id" prints '^192\.168\.' "${hudson[@]}" register --id sierra
expect "an empty id" refuses 2 'id' "${hudson[@]}" register --id ''
expect "list is empty" json '.members == []' "${hudson[@]}" list
expect "list --all has both leases" \
	json '[.members[] | select(.live | not) | .id] | sort == ["hudson", "sierra"]' \
	"${hudson[@]}" list --all
expect "lookup by id" json ".overlay == \"$overlay\" and .live == false" "${hudson[@]}" lookup hudson
expect "lookup by overlay address" json '.id == "hudson"' "${hudson[@]}" lookup "$overlay"
expect "lookup --field" prints "^${overlay//./\\.}\$" "${hudson[@]}" lookup hudson --field overlay
expect "lookup of an unknown field" refuses 2 'colour' "${hudson[@]}" lookup hudson --field colour
expect "lookup of nobody" refuses 1 'nobody' "${hudson[@]}" lookup nobody
expect "reclaim without a time" refuses 2 'older-than' "${hudson[@]}" reclaim
expect "reclaim with a bad time" refuses 2 'soon' "${hudson[@]}" reclaim --older-than soon
expect "reclaim of young leases" json '.members == []' "${hudson[@]}" reclaim --older-than 30d
expect "release" succeeds "${hudson[@]}" release sierra
expect "release of what is gone" refuses 1 'sierra' "${hudson[@]}" release sierra
expect "fleet show" \
	json '.shards == 64 and .overlay_subnet == "192.168.0.0/18"' "${hudson[@]}" fleet show
expect "fleet set" succeeds "${hudson[@]}" fleet set max_removals 7
expect "fleet set is kept" json '.max_removals == 7' "${hudson[@]}" fleet show
expect "fleet set of an unknown key" refuses 2 'colour' "${hudson[@]}" fleet set colour red
expect "fleet set of a bad value" refuses 2 'max_removals' "${hudson[@]}" fleet set max_removals few
expect "fleet set of what is fixed" refuses 2 'shards' "${hudson[@]}" fleet set shards 128
expect "fleet init on a fleet" succeeds "${hudson[@]}" fleet init
expect "fleet init on a fleet that is so" succeeds "${hudson[@]}" fleet init shards 64 removal_delay 5
expect "fleet init on a fleet that is not so" \
	refuses 1 'already, with shards 64, which is fixed' "${hudson[@]}" fleet init shards 256
expect "fleet init with an unknown key" refuses 2 'colour' "${hudson[@]}" fleet init colour red
expect "fleet init with a bad value" refuses 2 'shards' "${hudson[@]}" fleet init shards 4097
made=(--registry "sqlite:$PWD/made.db")
expect "fleet init with settings" \
	succeeds "${made[@]}" fleet init shards 256 overlay_subnet 10.64.0.0/15
expect "the fleet has them" \
	json '.shards == 256 and .overlay_subnet == "10.64.0.0/15"' "${made[@]}" fleet show
expect "and its hosts" prints '^10\.6[45]\.' "${made[@]}" register --id hudson
expect "fleet accept" succeeds "${hudson[@]}" fleet accept
expect "status without an agent" refuses 1 'no agent' "${hudson[@]}" status

# --- on a terminal ------------------------------------------------------------------------------

# Goes on beside what follows: the registry is given up after ten seconds.
script -qec "'$netictl' --registry zookeeper://127.0.0.1:1/neti register --id hudson" /dev/null \
	>terminal 2>&1 </dev/null &
waiting=$!

# --- the kernel -------------------------------------------------------------------------------

# Without a capability: an ordinary user, or root made one.
powerless=(env)
[ "$(id -u)" != 0 ] || powerless=(setpriv --bounding-set=-all --inh-caps=-all
	--ambient-caps=-all --reuid=65534 --regid=65534 --clear-groups)

needs_capability() {
	call "${powerless[@]}" "$netictl" "$@"
	{
		[ "$status" = 1 ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ] &&
			grep -q 'CAP_NET_ADMIN' err
	} || told
}

chmod 755 "$suite_folder"
mkdir hudson
chmod 777 hudson # the agent takes its lock in there before it asks the kernel
for command in plan apply verify flush run; do
	expect "$command without the capability" needs_capability "${hudson[@]}" "$command"
done

# The rest in a network namespace of its own, as root in there.
export XTABLES_LOCKFILE=$suite_folder/xtables.lock
if ! suite_namespace inside; then
	skip "no network namespace for this user"
	tells_that_it_waits() {
	wait "$waiting"
	cat terminal
	grep -q 'waiting for the registry, 2 s' terminal && grep -q 'no connection to registry' terminal
}
expect "a terminal is told what is waited for" tells_that_it_waits
suite_end
fi
real=$netictl
netictl=$suite_folder/netictl
# shellcheck disable=SC2154 # suite_namespace sets it
printf '#!/bin/sh\nexec %s %s "$@"\n' "${inside[*]}" "$real" >"$netictl"
chmod +x "$netictl"

agent_is_ready() {
	local _
	for _ in $(seq 100); do
		"$netictl" "${hudson[@]}" --json status 2>/dev/null |
			jq -e '.ready and .applied.age != null' >/dev/null && return
		sleep 0.1
	done
	call "$netictl" "${hudson[@]}" status
	told
	cat run.err
	return 1
}

start_agent() {
	"${inside[@]}" "$real" "${hudson[@]}" run >run.out 2>run.err </dev/null &
	agent=$!
	agent_is_ready
}

stops() {
	kill "-$1" "$agent"
	wait "$agent"
}

reload_refuses() {
	local _
	cp hudson.yml kept.yml
	echo 'colour: red' >>hudson.yml
	kill -HUP "$agent"
	for _ in $(seq 50); do
		grep -q 'colour' run.err && break
		sleep 0.1
	done
	mv kept.yml hudson.yml
	grep 'colour' run.err && kill -0 "$agent"
}

cannot_write() {
	"$@" >/dev/full 2>full.err
	[ $? = 1 ] && grep 'cannot write the result' full.err
}

# A member keeps its id and its folder; what else is new counts at the next reload, too.
reload_keeps_what_it_is() {
	cp hudson.yml kept.yml
	sed -i 's/^id:.*/id: other/; s/^public_ip:.*/public_ip: 198.51.100.12/' hudson.yml
	reloads 'not reloaded.*restart the agent to become other' || return
	sed 's/^public_ip:.*/public_ip: 198.51.100.12/; s|^state_dir:.*|&-other|' kept.yml >hudson.yml
	reloads 'settings read again' || return
	grep 'state_dir changed: takes effect at the next start' run.err || return
	mv kept.yml hudson.yml
	await_public 198.51.100.12 && "$netictl" "${hudson[@]}" verify && "$netictl" "${hudson[@]}" status | grep 'id *hudson' &&
		reloads 'settings read again' && await_public 198.51.100.11
}

reloads() { # WORDS: a HUP makes the agent say them once more
	local before _
	before=$(grep -c "$1" run.err)
	kill -HUP "$agent"
	for _ in $(seq 50); do
		[ "$(grep -c "$1" run.err)" -le "$before" ] || return 0
		sleep 0.1
	done
	return 1
}

await_public() {
	local _
	for _ in $(seq 50); do
		[ "$("$netictl" "${hudson[@]}" lookup hudson --field public)" != "$1" ] || return 0
		sleep 0.1
	done
	return 1
}

expect "plan shows changes" exits 3 "${hudson[@]}" plan
expect "plan changed nothing" exits 3 "${hudson[@]}" plan
expect "apply" exits 0 "${hudson[@]}" apply
expect "plan after apply" exits 0 "${hudson[@]}" plan
expect "verify after apply" exits 0 "${hudson[@]}" verify
"${inside[@]}" nft flush chain inet neti input
expect "verify sees drift" exits 3 "${hudson[@]}" verify
expect "flush" exits 0 "${hudson[@]}" flush
expect "flush again" exits 0 "${hudson[@]}" flush
# As the packages, and the unit that undoes a lock-out, take the rules away.
expect "apply again" exits 0 "${hudson[@]}" apply
expect "flush without settings" exits 0 -c /dev/null flush
expect "it is gone" bash -c '! "$@" | grep neti' . "${inside[@]}" nft list tables

expect "the agent runs" start_agent
expect "a second agent is refused" refuses 1 'agent runs already' "${hudson[@]}" run
expect "list --json" json '.members | length == 1 and .[0] == (.[0] + {id: "hudson",
	network: "ec2", private: "10.0.0.11", public: "198.51.100.11", live: true}) and
	(.[0] | (.version | length > 0) and .since > 0)' "${hudson[@]}" list
expect "list" succeeds "${hudson[@]}" list
for pair in id=hudson network=ec2 "overlay=$overlay" private=10.0.0.11 public=198.51.100.11 \
	live=true; do
	expect "lookup --field ${pair%%=*}" \
		prints "^${pair#*=}\$" "${hudson[@]}" lookup 10.0.0.11 --field "${pair%%=*}"
done
expect "status --json" json '(.pid > 0) and .id == "hudson" and .network == "ec2" and .members == 1 and .skipped == 0 and .held == 0 and
	(.applied | has("revision") and has("age") and has("seconds")) and
	(.tables | type == "object") and has("session") and has("registry")' "${hudson[@]}" status
expect "status" succeeds "${hudson[@]}" status
expect "verify beside the agent" exits 0 "${hudson[@]}" verify
expect "register one that never joins" prints '^192\.168\.' "${hudson[@]}" register --id walden
# Times are whole seconds: of this one nothing is older yet.
reclaims_all_but_the_living() {
	local _
	for _ in $(seq 50); do
		prints '^walden 192\.168\.' "${hudson[@]}" reclaim --older-than 0 "$@" && return
		sleep 0.1
	done
	return 1
}
expect "reclaim --dry-run names what is not live" reclaims_all_but_the_living --dry-run
expect "reclaim gives it back" reclaims_all_but_the_living
expect "and leaves the living alone" \
	json '[.members[].id] == ["hudson"]' "${hudson[@]}" list --all
expect "release of a live member" refuses 1 'hudson' "${hudson[@]}" release hudson
twin() { # with the same private address, in another network
	sqlite3 registry.db "INSERT INTO node (path, parent, bytes, created, modified) VALUES
		('/ip-map/01/192.168.60.1|10.0.0.11||vpc|walden', '/ip-map/01', '{}', 0, 0)"
}
expect "another member has its private address" twin
printf 'registry: %s\n' "$registry" >nowhere.yml
expect "then the own network's is meant" prints '^hudson$' "${hudson[@]}" lookup 10.0.0.11 --field id
expect "and without one nobody is guessed" \
	refuses 1 '10.0.0.11 is an address of .*id or overlay address' -c nowhere.yml lookup 10.0.0.11
expect "it goes" sqlite3 registry.db "DELETE FROM node WHERE path LIKE '%walden'"
expect "bad settings are not reloaded" reload_refuses
expect "what is watched by nobody ends" cannot_write timeout 20 "$netictl" "${hudson[@]}" watch
expect "a list that cannot be written" cannot_write "$netictl" "${hudson[@]}" list
expect "help that cannot be written" cannot_write "$netictl" --help
expect "a reload keeps id and state_dir" reload_keeps_what_it_is
expect "TERM ends the agent with 0" stops TERM
expect "its member is gone" json '.members == []' "${hudson[@]}" list
expect "its rules stay" "${inside[@]}" nft list table inet neti
expect "flush after the agent" exits 0 "${hudson[@]}" flush
"${inside[@]}" ip link add other type veth peer name others
"${inside[@]}" ip address add 192.168.9.9/32 dev other
expect "an overlay subnet with an address of this host" \
	refuses 2 '192.168.9.9' "${hudson[@]}" apply
expect "nothing is half done" bash -c '! "$@" | grep neti' . "${inside[@]}" nft list tables

suite_end
