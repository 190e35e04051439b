#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every target of tests/fuzz over libFuzzer, two at a time. What was reached before is kept in the
# build tree and gone on from. A find is left in finds/ there: reduced with -minimize_crash=1 it
# becomes a file of tests/fuzz/corpus, which every run replays.
#
# usage: fuzz.sh TREE SECONDS
source "$(dirname "${BASH_SOURCE[0]}")/../tests/suite.sh"
tree=$1 seconds=$2
seeds=$(dirname "${BASH_SOURCE[0]}")/../tests/fuzz/corpus
mapfile -t targets < <(ls "$seeds")
finds=$tree/finds
mkdir -p "$finds"

# Its own words go nowhere: only libFuzzer's and the sanitizers' are read.
fuzz() {
	local target=$1 reached=$tree/reached/$1
	mkdir -p "$reached"
	nice "$tree/tests/fuzz/$target" -max_total_time="$seconds" -timeout=10 -max_len=4096 \
		-close_fd_mask=2 -print_final_stats=1 -artifact_prefix="$finds/$target-" \
		"$reached" "$seeds/$target" >"$suite_folder/$target" 2>&1
	echo $? >"$suite_folder/$target.status"
}

ended_well() {
	tail -n 40 "$suite_folder/$1"
	[ "$(cat "$suite_folder/$1.status")" = 0 ]
}

running=0
for target in "${targets[@]}"; do
	[ $((running++)) -lt 2 ] || wait -n
	fuzz "$target" &
done
wait
for target in "${targets[@]}"; do
	expect "$target: a find is in $finds" ended_well "$target"
	printf '%-12s %s\n' "$target" "$(grep -E '^(#|stat::number_of_executed)' \
		"$suite_folder/$target" | tail -n 2 | tr -s ' \n' ' ')"
done
suite_end
