# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How the demonstration talks: commands as typed, their output, what must hold, and the table
# at the end. Sourced by demo.sh.

bold='' green='' red='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
	bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
fi
shown=()

act() {
	printf '\n%s== %s%s\n' "$bold" "$1" "$plain"
}

prompt() {
	printf '%s%s#%s %s\n' "$bold" "$1" "$plain" "$2"
}

note() {
	printf '  %s(%s)%s\n' "$dim" "$1" "$plain"
}

print_output() {
	local text
	for text in "$output" "$errors"; do
		[ -z "$text" ] || printf '%s\n' "$text" | sed 's/^/  /'
	done
}

# Types a command on a host; leaves its output, its errors and its exit status behind: what a
# command gives is a value, and what its libraries have to say is none.
show() {
	prompt "$1" "$2"
	status=0
	output=$(in_host "$1" bash -c "$2" 2>"$folder/errors") || status=$?
	errors=$(<"$folder/errors")
	print_output
}

# Starts something that stays, without words; $! is its process.
start() {
	local host=$1 log=$2
	shift 2
	XTABLES_LOCKFILE=$folder/$host.lock nsenter --net="/run/netns/$host" "$@" \
		>"$log" 2>&1 </dev/null &
}

show_started() {
	prompt "$1" "$2 &"
	# shellcheck disable=SC2086 # the command's words
	start "$1" "$1.log" $2
}

# host, words, process
show_stopped() {
	prompt "$1" "$2"
	kill -TERM "$3"
	status=0
	wait "$3" || status=$?
}

# within SECONDS SENTENCE COMMAND…: tries until it succeeds, or says the sentence and ends.
within() {
	local seconds=$1 sentence=$2 since=$EPOCHREALTIME
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$(milliseconds_since "$since")" -lt $((seconds * 1000)) ] ||
			broken "$sentence, after $seconds s"
		sleep 0.1
	done
}

# hold SENTENCE COMMAND…: the sentence is said, and the demonstration ends, when it fails.
hold() {
	local sentence=$1
	shift
	"$@" || broken "$sentence"
}

broken() {
	trap - EXIT
	printf '\n%sDOES NOT HOLD:%s %s\n' "$red" "$plain" "$1"
	print_logs
	exit 1
}

# Only for what was not foreseen: a command of the demonstration itself that failed.
demo_failed() {
	[ "$1" != 0 ] || return 0
	printf '\n%sthe demonstration itself failed%s in line %s (exit %s)\n' "$red" "$plain" "$2" "$1"
	print_logs
}

print_logs() {
	local log
	for log in "$folder"/{hudson,sierra,walden,zookeeper}.log; do
		[ -s "$log" ] || continue
		printf -- '--- the last lines of %s\n' "${log##*/}"
		tail -n 15 "$log"
	done
}

shown() {
	shown+=("$1")
}

closing_table() {
	local line
	printf '\n%s== Shown in %s s%s\n' "$bold" "$(seconds_since "$started")" "$plain"
	for line in "${shown[@]}"; do
		printf '  %-76s %sok%s\n' "$line" "$green" "$plain"
	done
}
