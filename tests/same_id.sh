#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Agents with one id, as an operator meets them: a settings file that was copied, an agent that was
# killed and is started again, a copied folder.
#
# Namespaces are named by suite_namespace.
# shellcheck disable=SC2154
source "${srcdir:-.}/tests/suite.sh"
netictl=$PWD/netictl
cd "$suite_folder" || exit
export XTABLES_LOCKFILE=$suite_folder/xtables.lock

settings() { # NAME PRIVATE
	cat >"$1.yml" <<YML
registry: sqlite:$PWD/registry.db
state_dir: $PWD/$1
id: hudson
network: ec2
private_ip: $2
YML
}
settings first 10.0.0.11
settings second 10.0.0.11
settings third 10.0.0.13

for box in one two; do
	if ! suite_namespace "$box"; then
		skip "no network namespace for this user"
		suite_end
	fi
done
run() { # NAME COMMAND-PREFIX…
	local name=$1
	shift
	"$@" "$netictl" -c "$name.yml" run >/dev/null 2>"$name.err" </dev/null &
}
says() { # NAME STATUS PATTERN: becomes so within ten seconds
	local status _
	for _ in $(seq 100); do
		status=0
		"$netictl" -c "$1.yml" check >verdict 2>&1 || status=$?
		[ "$status" = "$2" ] && grep -qE -- "$3" verdict && return
		sleep 0.1
	done
	cat verdict "$1.err"
	return 1
}
end() { # PID
	kill "$1"
	wait "$1"
}
writes() { sqlite3 registry.db 'SELECT serial FROM counter'; }

run first "${one[@]}"
first=$!
expect "the first is well" says first 0 'OK: hudson is 192'
before=$(writes)
run second "${two[@]}"
second=$!
expect "the second is refused" says second 2 \
	'the id hudson and the same addresses: 192[0-9.]*/10.0.0.11//ec2/hudson; stop one'
expect "the first knows who wants its id" says first 2 \
	"another agent wants the id hudson and is refused: host $(hostname), private address 10.0.0.11"
sleep 5
few() { echo "$((after - before)) writes"; [ $((after - before)) -lt 20 ]; }
after=$(writes)
expect "they do not fight" few
end "$second"
run third "${two[@]}"
third=$!
expect "another with other addresses is refused" says third 2 'the id hudson: 192'
end "$third"

# A watcher sees all of what follows.
"$netictl" -c first.yml watch >changes 2>/dev/null &
watcher=$!
until [ -s changes ]; do sleep 0.1; done
inode=$(stat -c %i first/sessions)
kill -9 "$first"
wait "$first" 2>/dev/null
cp -r first copied
settings copied 10.0.0.11
sed -i 's/^private_ip.*/private_ip: 10.0.0.14/' copied.yml
run first "${one[@]}"
first=$!
at_once() {
	local _
	for _ in $(seq 30); do
		grep -q 'is in the fleet' first.err && return
		sleep 0.1
	done
	cat first.err
	return 1
}
expect "who was killed is back at once" at_once
expect "it is no twin of itself" says first 0 'OK: hudson is 192'
told() { # what an agent says comes a moment after its status
	local _
	for _ in $(seq 50); do
		grep -q "$1" "$2" && return
		sleep 0.1
	done
	return 1
}
calm() { ! grep -v '^[+]' changes && cat first.err && ! grep -q 'the id hudson' first.err; }
expect "and was never away" calm
expect "its sessions are kept" test "$inode" != "$(stat -c %i first/sessions)"
run copied "${two[@]}"
copied=$!
expect "a copied folder is another host" says copied 2 'the id hudson'
expect "and says why" told 'copied/sessions is ignored: it was copied from another folder' copied.err
end "$copied"
echo garbage >second/sessions
run second "${two[@]}"
second=$!
expect "a torn file is another host" says second 2 'the id hudson'
expect "and says so" told 'second/sessions is ignored: it is not a state file' second.err
end "$second"
kill "$watcher"
end "$first"
suite_end
