# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Stages with their durations: sourced by ./dev, scripts/check.sh and the demonstration.

export LC_ALL=C.UTF-8

milliseconds_since() {
	printf '%d' $(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 1000))
}

seconds_since() {
	local milliseconds
	milliseconds=$(milliseconds_since "$1")
	printf '%d.%d' $((milliseconds / 1000)) $((milliseconds % 1000 / 100))
}

stage_job=

# stage WORDS COMMAND…: one line with what it took; the command's output goes to $log, its status
# is returned. It gets a process group, so that stage_end can end it with all it started.
stage() {
	local words=$1 name=${1//[ \/,]/-} since=$EPOCHREALTIME status=0
	shift
	log=$root/build/log/${name:0:40}.log
	mkdir -p "${log%/*}"
	printf '%-60s' "$words" >&2
	set -m
	"$@" >"$log" 2>&1 </dev/null &
	stage_job=$!
	set +m
	wait "$stage_job" || status=$?
	stage_job=
	printf '%6s s%s\n' "$(seconds_since "$since")" "$([ $status = 0 ] || echo '  failed')" >&2
	return $status
}

stage_end() {
	[ -z "$stage_job" ] || kill -TERM -- "-$stage_job" 2>/dev/null || true
}
