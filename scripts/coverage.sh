#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the suites have run of each file of library and tool, from the counters of a tree built
# with --coverage. A file below the bar needs its reason in tests/uncovered; a reason that is no
# longer needed has to go.
#
# usage: coverage.sh TREE
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$here/tests/suite.sh"
lines=85 branches=70
figures=$suite_folder/figures # FILE LINES BRANCHES, in per cent

measure() {
	gcovr --root "$here" --object-directory "$1" --filter "$here/libneti/" --filter "$here/cli/" \
		--gcov-ignore-parse-errors --exclude-unreachable-branches --json-summary \
		--output "$suite_folder/summary" "$1" &&
		jq -r '(.files[] | "\(.filename) \(.line_percent) \(.branch_percent // 100)"),
			"all \(.line_percent) \(.branch_percent)"' "$suite_folder/summary" >"$figures" &&
		[ "$(wc -l <"$figures")" -gt 100 ]
}

# A reason where there is too little, and none where there is well enough: what lies between may
# differ from run to run.
is_explained() {
	local file=$1 below above reason
	read -r below above < <(awk -v l="$2" -v b="$3" -v lines="$lines" -v branches="$branches" \
		'BEGIN { print (l < lines || b < branches), (l >= lines + 5 && b >= branches + 5) }')
	reason=$(sed -n "s,^$file: ,,p" "$here/tests/uncovered")
	if [ "$below" = 1 ] && [ -z "$reason" ]; then
		echo "lines $2 %, branches $3 %: wants tests, or a reason in tests/uncovered"
		return 1
	fi
	if [ "$above" = 1 ] && [ -n "$reason" ]; then
		echo "lines $2 %, branches $3 %: its reason in tests/uncovered is out of date"
		return 1
	fi
}

exists() {
	local file missing=0
	while IFS=: read -r file _; do
		[ -e "$here/$file" ] || { echo "tests/uncovered: there is no $file" && missing=1; }
	done < <(grep -v '^#' "$here/tests/uncovered" | grep .)
	return "$missing"
}

expect "the counters can be read" measure "$1"
printf '%-48s%8s%10s\n' file 'lines %' 'branches %'
while read -r file l b; do
	printf '%-48s%8s%10s\n' "$file" "$l" "$b"
	[ "$file" = all ] || expect "$file" is_explained "$file" "$l" "$b"
done <"$figures"
expect "reasons are of files that there are" exists
suite_end
