#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The three parts together: an agent in ec2, a proxy in ec2, a real ZooKeeper in vpc, which has
# no route to the agent.
#
# Namespaces are named by suite_namespace; quoted commands are for other shells.
# shellcheck disable=SC2016,SC2154
source "${srcdir:-.}/tests/suite.sh"
netictl=$PWD/netictl
cd "$suite_folder" || exit
export XTABLES_LOCKFILE=$suite_folder/xtables.lock
jar=/usr/share/java/zookeeper.jar
if ! suite_namespace proxy; then
	skip "no network namespace for this user"
	suite_end
fi
if [ ! -r "$jar" ] || ! command -v java >/dev/null; then
	skip "zookeeper or java is not installed"
	suite_end
fi

suite_namespace agent
suite_namespace server
agent_pid=$(cat holder-agent) server_pid=$(cat holder-server)
"${proxy[@]}" ip link add eth0 type veth peer name eth0 netns "$agent_pid"
"${proxy[@]}" ip link add eth1 type veth peer name eth0 netns "$server_pid"
"${proxy[@]}" sh -c 'ip address add 10.0.0.1/24 dev eth0; ip link set eth0 up
	ip address add 172.16.0.1/24 dev eth1; ip link set eth1 up'
"${agent[@]}" sh -c 'ip address add 10.0.0.11/24 dev eth0; ip link set eth0 up
	ip route add default via 10.0.0.1'
"${server[@]}" sh -c 'ip address add 172.16.0.5/24 dev eth0; ip link set eth0 up'

zookeeper() { # MAX-CONNECTIONS
	printf '%s\n' tickTime=200 "dataDir=$PWD/data" clientPort=2181 \
		clientPortAddress=172.16.0.5 "maxClientCnxns=$1" forceSync=no \
		admin.enableServer=false >zoo.cfg
	"${server[@]}" java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
		-Dzookeeper.admin.enableServer=false -Dzookeeper.jmx.log4j.disable=true -cp "$jar" \
		org.apache.zookeeper.server.ZooKeeperServerMain zoo.cfg >zookeeper.log 2>&1 </dev/null &
	java=$!
	for _ in $(seq 300); do
		echo srvr | "${server[@]}" timeout 1 socat -t1 - TCP:172.16.0.5:2181 |
			grep -q '^Zookeeper version' && return
		sleep 0.1
	done
	cat zookeeper.log
	return 1
}
cat >agent.yml <<YML
zk_hosts:
  ec2: [10.0.0.1:2181]
  vpc: [172.16.0.5:2181]
state_dir: $PWD/agent
id: hudson
network: ec2
private_ip: 10.0.0.11
YML
cat >proxy.yml <<YML
listen: 2181
to: [172.16.0.5:2181]
YML
ctl() { "${proxy[@]}" timeout 20 "$netictl" -c proxy.yml proxy "$@"; }
says() { # STATUS PATTERN COMMAND…
	local expected=$1 pattern=$2 status=0
	shift 2
	"$@" >out 2>&1 || status=$?
	cat out
	[ "$status" = "$expected" ] && grep -qE -- "$pattern" out
}
reaches() { "${agent[@]}" timeout 5 socat -u "TCP:${1-10.0.0.1:2181},connect-timeout=2" - </dev/null; }
saved() { "${proxy[@]}" iptables-legacy-save | grep -v '^#' | sed 's/\[[0-9:]*\]//'; }

expect "a proxy needs a port" says 2 'proxy needs listen' "$netictl" -c agent.yml proxy apply
expect "and servers" says 2 'proxy needs to' "$netictl" -c agent.yml proxy apply --listen 2181
expect "a bad server" says 2 'to: .*nonsense' ctl apply --to nonsense
expect "an unknown verb" says 2 'proxy has no "frob"' ctl frob
expect "a name that is none" says 1 'no-such-host.invalid has no IPv4' \
	ctl apply --to no-such-host.invalid:2181
expect "nothing listens yet" says 1 'not applied' ctl status
expect "the server comes up" zookeeper 60
expect "without the proxy the agent does not reach it" bash -c '! "$@"' . \
	"${agent[@]}" socat -u TCP:10.0.0.1:2181,connect-timeout=2 -

# Somebody else's rules and policy, which must stay and must not be in the way.
"${proxy[@]}" iptables-legacy -A FORWARD -p udp -j DROP
"${proxy[@]}" iptables-legacy -P FORWARD DROP
"${proxy[@]}" iptables-legacy -t nat -A PREROUTING -p tcp --dport 9999 -j REDIRECT
saved >before
expect "apply switches forwarding on" says 0 'IPv4 forwarding was off' ctl apply
saved >applied
expect "apply again" says 0 'forwarded to 1 servers' ctl apply
saved >again
expect "it changes nothing" diff applied again
expect "status shows the server's health" says 0 \
	'^172.16.0.5:2181 +healthy, standalone, [0-9]+ connections' ctl status
status_is_json() {
	ctl --json status | jq -e '.listen == 2181 and .applied and .targets[0].healthy'
}
expect "status --json" status_is_json

# The agent's own way: only the proxy's address is in its settings for its network.
"${agent[@]}" "$netictl" -c agent.yml run 2>run.err </dev/null &
hudson=$!
joined() {
	for _ in $(seq 100); do
		"${agent[@]}" "$netictl" -c agent.yml list --json >out 2>run.list
		jq -e '.members[0].id == "hudson"' out && return
		sleep 0.1
	done
	cat out run.err run.list
	return 1
}
expect "the agent joins through the proxy" joined
from_the_proxy() {
	"${server[@]}" ss -Htn state established sport = :2181 >connections
	cat connections
	grep -qF '172.16.0.1]' connections
}
expect "the server sees the proxy's address" from_the_proxy
kill "$hudson"
wait "$hudson"

expect "the proxy's own host uses it too" says 0 '"members"' "${proxy[@]}" "$netictl" \
	--registry zookeeper://10.0.0.1:2181/neti list --json
"${agent[@]}" ip address add 203.0.113.9/32 dev lo
"${proxy[@]}" ip route add 203.0.113.9/32 via 10.0.0.11
stranger_is_kept_out() {
	! "${agent[@]}" socat -u TCP:10.0.0.1:2181,bind=203.0.113.9,connect-timeout=2 - </dev/null
}
expect "an address that is not private is not led on" stranger_is_kept_out

# maxClientCnxns: behind the proxy all are one client.
kill "$java"
wait "$java"
expect "the server with a limit of three" zookeeper 3
for n in 1 2 3; do
	"${agent[@]}" socat -u TCP:10.0.0.1:2181 - >/dev/null 2>&1 </dev/null &
	eval "held$n=$!"
done
limit_is_told() {
	for _ in $(seq 30); do
		says 1 'maxClientCnxns' ctl status && return
		sleep 0.1
	done
	return 1
}
expect "status says when the limit is reached" limit_is_told
kill "$held1" "$held2" "$held3"

expect "one server of two that is away" says 0 '^172.16.0.6:2181 +(No route|Connection timed|Host is)' \
	ctl status --to 172.16.0.5:2181,172.16.0.6:2181
expect "two servers share" says 0 'forwarded to 2 servers' ctl apply --to 172.16.0.5:2181,172.16.0.6:2181
shares() { saved | grep -q -- '--probability 0.5.* --to-destination 172.16.0.5:2181'; }
expect "by halves" shares
expect "flush" says 0 "all of the proxy's rules are gone" ctl flush
saved >after
expect "nothing else is touched" diff before after
expect "flush again" says 0 'no rules of the proxy' ctl flush
kill "$java"
suite_end
