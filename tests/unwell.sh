#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A host that is not well does not say OK, and is well again by itself: state by state, what check,
# status and metrics say, and that all of it heals. Real kernel, real agent, embedded registry.
#
# Quoted commands are for other shells, and namespaces are named by suite_namespace.
# shellcheck disable=SC2016,SC2154
source "${srcdir:-.}/tests/suite.sh"

netictl=$PWD/netictl
cd "$suite_folder" || exit
export XTABLES_LOCKFILE=$suite_folder/xtables.lock
if ! suite_namespace host || ! suite_namespace stranger; then
	skip "no network namespace for this user"
	suite_end
fi
"${host[@]}" ip link add eth0 type veth peer name eth1
"${host[@]}" ip link set eth1 netns "$(cat holder-stranger)"
"${host[@]}" sh -c 'ip addr add 10.0.0.11/24 dev eth0 && ip link set eth0 up &&
	ip route add default via 10.0.0.1'
"${stranger[@]}" sh -c 'ip addr add 10.0.0.66/24 dev eth1 && ip link set eth1 up'
"${host[@]}" socat TCP-LISTEN:7070,fork,reuseaddr SYSTEM:true </dev/null &
listener=$!

mkdir state
mount -t tmpfs -o size=1m none state 2>/dev/null || mounted=no
cat >hudson.yml <<YML
registry: sqlite:$PWD/registry.db
state_dir: $PWD/state
metrics_file: $PWD/neti.prom
id: hudson
network: ec2
private_ip: 10.0.0.11
reject_all: true
session_timeout: 2s
YML
ctl() { "${host[@]}" "$netictl" -c "${config:-hudson.yml}" "$@"; }
sql() { sqlite3 -cmd '.timeout 5000' registry.db "$1"; }
start() {
	"${host[@]}" "$netictl" -c hudson.yml run >run.out 2>&1 </dev/null &
	agent=$!
}
stop() { kill "${1:--TERM}" "$agent" && { wait "$agent" || true; }; } 2>/dev/null
trap 'kill "$listener" ${agent:+"$agent"} ${twin:+"$twin"} 2>/dev/null
	umount -l state 2>/dev/null; rm -rf "$suite_folder"' EXIT

# within SECONDS COMMAND…
within() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >within.out 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			cat within.out
			ctl check
			tail -n 5 run.out
			return 1
		fi
		sleep 0.2
	done
}
checks() { # STATUS TEXT
	local status=0
	ctl check >check.out || status=$?
	cat check.out
	[ "$status" = "$1" ] && grep -qF -- "$2" check.out
}
cause() { ctl --json status | jq -e --arg cause "$1" '.troubles | has($cause)'; }
metric() { grep -qx "neti_trouble_cause{cause=\"$1\"} $2" neti.prom; }
refused() { ! "${stranger[@]}" socat -u OPEN:/dev/null TCP:10.0.0.11:7070,connect-timeout=0.5; }

# Three places say it within ten seconds, and it is over in all of them within ten more.
tells() { # CAUSE TEXT
	expect "$1: check is CRITICAL within ten seconds" within 10 checks 2 "$2"
	expect "$1: the status names the cause" within 2 cause "$1"
	expect "$1: so do the metrics" within 10 metric "$1" 1
}
heals() { # CAUSE
	expect "$1: check is OK again by itself" within 12 checks 0 'NETI OK'
	expect "$1: the metrics too" within 10 metric "$1" 0
}

start
expect "a healthy host" within 10 checks 0 'NETI OK: hudson is 192.168.'
expect "it refuses strangers, and says so" jq -e '.mode == "refusing"' <(ctl --json status)
expect "a stranger is refused" refused

# --- networks of the host ------------------------------------------------------------------------
overlap() { # WORDS ADD REMOVE
	"${host[@]}" sh -c "$2"
	tells overlay "$1"
	expect "overlay, $2: the policy stays in force" refused
	"${host[@]}" sh -c "$3"
	heals overlay
}
overlap 'interface br9 has 192.168.32.1 in 192.168.32.0/20' \
	'ip link add br9 type bridge && ip addr add 192.168.32.1/20 dev br9 && ip link set br9 up' \
	'ip link del br9'
overlap 'a route leads to 192.168.5.0/24 by interface eth0' \
	'ip route add 192.168.5.0/24 via 10.0.0.1' 'ip route del 192.168.5.0/24'
overlap 'a route leads to 192.168.0.0/16 by interface eth0' \
	'ip route add 192.168.0.0/16 via 10.0.0.1 table 77' 'ip route flush table 77'
expect "halves of a default route are one" "${host[@]}" sh -c \
	'ip route add 128.0.0.0/1 via 10.0.0.1 && ip route add 0.0.0.0/1 via 10.0.0.1'
sleep 6
expect "and no overlap" checks 0 'NETI OK'
"${host[@]}" sh -c 'ip route del 128.0.0.0/1; ip route del 0.0.0.0/1'

stop
"${host[@]}" sh -c 'ip link add br9 type bridge && ip addr add 192.168.9.1/24 dev br9;
	ip link set br9 up'
ctl flush >/dev/null 2>&1
start
tells overlay 'interface br9 has 192.168.9.1'
expect "an overlap at the start: the policy is in force" within 5 refused
expect "what the host sends to its own network is not refused" "${host[@]}" \
	sh -c 'nft list chain inet neti output | grep "ip daddr 192.168.9.0/24 return"'
expect "a plan knows of it" ctl verify
"${host[@]}" ip link del br9
heals overlay

# --- the registry --------------------------------------------------------------------------------
fleet=$(sql "SELECT hex(bytes) FROM node WHERE path = '/fleet'")
put_fleet() { sql "UPDATE node SET bytes = x'$1', version = version + 1 WHERE path = '/fleet'"; }
hex() { od -An -v -tx1 | tr -d ' \n'; }
put_fleet "$(printf '{"layout"' | hex)"
tells fleet 'fleet settings'
put_fleet "$fleet"
heals fleet
put_fleet "$(sql "SELECT CAST(bytes AS TEXT) FROM node WHERE path = '/fleet'" | jq -c '.overlay_subnet = "172.30.0.0/16"' | hex)"
tells foreign 'that is another fleet'
expect "foreign: no other success hides it" sql \
	"UPDATE node SET bytes = bytes WHERE path = '/ip-map/01'"
sleep 4
expect "foreign: it stands" checks 2 'that is another fleet'
put_fleet "$fleet"
heals foreign

# --- another with this host's id --------------------------------------------------------------------
stop
mkdir other
sed "s|$PWD/state|$PWD/other|; s/10.0.0.11/10.0.0.12/; s/neti.prom/other.prom/" hudson.yml >other.yml
"${stranger[@]}" "$netictl" -c other.yml run >twin.out 2>&1 </dev/null &
twin=$!
config=other.yml expect "the other one is well" within 10 checks 0 'NETI OK'
start
tells entry 'another live member has the id hudson'
sql "INSERT INTO node (path, parent, bytes, created, modified) VALUES ('/ip-map/02/192.168.3.2|10.0.0.9||ec2|other',
	'/ip-map/02', x'7b7d', 0, 0)"
sleep 4
expect "entry: another member that comes does not hide it" checks 2 'another live member has the id hudson'
sql "DELETE FROM node WHERE path LIKE '/ip-map/02/%other'"
"${host[@]}" sh -c 'ip link add br9 type bridge && ip addr add 192.168.9.1/24 dev br9; ip link set br9 up'
rm neti.prom
mkdir neti.prom
expect "of many troubles at once none is left out" within 12 checks 2 "$PWD/neti.prom: Is a directory"
expect "nor the others" eval 'checks 2 "the id hudson" && checks 2 "interface br9"'
rmdir neti.prom
"${host[@]}" ip link del br9
kill "$twin"
wait "$twin"
twin=
heals entry

# --- files ----------------------------------------------------------------------------------------
rm neti.prom
mkdir neti.prom
expect "metrics: check is CRITICAL within ten seconds" within 12 checks 2 neti.prom
expect "metrics: the status names the cause" cause metrics
rmdir neti.prom
heals metrics
if [ -z "${mounted-}" ]; then
	full() { dd if=/dev/zero of=state/fill bs=4k; [ -s state/fill ]; }
	expect "a full disk" full
	expect "status: check is CRITICAL within ten seconds" within 12 checks 2 'not updated its status for'
	expect "status: the metrics, elsewhere, name the cause" within 10 metric status 1
	rm state/fill
	heals status
fi

# --- the loop ---------------------------------------------------------------------------------------
kill -STOP "$agent"
expect "an agent that hangs is named within ten seconds" within 9 checks 2 'the agent has not updated its status for'
sleep 1
jq '.written_at += 86400' state/status >later && cp later state/status
expect "also when the wall clock was set back" checks 2 'the agent has not updated its status for'
jq '.beat += 8640000000 | .written_at += 86400' state/status >later && cp later state/status
expect "and what was written before the boot is old" checks 2 'the agent has not updated its status for'
kill -CONT "$agent"
expect "it goes on" within 12 checks 0 'NETI OK'

# --- reject_all -----------------------------------------------------------------------------------
stop
ctl flush >/dev/null 2>&1
rm -f state/fleet state/ruleset
mv registry.db away.db
mkdir registry.db
sed 's|sqlite:.*|zookeeper://127.0.0.1:1/neti|' hudson.yml >first.yml
mv first.yml hudson.yml
expect "without a registry anybody gets in before the first start" eval '! refused'
start
expect "open: a first start without its registry closes the host" within 5 refused
expect "open: it is no OK, and not critical" within 5 checks 1 'registry connecting'
expect "open: it lets nobody in" eval '! "${host[@]}" nft list set inet neti peers | grep elements'
expect "open: and refuses nothing that the host sends" "${host[@]}" \
	sh -c 'nft list chain inet neti output | grep "ip daddr 192.168.0.0/18 return"'
settings_say() { sed -i "$1" hudson.yml && kill -HUP "$agent"; }
settings_say '$a open_ports: [7070]'
expect "open: other settings count before the registry is read" within 5 eval '! refused'
settings_say 's/^reject_all: true/reject_all: false/; $d'
expect "open: a host that is to be open is" within 5 eval '! refused'
settings_say 's/^reject_all: false/reject_all: true/'
expect "open: and closed again" within 5 refused
"${host[@]}" nft flush chain inet neti input
expect "open: what somebody takes away comes back" within 10 refused
# An engine that waits for a lock.
settings_say '$a engine: iptables'
expect "open: the engine is exchanged" within 10 "${host[@]}" \
	sh -c 'iptables-legacy -C INPUT -j NETI-INPUT && ! nft list table inet neti'
"${host[@]}" sh -c 'exec 9>"$XTABLES_LOCKFILE"; flock 9; exec sleep 60' &
locked=$!
"${host[@]}" sh -c 'XTABLES_LOCKFILE=/dev/null iptables-legacy -F INPUT' 2>/dev/null
tells open 'this host lets strangers in, although reject_all is true'
kill "$locked"
expect "open: closed again by itself" within 15 refused
settings_say '$d'
expect "open: over" within 10 metric open 0
stop -KILL

ctl flush >/dev/null 2>&1
rm -f state/ruleset
expect "at boot nothing is kept, and the host refuses strangers" ctl apply --from-state
expect "it does" refused
expect "a second time nothing is changed" eval '! ctl apply --from-state && refused'
ctl flush >/dev/null 2>&1
expect "after a flush the boot leaves the host alone" eval '! ctl apply --from-state'
echo torn >state/ruleset
expect "with a torn state file" eval '! ctl apply --from-state 2>said && grep -q "state/ruleset is ignored" said'
expect "the host refuses strangers all the same" refused
ctl flush >/dev/null 2>&1
rm -f state/ruleset
sed -i 's/reject_all: true/reject_all: false/' hudson.yml
expect "a host that is to be open stays so" eval '! ctl apply --from-state && ! refused'
suite_end
