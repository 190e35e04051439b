#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The main job, shown for real: three hosts in two networks with the same private addresses.
# Started by `./dev demo`, which gives it a process and a mount namespace of its own: whatever
# is made here, network namespaces too, is gone with the last process, however that ends.
#
# usage: demo.sh FOLDER BUILD [--zookeeper]
set -euo pipefail
folder=$1
PATH=$2:$2/demo:$PATH:/usr/sbin:/sbin
zookeeper=${3-}
started=$EPOCHREALTIME
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../scripts/stage.sh"
source "$here/net.sh"
source "$here/show.sh"

hosts=(hudson sierra walden)
declare -A overlay private public network
private=([hudson]=10.0.0.11 [sierra]=10.0.0.12 [walden]=10.0.0.11 [intruder]=10.0.0.66)
public=([hudson]=198.51.100.11 [sierra]=198.51.100.12 [walden]=203.0.113.11
	[intruder]=198.51.100.66)
network=([hudson]=ec2 [sierra]=ec2 [walden]=vpc [intruder]=ec2)
outsider=192.0.2.66
zookeeper_address=192.0.2.10
registry=sqlite:$folder/registry.db
output='' errors='' status=0
[ -z "$zookeeper" ] || registry=zookeeper://$zookeeper_address:2181/neti

trap 'demo_failed "$?" "$LINENO"' EXIT

# --- the stage ------------------------------------------------------------------------------

write_settings() {
	cat >"$1.yml" <<YAML
registry: $registry
id: $1
network: ${network[$1]}
private_ip: ${private[$1]}
public_ip: ${public[$1]}
overlay_subnet: 192.168.0.0/18
reject_all: true
open_ports: [80]
state_dir: $folder/$1
YAML
	mkdir "$1"
}

# What somebody else has in this kernel already, and Neti must leave alone.
add_foreign_rules() {
	in_host "$1" bash -e <<'RULES'
ipset create office hash:net
ipset add office 192.0.2.128/25
ipset add office 172.16.0.0/12
iptables-legacy -A INPUT -p tcp --dport 9100 -m set --match-set office src -j ACCEPT
iptables-legacy -A INPUT -p tcp --dport 9100 -j DROP
iptables-legacy -t nat -A PREROUTING -p tcp --dport 8081 -j REDIRECT --to-ports 8080
ip6tables-legacy -A INPUT -p tcp --dport 9100 -j DROP
RULES
}

# Port 80 is open to everybody, 22 and 8080 are for members; each answers with the address
# that it sees its peer come from.
start_services() {
	local port
	for port in 22 80 8080; do
		start "$1" "$1-$port.log" \
			socat "TCP4-LISTEN:$port,fork,reuseaddr" "EXEC:$folder/answer"
	done
}

save_kernel() {
	in_host "$1" bash -c 'iptables-legacy-save; ip6tables-legacy-save; ipset save; nft list ruleset' |
		sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]/[0:0]/'
}

start_zookeeper() {
	mkdir zookeeper
	cat >zookeeper/zoo.cfg <<CFG
tickTime=2000
dataDir=$folder/zookeeper
clientPort=2181
clientPortAddress=$zookeeper_address
admin.enableServer=false
CFG
	cat >zookeeper/log4j.properties <<'CFG'
log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.SimpleLayout
CFG
	start internet zookeeper.log java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
		-cp "$folder/zookeeper:/usr/share/java/zookeeper.jar" \
		org.apache.zookeeper.server.quorum.QuorumPeerMain zookeeper/zoo.cfg
	within 60 "ZooKeeper does not serve on $zookeeper_address:2181" zookeeper_serves
}

# It accepts connections some time before it serves, and says its version only then.
zookeeper_serves() {
	echo srvr | in_host hudson socat -t2 - "TCP:$zookeeper_address:2181,connect-timeout=1" |
		grep '^Zookeeper version'
}

set_the_stage() {
	make_networks
	printf '#!/bin/sh\necho "%s"\n' "\$SOCAT_SOCKPORT sees \$SOCAT_PEERADDR" >answer
	chmod +x answer
	local host
	for host in "${hosts[@]}"; do
		write_settings "$host"
		add_foreign_rules "$host"
		start_services "$host"
		save_kernel "$host" >"$host.before"
	done
	[ -z "$zookeeper" ] || start_zookeeper
	within 5 "the services do not listen" services_listen
}

services_listen() {
	local host
	for host in "${hosts[@]}"; do
		[ "$(in_host "$host" ss -Hltn | wc -l)" -ge 3 ] || return 1
	done
}

# --- the acts -------------------------------------------------------------------------------

# One host asks another's port; what comes back is the address the other one sees.
ask() {
	show "$1" "socat -u TCP:$2:$3,connect-timeout=2 -"
}

arrives_from() {
	local from=$1 to=$2 expected=$3
	ask "$from" "${overlay[$to]}" 8080
	hold "$from's connection to $to (${overlay[$to]}) did not arrive from $expected" \
		[ "$output" = "8080 sees $expected" ]
}

act_before() {
	act "Before Neti: nothing keeps a stranger out"
	ask intruder "${private[hudson]}" 22
	hold "the intruder should still get in here" [ "$output" = "22 sees 10.0.0.66" ]
	ask outsider "${public[walden]}" 8080
	hold "the outsider should still get in here" [ "$output" = "8080 sees $outsider" ]
}

act_register() {
	local host
	act "Each host registers, and keeps its address when it registers again"
	for host in "${hosts[@]}"; do
		show "$host" "netictl -c $host.yml register"
		hold "$host got no overlay address in 192.168.0.0/18" is_overlay "$output"
		overlay[$host]=$output
	done
	for host in "${hosts[@]}"; do
		show "$host" "netictl -c $host.yml register"
		hold "$host registered again and got $output instead of ${overlay[$host]}" \
			[ "$output" = "${overlay[$host]}" ]
	done
	hold "two hosts share an overlay address" \
		[ "$(printf '%s\n' "${overlay[@]}" | sort -u | wc -l)" = 3 ]
	shown "three hosts registered; registered again, each kept its address"
}

is_overlay() {
	[[ $1 =~ ^192\.168\.([0-9]+)\.[0-9]+$ ]] && [ "${BASH_REMATCH[1]}" -lt 64 ]
}

start_agent() {
	show_started "$1" "netictl -c $1.yml run"
	agent[$1]=$!
}

# Whether this host's kernel leads an overlay address to that target.
kernel_leads() {
	local map
	map=$(in_host "$1" nft list map inet neti overlay) && grep -q "[[:blank:]]$2 : $3[ ,]" <<<"$map"
}

all_know_each_other() {
	kernel_leads hudson "${overlay[sierra]}" "${private[sierra]}" &&
		kernel_leads hudson "${overlay[walden]}" "${public[walden]}" &&
		kernel_leads sierra "${overlay[hudson]}" "${private[hudson]}" &&
		kernel_leads sierra "${overlay[walden]}" "${public[walden]}" &&
		kernel_leads walden "${overlay[hudson]}" "${public[hudson]}" &&
		kernel_leads walden "${overlay[sierra]}" "${public[sierra]}"
}

act_run() {
	local host since=$EPOCHREALTIME
	act "The agents run"
	for host in "${hosts[@]}"; do
		start_agent "$host"
	done
	within 20 "the three hosts' kernels do not lead to each other" all_know_each_other
	note "every kernel leads to every other host after $(seconds_since "$since") s"
	show hudson "netictl -c hudson.yml list"
	hold "netictl list failed" [ "$status" = 0 ]
	for host in "${hosts[@]}"; do
		show "$host" "netictl -c $host.yml verify"
		hold "netictl verify sees a drift on $host" [ "$status" = 0 ]
	done
}

act_connect() {
	act "One flat network: private address inside a network, public address across"
	arrives_from hudson sierra "${private[hudson]}"
	arrives_from hudson walden "${public[hudson]}"
	arrives_from walden sierra "${public[walden]}"
	arrives_from sierra hudson "${private[sierra]}"
	shown "hudson to sierra's overlay address arrives from hudson's private one"
	shown "hudson to walden's overlay address arrives from hudson's public one"
}

# Every TCP port of a host, tried by a stranger; several at once, since a refusal is a silence.
start_knocking() {
	knocks+=("$1 $2")
	start "$1" "knock.${#knocks[@]}" knock "$2"
	knockers+=($!)
}

act_strangers() {
	local from to n=0 line knocks=() knockers=()
	act "Strangers get in on open_ports, and hear nothing from any other of 65,535 ports"
	for to in "${private[hudson]}" "${private[sierra]}" "${public[walden]}"; do
		start_knocking intruder "$to"
	done
	for to in "${public[hudson]}" "${public[sierra]}" "${public[walden]}"; do
		start_knocking outsider "$to"
	done
	wait "${knockers[@]}" || true
	for line in "${knocks[@]}"; do
		n=$((n + 1))
		read -r from to <<<"$line"
		prompt "$from" "knock $to"
		output=$(cat "knock.$n") errors=
		print_output
		hold "$from should find port 80 open on $to, and nothing else" \
			[ "$output" = "open: 80, closed: 0, silent: 65534" ]
	done
	ask intruder "${private[sierra]}" 80
	hold "the intruder should be served on port 80" [ "$output" = "80 sees 10.0.0.66" ]
	ask outsider "${public[hudson]}" 8080
	hold "the outsider was not kept out" grep -q 'timed out' <<<"$errors"
	shown "intruder and outsider are refused on every port but open_ports"
}

kernel_forgot_walden() {
	! kernel_leads "$1" "${overlay[walden]}" "${public[walden]}" &&
		! in_host "$1" nft get element inet neti peers "{ ${public[walden]} }" >/dev/null 2>&1
}

act_leave() {
	local since took
	act "walden stops, and is gone from the others' kernels"
	since=$EPOCHREALTIME
	stop_agent walden
	within 15 "walden is still in hudson's kernel" kernel_forgot_walden hudson
	within 15 "walden is still in sierra's kernel" kernel_forgot_walden sierra
	took=$(seconds_since "$since")
	note "gone from both kernels after $took s"
	show hudson "nft list set inet neti peers | grep -c ${public[walden]}"
	show hudson "nft list map inet neti overlay | grep -c '${overlay[walden]} : '"
	hold "hudson's paths still name ${overlay[walden]}" [ "$output" = 0 ]
	since=$EPOCHREALTIME
	ask hudson "${overlay[walden]}" 8080
	hold "the connection to walden was not refused at once with No route to host" \
		grep -q 'No route to host' <<<"$errors"
	hold "the refusal took longer than a second" [ "$(milliseconds_since "$since")" -lt 1000 ]
	show walden "nft list chain inet neti input | sed -n 5,8p"
	hold "walden's own rules went with its agent" grep -q '@peers' <<<"$output"
	shown "walden stopped: out of the others' kernels after $took s, refused at once"
}

stop_agent() {
	show_stopped "$1" "kill -TERM ${agent[$1]}   # netictl run" "${agent[$1]}"
	hold "the agent of $1 ended with $status" [ "$status" = 0 ]
}

act_return() {
	act "walden comes back, with the same overlay address"
	start_agent walden
	within 15 "hudson's kernel does not lead to walden again" \
		kernel_leads hudson "${overlay[walden]}" "${public[walden]}"
	within 15 "walden's kernel does not let hudson in" \
		in_host walden nft get element inet neti peers "{ ${public[hudson]} }"
	show hudson "netictl -c hudson.yml lookup walden --field overlay"
	hold "walden came back as $output instead of ${overlay[walden]}" \
		[ "$output" = "${overlay[walden]}" ]
	arrives_from hudson walden "${public[hudson]}"
	shown "walden came back with the same overlay address, and traffic flows"
}

act_flush() {
	local host
	act "flush leaves each host exactly as it was"
	for host in "${hosts[@]}"; do
		stop_agent "$host"
		show "$host" "netictl -c $host.yml flush"
		hold "flush failed on $host" [ "$status" = 0 ]
		save_kernel "$host" >"$host.after"
		show "$host" "diff $host.before $host.after && echo no difference"
		hold "flush did not leave $host as it was" [ "$output" = "no difference" ]
	done
	note "compared: iptables-legacy-save, ip6tables-legacy-save (counters aside), ipset save, nft list ruleset"
	shown "flush left every host exactly as before, other people's rules untouched"
}

# --- the play -------------------------------------------------------------------------------

declare -A agent
mount -t tmpfs demo "$folder"
cd "$folder"
set_the_stage
print_map
act_before
act_register
act_run
act_connect
act_strangers
act_leave
act_return
act_flush
closing_table
trap - EXIT
