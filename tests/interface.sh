#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# netictl as a person at a terminal and as a script meet it: help, tables, colour, progress,
# completion, JSON of one documented shape, and the settings of the first system.
#
# Namespaces are named by suite_namespace; quoted commands are for other shells.
# shellcheck disable=SC2016,SC2154
source "${srcdir:-.}/tests/suite.sh"
netictl=$PWD/netictl
source_folder=$(cd "$srcdir" && pwd)
cd "$suite_folder" || exit
export XTABLES_LOCKFILE=$suite_folder/xtables.lock TERM=xterm
unset NO_COLOR

printf '%s\n' "registry: sqlite:$PWD/registry.db" "state_dir: $PWD/state" 'id: hudson' \
	'network: ec2' 'private_ip: 10.0.0.11' >hudson.yml
ctl() { "$netictl" -c hudson.yml "$@"; }
mapfile -t commands < <("$netictl" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')

# --- help ----------------------------------------------------------------------------------------

one_screen() {
	"$netictl" "$@" --help | awk 'length > 80 { bad = 1; print } END { exit bad || NR > 24 || NR < 3 }'
}
for command in "${commands[@]}"; do
	expect "$command --help fits one screen" one_screen "$command"
done
expect "--help fits 80 columns" bash -c '! "$1" --help | grep -E ".{81}"' . "$netictl"

# --- a terminal --------------------------------------------------------------------------------------

long=a-host-with-a-name-that-is-rather-long-for-a-column.example.com
ctl register --id "$long" >/dev/null
at_terminal() { # COLUMNS COMMAND…: what is seen there, without the carriage returns
	local columns=$1
	shift
	script -qec "stty cols $columns rows 24; $*" /dev/null </dev/null | tr -d '\r'
}
plain() { sed 's/\x1b\[[0-9;]*m//g'; }
fits() {
	at_terminal "$1" "$netictl" -c hudson.yml list --all | plain | tee seen |
		awk -v most="$1" 'length > most { bad = 1 } END { exit bad || NR != 2 }' ||
		{ cat seen && false; }
}
expect "a table is cut to 80 columns" fits 80
expect "what was cut says so" grep -q '^a-host-[a-z-]*~' seen
expect "a table is cut to 60 columns" fits 60
whole() { ctl list --all | grep -q "^$long  "; }
expect "elsewhere it is whole" whole
bold() { at_terminal 80 "$netictl" -c hudson.yml list --all | grep -q $'\x1b\[1mID'; }
expect "heads are bold on a terminal" bold
pale() { ! at_terminal 80 "$1" "$netictl" -c hudson.yml list --all | grep -q $'\x1b'; }
expect "not with NO_COLOR" pale NO_COLOR=1
expect "not on a dumb one" pale TERM=dumb
expect "not elsewhere" bash -c '! "$@" | grep -q "$(printf "\033")"' . "$netictl" -c hudson.yml list
waits_aloud() { # FILE COMMAND…
	local seen=$1
	shift
	at_terminal 80 timeout 2.5 "$netictl" -c hudson.yml \
		--registry zookeeper://127.0.0.1:1/neti "$@" >"$seen"
}
for command in 'register --id sierra' list 'lookup sierra' 'plan --text' report 'list --quiet'; do
	# shellcheck disable=SC2086 # words
	waits_aloud "waits.$command" $command &
	waiting+=($!)
done
wait "${waiting[@]}"
told() { cat "$1" && grep -q 'the registry, 1 s' "$1"; }
for command in 'register --id sierra' list 'lookup sierra' 'plan --text' report; do
	expect "a wait of over a second is told by $command" told "waits.$command"
done
untold() { ! told "$1"; }
expect "not with --quiet" untold 'waits.list --quiet'

# --- completion ----------------------------------------------------------------------------------------

# shellcheck source=/dev/null
source "$source_folder/completions/netictl.bash"
completes() { # WANTED WORD…: the last word is the one being typed
	local wanted=$1
	shift
	COMP_WORDS=("$netictl" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_netictl "$netictl"
	echo "${COMPREPLY[*]}"
	[ "${COMPREPLY[*]}" = "$wanted" ]
}
expect "bash: every command" completes "${commands[*]}" ''
expect "bash: a command by its beginning" completes 'register report release reclaim' 're'
expect "bash: a command after options" completes 'lookup' -c hudson.yml --json lo
expect "bash: a command's options" completes '--below' report --be
expect "bash: no other command's" completes '' list --fi
expect "bash: fields" completes 'private public' lookup --field p
expect "bash: verbs" completes 'show set' fleet s
expect "bash: keys of the fleet" completes 'max_removals max_removals_percent' fleet set max
expect "bash: keys of a new fleet" completes 'shards' fleet init max_removals 5 sh
expect "bash: no value of a key" completes '' fleet init shards ''
expect "bash: files" completes 'hudson.yml' -c hud
# Its function with a stand-in for what zsh does with the descriptions.
zsh_completes() {
	printf '%s\n' "$@" >wanted
	zsh -fc '_describe() { print -l ${${(P)2}%%:*} }
		file=$1; shift; words=("$@"); CURRENT=$#; . "$file"' . \
		"$source_folder/completions/_netictl" "$netictl" "${typed[@]}" '' | diff wanted -
}
if command -v zsh >/dev/null; then
	expect "zsh reads its file" zsh -n "$source_folder/completions/_netictl"
	typed=()
	expect "zsh: every command" zsh_completes "${commands[@]}"
	typed=(-c list --registry=x --registry lookup)
	expect "zsh: also behind options and their values" zsh_completes "${commands[@]}"
else
	skip "zsh is not installed"
fi

# --- settings of the first system ----------------------------------------------------------------------

old=$source_folder/tests/data/settings/first-system.yml
old_settings() {
	"$netictl" -c "$old" --registry "sqlite:$PWD/old.db" -v register --id hudson >out 2>err ||
		{ cat err && return 1; }
	cat out err
	for key in aws_key aws_secret_key log_file table_files_path zk_iptoid_node zk_idtoip_node \
		zk_ip_map_node zk_update_interval_path zk_max_change_threshold_path; do
		[ "$(grep -cE "first-system.yml:[0-9]+: $key means nothing any more: " err)" = 1 ] || return 1
	done
}
expect "the first system's settings load, each old key told once" old_settings
expect "no secret of theirs is repeated" bash -c '! grep -E "AKIA|not/a.secret" err'
overlay_counts() { grep -q '^192\.168\.' out; }
expect "their overlay subnet counts" overlay_counts

# --- JSON --------------------------------------------------------------------------------------------------

valid() { # DEFINITION FILE
	[ -s "$2" ] || return 1
	jq -r --slurpfile schema "$source_folder/schema/netictl.json" --arg name "$1" \
		-f "$source_folder/tests/schema.jq" "$2" >wrong || return 1
	cat wrong
	[ ! -s wrong ]
}
prints_valid() { # DEFINITION COMMAND…
	local name=$1
	shift
	"$@" >json
	valid "$name" json
}
echo '{"members": [{"id": 3, "colour": "red"}]}' >bad.json
sees_bad() { ! valid list bad.json && [ "$(wc -l <wrong)" = 9 ]; }
expect "the validator sees what is wrong" sees_bad
expect "register" prints_valid register ctl register --json
expect "reclaim" prints_valid reclaim ctl reclaim --older-than 30d --dry-run --json
expect "check without an agent" prints_valid check ctl check --json
expect "plan --text" prints_valid plan ctl plan --text --json
expect "list --all" prints_valid list ctl list --all --json
expect "lookup" prints_valid lookup ctl lookup "$long" --json
expect "fleet show" prints_valid fleet ctl fleet show --json
expect "report" prints_valid report ctl report --json --below 9 --inventory <(echo i-1)
expect "proxy status" prints_valid proxy ctl proxy status --listen 2181 --to 127.0.0.1:1 --json
if ! suite_namespace host; then
	skip "no network namespace for this user"
	suite_end
fi
sed 's/hudson/sierra/; s/\.11/.12/' hudson.yml >sierra.yml
"$netictl" -c hudson.yml watch --json >changes 2>/dev/null </dev/null &
watcher=$!
sleep 0.5
"${host[@]}" "$netictl" -c hudson.yml run 2>run.err </dev/null &
agent=$!
healthy() {
	local _
	for _ in $(seq 100); do
		ctl check >out && return
		sleep 0.1
	done
	cat out run.err
	return 1
}
expect "an agent for the rest" healthy
expect "list" prints_valid list ctl list --json
expect "status" prints_valid status ctl status --json
expect "check" prints_valid check ctl check --json
expect "plan" prints_valid plan "${host[@]}" "$netictl" -c hudson.yml plan --json
expect "verify" prints_valid verify "${host[@]}" "$netictl" -c hudson.yml verify --json
drift_in_json() {
	local status=0
	"${host[@]}" "$netictl" -c hudson.yml --json plan >json || status=$?
	cat json
	[ "$status" = 3 ] && valid plan json && jq -e '.changes | length > 0' json
}
kill -STOP "$agent" # it would mend that
"${host[@]}" nft flush chain inet neti paths
expect "plan that has changes" drift_in_json
kill -CONT "$agent"
nothing_to_print() {
	ctl register --id brief && ! ctl --json release brief | grep . && ! ctl lookup brief
}
expect "--json is no mistake where there is no result" nothing_to_print
expect "report of a live fleet" prints_valid report ctl report --json --below 9
expect "denied" prints_valid denied "${host[@]}" "$netictl" -c hudson.yml denied --json
for _ in $(seq 50); do [ ! -s changes ] || break; sleep 0.1; done
expect "watch" valid watch changes
kill "$agent" "$watcher"
wait "$agent" "$watcher"
suite_end
