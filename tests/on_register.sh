#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# on_register of a running agent, and the example that tags an instance.
#
# Namespaces are named by suite_namespace; the commands are for another shell.
# shellcheck disable=SC2016,SC2154
source "${srcdir:-.}/tests/suite.sh"
netictl=$PWD/netictl
example=$(cd "$srcdir" && pwd)/examples/tag-ec2-instance
cd "$suite_folder" || exit
export XTABLES_LOCKFILE=$suite_folder/xtables.lock
if ! suite_namespace host; then
	skip "no network namespace for this user"
	suite_end
fi

# An aws that only notes what it is asked to do.
mkdir bin
printf '#!/bin/sh\nprintf "%%s\\n" "$*" >>%s/asked\necho "tagged $4"\n' "$PWD" >bin/aws
chmod +x bin/aws
cat >hudson.yml <<YML
registry: sqlite:$PWD/registry.db
state_dir: $PWD/state
id: i-0a1b2c3d
network: ec2
private_ip: 10.0.0.11
on_register: $example
YML

asked() { # COUNT PATTERN
	local _
	for _ in $(seq 60); do
		[ "$(wc -l <asked)" = "$1" ] && grep -qE "$2" asked && return
		sleep 0.1
	done 2>/dev/null
	cat asked run.err
	return 1
}

PATH=$PWD/bin:$PATH "${host[@]}" "$netictl" -c hudson.yml run 2>run.err </dev/null &
agent=$!
expect "the instance is tagged once it has joined" asked 1 \
	'^ec2 create-tags --resources i-0a1b2c3d --tags Key=neti:overlay,Value=192\.168\.[0-9.]+ Key=neti:network,Value=ec2 Key=neti:version,Value=[0-9.]+$'
expect "its output is in the log" grep -q 'on_register: tagged i-0a1b2c3d' run.err
kill -HUP "$agent"
sleep 0.3
expect "settings read again without a change tag nothing" asked 1 .
sed -i 's/network: .*/network: vpc/' hudson.yml
kill -HUP "$agent"
expect "another network does" asked 2 'Key=neti:network,Value=vpc'
sed -i "s/on_register: .*/on_register: sh -c 'exit 7'/" hudson.yml
kill -HUP "$agent"
fails_loudly() {
	local _
	for _ in $(seq 50); do
		grep -q 'on_register: it failed with status 7; it is tried again in 60 s' run.err && return
		sleep 0.1
	done
	cat run.err
	return 1
}
expect "a failure is told" fails_loudly
expect "the agent goes on" "$netictl" -c hudson.yml status
kill "$agent"
wait "$agent"
suite_end
