#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# All that CI runs, and the count at the end. Started by `./dev check`, which gives it a process
# namespace: nothing that a test leaves behind outlives this script.
#
# usage: check.sh FOLDER [--deep|--packages]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
source scripts/stage.sh
folder=$1
deep=${2-}
if [ "$deep" = --deep ]; then
	export NETI_TEST_DEEP=1 # the fault tests go on for longer
fi
jobs=$(nproc)
chmod 755 "$folder" # some tests are somebody else
export TMPDIR=$folder # what a test that was killed leaves goes with it
passed=0 failed=0 skipped=0 unexpected=0

# --- counting -------------------------------------------------------------------------------

# A suite's closing count; one without it (killed, crashed, never started) has failed once.
count_suite() {
	local log=$1 result=$2 count
	local pattern='^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$'
	count=$(grep -E "$pattern" "$log" | tail -n 1) || count=
	if ! [[ $count =~ $pattern ]]; then
		suite_failed=1
		failed=$((failed + 1))
		return
	fi
	passed=$((passed + BASH_REMATCH[1]))
	failed=$((failed + BASH_REMATCH[2]))
	skipped=$((skipped + BASH_REMATCH[3]))
	suite_failed=${BASH_REMATCH[2]}
	case $result in
	PASS | SKIP) ;;
	*)
		[ "$suite_failed" -gt 0 ] || failed=$((failed + 1))
		suite_failed=1
		;;
	esac
}

# A skip is a failure unless its reason is on the list.
judge_skips() {
	local log=$1 label=$2 reason
	while IFS= read -r reason; do
		if ! grep -v '^#' tests/allowed-skips | grep -qxF -- "$reason"; then
			printf '  %s: not on tests/allowed-skips: %s\n' "$label" "$reason"
			unexpected=$((unexpected + 1))
		fi
	done < <(sed -n 's/^skipped: //p' "$log")
}

# Adds up the suites of one run, and shows the logs of those that failed.
count_run() {
	local tree=$1 trs log result suite_failed n=0
	for trs in "$tree"/tests/*.trs; do
		[ -e "$trs" ] || continue
		n=$((n + 1))
		log=${trs%.trs}.log
		[ -e "$log" ] || log=/dev/null
		result=$(sed -n 's/^:global-test-result: //p' "$trs")
		count_suite "$log" "$result"
		judge_skips "$log" "${log#"$PWD"/}"
		if [ "$suite_failed" != 0 ]; then
			printf -- '--- %s\n' "$log"
			tail -n 200 "$log"
		fi
	done
	if [ "$n" = 0 ]; then
		printf '  %s: no suite has run\n' "$tree"
		failed=$((failed + 1))
	fi
}

# --- stages ---------------------------------------------------------------------------------

# What has to work before anything else can.
needed() {
	stage "$@" && return
	tail -n 60 "$log"
	failed=$((failed + 1))
	finish
}

finish() {
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" = 0 ] && [ "$unexpected" = 0 ] && exit 0
	exit 1
}

# run_suites WORDS TREE [MAKE'S ARGUMENT…]. The suites' own counts say what failed; make's verdict
# counts when they do not.
run_suites() {
	local words=$1 tree=$2 before=$failed
	find "$tree/tests" -name '*.trs' -delete
	if stage "$words" make -C "$tree" -k -j"$jobs" check "${@:3}"; then
		count_run "$tree"
	else
		count_run "$tree"
		if [ "$failed" = "$before" ]; then
			tail -n 60 "$log"
			failed=$((failed + 1))
		fi
	fi
}

# --- the tarball, as an ordinary user -----------------------------------------------------------

# As nobody in particular when this is root; the tests then make user namespaces.
as_user() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
			env HOME="$folder/user" TMPDIR="$folder/user/tmp" USER=nobody "$@"
	else
		"$@"
	fi
}

# No errexit inside a stage: each step has its &&.
unpack_for_user() {
	rm -f build/gcc/neti-*.tar.xz
	mkdir -p "$folder/user/tmp" "$folder/user/logs" &&
		make -C build/gcc dist &&
		tar -C "$folder/user" -xf build/gcc/neti-*.tar.xz --strip-components=1 &&
		{ [ "$(id -u)" != 0 ] || chown -R 65534:65534 "$folder/user"; }
}

distcheck() {
	cd "$folder/user" &&
		as_user ./configure &&
		as_user env NETI_KEEP_LOGS="$folder/user/logs" make -j"$jobs" distcheck \
			DISTCHECK_CONFIGURE_FLAGS=--enable-werror
}

check_tarball() {
	local before=$failed tree
	needed "make dist" unpack_for_user
	if stage "make distcheck as an ordinary user" distcheck; then
		passed=$((passed + 1))
		count_run "$folder/user/logs"
		return
	fi
	# What is left of a distcheck that failed.
	tree=$(echo "$folder"/user/neti-*/_build/sub)
	[ ! -d "$tree/tests" ] || count_run "$tree"
	if [ "$failed" = "$before" ]; then
		tail -n 60 "$log"
		failed=$((failed + 1))
	fi
}

# --- what the packages do on a machine -------------------------------------------------------------

# A script that is no suite of the build tree's, with the arguments it needs.
run_alone() {
	local words=$1 result=PASS suite_failed
	shift
	stage "$words" bash "$@" || result=FAIL
	count_suite "$log" "$result"
	judge_skips "$log" "$1"
	[ "$suite_failed" = 0 ] || tail -n 200 "$log"
}

check_packages() {
	needed "Debian packages, and lintian" ./dev deb
	run_alone "packages: install, boot, upgrade under traffic, purge" tests/packages.sh build/deb
	run_alone "the Ansible role, run twice" tests/role.sh build/deb
}

# --- the whole ----------------------------------------------------------------------------------

start=$EPOCHREALTIME
if [ "$deep" = --packages ]; then
	check_packages
	finish
fi
needed "build with gcc, warnings are errors" ./dev build gcc --enable-werror
needed "build with clang, warnings are errors" ./dev build clang --enable-werror
run_suites "all suites, gcc" build/gcc
run_suites "all suites, clang" build/clang
check_tarball
if [ "$deep" = --deep ]; then
	needed "build with the sanitizers" ./dev build sanitized
	run_suites "all suites under the sanitizers" build/sanitized
	check_packages
fi
printf '%-60s%6s s\n' "all of it" "$(seconds_since "$start")"
finish
