#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# identity: ec2 against a metadata service that speaks the real one's protocol, in a namespace.
#
# Namespaces are named by suite_namespace.
# shellcheck disable=SC2154
source "${srcdir:-.}/tests/suite.sh"
netictl=$PWD/netictl server=$PWD/tests/metadata_server
cd "$suite_folder" || exit
export XTABLES_LOCKFILE=$suite_folder/xtables.lock
if ! suite_namespace host; then
	skip "no network namespace for this user"
	suite_end
fi

cat >neti.yml <<YML
registry: sqlite:$PWD/registry.db
state_dir: $PWD/state
identity: ec2
YML
printf '%s
' 'identity: ec2' 'zk_hosts: {ec2: ["127.0.0.1:1"], lab: ["127.0.0.1:1"]}' >ec2.yml
printf '%s
' 'identity: ec2' 'zk_hosts: {vpc: ["127.0.0.1:1"], lab: ["127.0.0.1:1"]}' >vpc.yml

know() { printf '%s' "$2" >"service/$1"; }
know_all() {
	rm -rf service/*
	know token AQAEAHh2Xk-_J6f==
	know instance-id i-0a1b2c3d4e5f60718
	know local-ipv4 172.31.5.9
	know public-ipv4 198.51.100.9
	know mac 0a:1b:2c:3d:4e:5f
	know vpc-id vpc-0123456789
}
ctl() { http_proxy=http://127.0.0.1:9/ "${host[@]}" timeout 20 "$netictl" -c "${config:-neti.yml}" "$@"; }
refused() { # PATTERN COMMAND…
	local pattern=$1 status=0
	shift
	ctl "$@" >out 2>err || status=$?
	cat out err
	[ "$status" = 1 ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ] && grep -qE -- "$pattern" err
}

no_servers_for() {
	local status=0
	ctl list >out 2>err || status=$?
	cat err
	[ "$status" = 2 ] && grep -q "no servers for network \"$1\"" err
}

service='metadata service \(169\.254\.169\.254\)'
expect "no metadata service at all" refused "$service (cannot be reached|gave no token)" register
"${host[@]}" ip address add 169.254.169.254/32 dev lo
expect "nobody listens there" refused "$service cannot be reached.*identity: host" register
mkdir service
know_all
coproc server { exec "${host[@]}" "$server" service; }
# shellcheck disable=SC2034
read -r -u "${server[0]}" ready
expect "the lease is that of the instance" ctl register
is_leased() { ctl list --all --json | jq -e '.members[0].id == "i-0a1b2c3d4e5f60718"'; }
expect "its id is the instance's" is_leased

know forgets once
forgotten() { ctl register && [ ! -e service/forgets ]; }
expect "a token that was forgotten is renewed" forgotten

know token '!403'
expect "the service is switched off" refused "$service is switched off for this instance \(403\)" \
	register
know_all
know local-ipv4 '!401'
expect "it refuses the token" refused "$service refuses its own token \(401\).*local-ipv4" register
know_all
rm service/instance-id
expect "something is missing" refused "$service knows no instance-id \(404\)" register
know_all
know mac '!500'
expect "it is broken" refused "$service answered 500, asked for mac" register
know_all
know local-ipv4 '10.1.2'
expect "nonsense for an address" refused "$service returned an invalid local-ipv4" register
know_all
know instance-id 'i-1 or so'
expect "nonsense for an id" refused "$service returned an invalid instance-id" register
know_all
know local-ipv4 '!slow'
quick() {
	local since=$SECONDS
	refused "$service gave no local-ipv4 within 2 s" register && [ $((SECONDS - since)) -le 4 ]
}
expect "it is slow" quick
know_all

config=ec2.yml
expect "an instance in a VPC is of network vpc" no_servers_for vpc
config=vpc.yml
rm service/vpc-id
expect "one outside is of network ec2" no_servers_for ec2
config=neti.yml
know_all

# A member, and what becomes of it when its addresses change.
"${host[@]}" "$netictl" -c neti.yml run 2>run.err </dev/null &
agent=$!
member_is() { # JQ-FILTER
	local _
	for _ in $(seq 60); do
		ctl list --json >out
		jq -e ".members[0] | $1" out >/dev/null && return
		sleep 0.1
	done
	cat out run.err
	return 1
}
expect "the member has what the service says" member_is '.network == "vpc" and
	.private == "172.31.5.9" and .public == "198.51.100.9"'
overlay=$(jq -r '.members[0].overlay' out)
know public-ipv4 203.0.113.77
kill -HUP "$agent"
expect "HUP asks again, and the member moves" member_is ".public == \"203.0.113.77\" and
	.overlay == \"$overlay\""
rm service/public-ipv4
kill -HUP "$agent"
expect "without a public address it stays a member" member_is \
	".public == \"\" and .private == \"172.31.5.9\" and .overlay == \"$overlay\""
know token '!403'
kill -HUP "$agent"
says_so() {
	local _
	for _ in $(seq 50); do
		grep -q 'not reloaded.*switched off' run.err && return
		sleep 0.1
	done
	cat run.err
	return 1
}
expect "when it cannot be asked all stays as it is" says_so
expect "and the member too" member_is '.private == "172.31.5.9"'
kill "$agent"
wait "$agent"

# What is set is not asked for.
cat >>neti.yml <<YML
id: sierra
network: ec2
private_ip: 10.0.0.12
public_ip: 198.51.100.12
YML
expect "nothing is asked when all is set" ctl register
kill "$server_PID"
suite_end
