# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the suites in shell share: tests by name, skips with a reason, and the closing count that
# ./dev check adds up. Sourced; run from the build folder, with srcdir set.
#
# CASE: only the tests with these words in their names are judged. Most suites are a story, in which
# a test needs what those before it did: there the others are run all the same, and not counted.
# Where each stands alone (suite_of_single_tests) they are not run.
set -uo pipefail
export LC_ALL=C.UTF-8
srcdir=${srcdir:-.}
suite_case=${CASE-} suite_names='' suite_single=
suite_passed=0 suite_failed=0 suite_skipped=0
suite_folder=$(mktemp -d "${TMPDIR:-/tmp}/neti-suite-XXXXXX")
# Not by a child that is ended before it has become its program: it has these traps, too.
trap '[ "$BASHPID" != $$ ] || rm -rf "$suite_folder"' EXIT
trap 'exit 1' HUP INT TERM

suite_of_single_tests() {
	suite_single=yes
}

# Whether CASE leaves this one out. One that others build upon is run, and its failure told.
suite_leaves_out() {
	local name=$1
	shift
	suite_names+="${suite_names:+, }$name"
	[[ $name != *"$suite_case"* ]] || return
	[ -n "$suite_single" ] || "$@" >"$suite_folder/expect" 2>&1 ||
		printf 'failed, not counted: %s\n' "$name"
}

# expect NAME COMMAND…: one test, which passes when the command succeeds.
expect() {
	local name=$1
	! suite_leaves_out "$@" || return 0
	shift
	if "$@" >"$suite_folder/expect" 2>&1; then
		suite_passed=$((suite_passed + 1))
		return
	fi
	suite_failed=$((suite_failed + 1))
	printf 'failed: %s\n' "$name"
	sed 's/^/  /' "$suite_folder/expect"
}

# The reason alone is what tests/allowed-skips knows it by.
skip() {
	suite_skipped=$((suite_skipped + 1))
	printf 'skipped: %s\n' "$1"
}

suite_end() {
	if [ -n "$suite_names" ] && [ $((suite_passed + suite_failed)) = 0 ]; then
		printf '%s has no test with "%s" in its name; they are: %s\n' "$0" "$suite_case" "$suite_names"
		exit 1
	fi
	printf '%d passed, %d failed, %d skipped\n' "$suite_passed" "$suite_failed" "$suite_skipped"
	[ "$suite_failed" = 0 ] && [ $((suite_passed + suite_skipped)) -gt 0 ]
	exit
}

# suite_namespace NAME: sets NAME to a command prefix that runs in a fresh network namespace with
# loopback up; the namespace goes with this script. False where none can be made. An ordinary
# user's all belong to one user namespace, the first one's, so that they can be cabled together.
suite_user=()
suite_namespace() {
	local box=(unshare --net) fifo=$suite_folder/hold-$1 holder=$suite_folder/holder-$1
	if [ ${#suite_user[@]} -gt 0 ]; then
		box=(nsenter "${suite_user[@]}" "${box[@]}")
	elif [ "$(id -u)" != 0 ]; then
		box=(unshare --user --map-root-user "${box[@]}")
	fi
	"${box[@]}" true 2>/dev/null || return
	mkfifo "$fifo"
	# shellcheck disable=SC2016
	"${box[@]}" sh -c 'ip link set lo up; echo $$ >"$1.new"; mv "$1.new" "$1"; exec cat "$2"' . \
		"$holder" "$fifo" &
	# shellcheck disable=SC2034
	exec {suite_held}>"$fifo"
	until [ -s "$holder" ]; do sleep 0.02; done
	if [ "$(id -u)" != 0 ] && [ ${#suite_user[@]} = 0 ]; then
		suite_user=("--user=/proc/$(cat "$holder")/ns/user" --preserve-credentials)
	fi
	eval "$1=(nsenter --net=/proc/$(cat "$holder")/ns/net ${suite_user[*]})"
}
