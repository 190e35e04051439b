#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# All that CI runs, and the count at the end. Started by `./dev check`, which gives it a process
# namespace: nothing that a test leaves behind outlives this script.
#
# usage: check.sh FOLDER [--deep|--packages|--fresh RELEASE…|--kernels RELEASE…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
source scripts/stage.sh
source scripts/fresh.sh
source scripts/kernels.sh
folder=$1
deep=${2-}
if [ "$deep" = --deep ]; then
	export NETI_TEST_DEEP=1 # the fault tests go on for longer
fi
jobs=$((3 * $(nproc))) # most suites wait for most of their time
fuzz_seconds=${NETI_FUZZ_SECONDS-600}
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

# What computes or waits for long, or reads nothing but sources: another compiler and another user
# change nothing in them, so that, unless everything is wanted, they run with gcc alone.
once=(tests/answers tests/chaos tests/chaos_kernel tests/faults tests/faults_agents
	tests/faults_guard tests/fleet_random tests/growth tests/idle tests/leases tests/outages
	tests/packets tests/prober tests/reclaim tests/help.sh tests/lint.sh tests/manuals.sh
	tests/readme.sh tests/reports.sh tests/unwell.sh)
built=(tests/archive.sh tests/consumer.sh) # once a compiler

# suites_without SUITE…: the names of the others, for make.
suites_without() {
	make -s --no-print-directory -C build/gcc suites | tr ' ' '\n' |
		grep -vxF "$(printf '%s\n' "${@-none}")" | paste -sd' '
}

# Each tool that reads the sources is one test.
judge() {
	if stage "$1" bash scripts/analyse.sh "$2"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		tail -n 60 "$log"
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
			DISTCHECK_CONFIGURE_FLAGS=--enable-werror "$@"
}

# check_tarball [MAKE'S ARGUMENT…]
check_tarball() {
	local before=$failed tree
	needed "make dist" unpack_for_user
	if stage "make distcheck as an ordinary user" distcheck "$@"; then
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

# --- what takes long ------------------------------------------------------------------------------

# Where threads of ours and of the stores' clients meet. Not chaos: its allocator is its own.
threaded=(tests/agent tests/api tests/conntrack tests/drift tests/faults tests/faults_agents
	tests/faults_guard tests/guest tests/iptables tests/layout tests/leases tests/membership tests/outages
	tests/reclaim tests/stores)

# Addresses are not spread: with more bits than the thread sanitizer knows it does not start.
check_threads() {
	needed "build with the thread sanitizer" ./dev build threads
	export TSAN_OPTIONS=suppressions=$root/tests/threads.supp
	run_suites "suites with threads, thread sanitizer" build/threads TESTS="${threaded[*]}" \
		LOG_COMPILER="setarch -R"
	unset TSAN_OPTIONS
}

# In one process, as Check runs a suite without forks: what a test leaves behind is seen. Not those
# that measure time or memory (agent, guest, hook, packets), have their own allocator (chaos), or
# let fifty processes race (layout, leases): the machine would be too slow for their deadlines.
together=(tests/address tests/api tests/conntrack tests/drift tests/duration tests/entry tests/file
	tests/fill tests/fleet tests/fleet_guard tests/fleet_random tests/fleet_settings
	tests/identity tests/iptables tests/iptables_lock tests/membership tests/neighbours
	tests/opening tests/outages tests/render tests/ruleset tests/settings
	tests/settings_bad tests/settings_hard tests/settings_manual tests/state tests/stores)
# Tests that give up rights, or leave a machine changed: each has a process of its own.
apart=(tests/engine tests/faults tests/faults_agents tests/faults_guard)
memcheck=(valgrind --quiet --leak-check=full --error-exitcode=9
	"--errors-for-leak-kinds=definite,indirect,possible")

check_memory() {
	local corpus
	for corpus in tests/fuzz/corpus/*; do
		together+=("tests/corpus_${corpus##*/}")
	done
	export CK_TIMEOUT_MULTIPLIER=10
	run_suites "suites under valgrind, a process each" build/gcc TESTS="${together[*]}" \
		LOG_COMPILER="env CK_FORK=no ${memcheck[*]}"
	run_suites "suites under valgrind, a process a test" build/gcc TESTS="${apart[*]}" \
		LOG_COMPILER="${memcheck[*]}"
	unset CK_TIMEOUT_MULTIPLIER
}

check_coverage() {
	needed "build with counters" ./dev build covered
	find build/covered -name '*.gcda' -delete
	build/covered/netictl --version >/dev/null # makes the files that count
	chmod -R a+rwX build/covered		   # some tests are somebody else, and count too
	run_suites "all suites, counted by lines and branches" build/covered
	run_alone "coverage by files" scripts/coverage.sh build/covered
	sed '/ passed, /d' "$log"
}

check_fuzz() {
	needed "build with libFuzzer" ./dev build fuzzed
	needed "fuzz targets" make -C build/fuzzed -j"$jobs" fuzzers LDFLAGS=-fsanitize=fuzzer
	run_alone "fuzz targets, $fuzz_seconds s each" scripts/fuzz.sh build/fuzzed "$fuzz_seconds"
}

# --- the whole ----------------------------------------------------------------------------------

start=$EPOCHREALTIME
if [ "$deep" = --packages ]; then
	check_packages
	finish
fi
if [ "$deep" = --fresh ]; then
	check_all_fresh "${@:3}"
	finish
fi
if [ "$deep" = --kernels ]; then
	check_kernels "${@:3}"
	finish
fi
needed "build with gcc, warnings are errors" ./dev build gcc --enable-werror
needed "build with clang, warnings are errors" ./dev build clang --enable-werror
judge "cppcheck" cppcheck
if command -v clang-format-14 >/dev/null; then # Debian 13 has later ones only
	judge "clang-format" clang-format
fi
run_suites "all suites, gcc" build/gcc
if [ "$deep" = --deep ]; then
	run_suites "all suites, clang" build/clang
	check_tarball
else
	run_suites "suites, clang" build/clang TESTS="$(suites_without "${once[@]}")"
	check_tarball TESTS="$(suites_without "${once[@]}" "${built[@]}")"
fi
if [ "$deep" = --deep ]; then
	jobs=$(nproc) # what follows computes
	judge "clang-tidy" clang-tidy
	needed "build with the sanitizers" ./dev build sanitized
	run_suites "all suites under the sanitizers" build/sanitized
	unset NETI_TEST_DEEP # all that follows looks on, and is slow enough
	check_threads
	check_memory
	check_coverage
	check_fuzz
	check_packages
	check_kernels
	check_all_fresh
fi
printf '%-60s%6s s\n' "all of it" "$(seconds_since "$start")"
finish
