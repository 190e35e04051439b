#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The shape that HACKING.md promises: arrows point downward, one file calls each of the large
# libraries, nothing in the library ends or speaks for the process, files and functions are
# small, no helper stands twice, and tests are found by name. Reads sources, and the symbols of the
# objects.
source "${srcdir:-.}/tests/suite.sh"
suite_of_single_tests
build=$PWD
cd "$srcdir" || exit 1

# A folder, and those whose headers it may include beside its own and libneti's public one: the
# arrows of HACKING.md. A store or an engine is a row more.
layers='
libneti/base
libneti/settings             libneti/base
libneti/fleet                libneti/base
libneti/ruleset              libneti/base libneti/fleet libneti/settings
libneti/registry             libneti/base libneti/fleet
libneti/registry/sqlite      libneti/base libneti/registry
libneti/registry/zookeeper   libneti/base libneti/registry
libneti/engine/netlink       libneti/base
libneti/engine/conntrack     libneti/base libneti/ruleset libneti/engine/netlink
libneti/engine               libneti/base libneti/settings libneti/fleet libneti/ruleset libneti/engine/netlink libneti/engine/conntrack
libneti/engine/iptables      libneti/base libneti/ruleset libneti/engine libneti/engine/netlink
libneti/engine/nftables      libneti/base libneti/ruleset libneti/engine libneti/engine/netlink
libneti/agent                libneti/base libneti/settings libneti/fleet libneti/ruleset libneti/registry libneti/engine
libneti/api                  libneti/base libneti/settings libneti/fleet libneti/ruleset libneti/registry libneti/engine libneti/agent
cli                          libneti/base
'

# FILE INCLUDED, both below the root of the tree; what is not ours is left out.
includes() {
	local file name place
	grep -Hno '^#include "[^"]*"' "$@" | sed 's/:[0-9]*:#include "/ /; s/"$//' |
		while read -r file name; do
			for place in "${file%/*}/$name" "libneti/$name" "include/$name"; do
				[ ! -e "$place" ] || { echo "$file $place" && break; }
			done
		done
}

mapfile -t sources < <(find libneti cli -name '*.[ch]' | sort)
mapfile -t bodies < <(find libneti cli -name '*.c' | sort)

every_folder_has_a_row() {
	diff <(dirname "${sources[@]}" | sort -u) <(awk 'NF { print $1 }' <<<"$layers" | sort)
}

# Each include of another folder that its row does not name.
arrows_point_downward() {
	! awk '
		NR == FNR { for (i = 1; i <= NF; i++) allowed[$1, $i] = 1; next }
		{
			from = $1; to = $2
			sub(/\/[^\/]*$/, "", from); sub(/\/[^\/]*$/, "", to)
			if (!((from, to) in allowed) && $2 != "include/neti/neti.h") print
		}
	' <(echo "$layers") <(includes "${sources[@]}") | grep .
}

expect "every folder has a row of arrows" every_folder_has_a_row
expect "arrows between folders point downward" arrows_point_downward
# Times and commands in words are read as the settings read them, files opened as the library does.
expect "the tool: what any program may, and four leaves" eval \
	'! includes cli/*.[ch] | grep -vE " (cli/.*|include/neti/neti\.h|libneti/base/(clock|duration|file|words)\.h)$"'

# --- one file calls each --------------------------------------------------------------------------

# only_in HEADER FILES: who includes it.
only_in() {
	diff <(printf '%s\n' "$2") <(grep -rlE "^#include <$1" libneti cli include | sort | paste -sd' ')
}

expect "one file includes ZooKeeper's header" only_in 'zookeeper/' libneti/registry/zookeeper/client.c
expect "one file includes SQLite's header" only_in 'sqlite3' libneti/registry/sqlite/db.c
expect "one file includes libipset's headers" only_in 'libipset/' libneti/engine/iptables/ipset_write.c
expect "one file includes libiptc's headers" only_in 'libiptc/' libneti/engine/iptables/table.c
expect "one file includes libmnl's header" only_in 'libmnl/' libneti/engine/netlink/netlink.c

expect "one file includes libcurl's header" only_in 'curl/' libneti/settings/identity_ec2.c

wanted_symbols() {
	find "$build/libneti" -path '*/.libs/*.o' -exec nm -A -u {} + |
		sed "s,^$build/,,; s,\.libs/libneti_core_la-,,; s,\.libs/,,; s,\.o: *[UwWV] , ,; s,@.*,,"
}

own_symbols() {
	find "$build/libneti" -path '*/.libs/*.o' -exec nm -g --defined-only {} + |
		awk 'NF == 3 { print $3 }' | sort -u
}

wanted_symbols >"$suite_folder/wanted"
own_symbols >"$suite_folder/own"
awk 'NR == FNR { own[$1] = 1; next } !($2 in own)' "$suite_folder/own" "$suite_folder/wanted" \
	>"$suite_folder/foreign"

# calls_from PATTERN FILE: which objects call what bears such a name.
calls_from() {
	diff <(printf '%s\n' "$2") <(grep -E " ($1)" "$suite_folder/foreign" | cut -d' ' -f1 | sort -u)
}

expect "one object calls ZooKeeper" calls_from 'zoo_|zookeeper_|zerror' libneti/registry/zookeeper/client
expect "one object calls SQLite" calls_from 'sqlite3_' libneti/registry/sqlite/db
expect "one object calls libipset" calls_from 'ipset_' libneti/engine/iptables/ipset_write
expect "one object calls libcurl" calls_from 'curl_' libneti/settings/identity_ec2
expect "one object calls libiptc" calls_from 'ip6?tc_' libneti/engine/iptables/table
expect "one object calls libmnl" calls_from 'mnl_' libneti/engine/netlink/netlink

# where PATTERN: files of the library that say it, in one line.
where() {
	grep -rlE "$1" libneti | sort | paste -sd' '
}

expect "text is made in the C locale, in one place" test "$(where '\bvsn?printf\(')" = libneti/base/text.c
expect "no number with a point is made elsewhere" test \
	"$(where '\bsn?printf\(.*"[^"]*%[-+0-9.*]*[aefgAEFG]')" = ""
expect "no letter depends on a language" test \
	"$(where '\b(is(alnum|alpha|cntrl|digit|graph|lower|print|space|upper)|to(lower|upper)|strn?casecmp|strtod|atof)\(')" = ""
# Of others' files only those of the kernel are opened in another way, and what a person pipes in.
opens() {
	grep -rnE '\b(open|fopen|creat|mkstemp)\(' libneti cli --include='*.c' | grep -vE \
		'"/(proc|dev)/|->open\(|^libneti/(base/file|engine/(conntrack/size|iptables/(table|lock)))\.c|^cli/(inventory|proxy)\.c'
}
expect "files are opened in one place" test -z "$(opens)"

# wall_clock: what asks for this host's date where only the registry's counts.
wall_clock() {
	grep -rlE '\btime\(NULL\)|CLOCK_REALTIME|gettimeofday' libneti/registry | paste -sd' '
}

expect "no time of the registry is this host's, but where the file keeps its own" \
	test "$(wall_clock)" = libneti/registry/sqlite/db.c

# --- a guest in somebody's process ------------------------------------------------------------------

# What ends the process, speaks for it, or changes what belongs to all of it.
rude='exit|_exit|_Exit|abort|__assert_fail|perror|printf|puts|putchar|vprintf|__printf_chk'
rude+='|__vprintf_chk|stdout|stderr|signal|sigaction|getenv|setenv|putenv|unsetenv|system|popen'
rude+='|fork|vfork|chdir|umask|setlocale|srand|srandom|atexit|alarm|setitimer|strtok|localtime'
rude+='|gmtime|inet_ntoa|gethostbyname|dlopen|setns|unshare'

rude_calls() {
	! grep -E " ($rude)$" "$suite_folder/foreign"
}

expect "the library neither ends nor speaks for its process" rude_calls

# --- circles --------------------------------------------------------------------------------------

# circles FOLDER: A calls B calls ... calls A, of the objects below it. A file with a public name of
# its own that another one wants stands above it; tsort names those that go round.
circles() {
	local objects
	mapfile -t objects < <(find "$build/$1" -name '*.o' | grep -v '/\.libs/')
	[ "${#objects[@]}" -gt 1 ] || echo "no objects below $build/$1"
	nm -A -g --defined-only "${objects[@]}" | sed 's/:[0-9a-f]* [A-Z] / /' >"$suite_folder/had"
	nm -A -u "${objects[@]}" | sed 's/: *[UwW] / /' >"$suite_folder/asked"
	awk 'NR == FNR { home[$2] = $1; next } ($2 in home) && home[$2] != $1 { print $1, home[$2] }' \
		"$suite_folder/had" "$suite_folder/asked" | sort -u | tsort 2>&1 >/dev/null |
		sed "s,^tsort: ,,; s,^$build/,,"
}

goes_down() {
	circles "$1" | tee "$suite_folder/circles"
	[ ! -s "$suite_folder/circles" ]
}

acyclic='cli libneti'

for folder in $acyclic; do
	expect "no circle of files in $folder" goes_down "$folder"
done

# --- size and shape -----------------------------------------------------------------------------------

files_are_short() {
	local file lines long=0
	for file in "${sources[@]}" tests/*.[ch] bench/*.c examples/*.c; do
		lines=$(wc -l <"$file")
		[ "$lines" -le 600 ] || { echo "$file: $lines lines" && long=1; }
	done
	return "$long"
}

# function_lengths FILE…: "LINES FILE:LINE", the body between its braces in the first column.
function_lengths() {
	awk '
		FNR == 1 { start = 0 }
		/^\{/ { start = FNR }
		/^\}/ { if (start) print FNR - start - 1, FILENAME ":" start; start = 0 }
	' "$@"
}

functions_are_short() {
	local limit=$1
	shift
	! function_lengths "$@" | awk -v limit="$limit" '$1 > limit' | grep .
}

# "About a dozen lines."
the_mean_is_a_dozen() {
	function_lengths "${bodies[@]}" |
		awk '{ sum += $1 } END { printf "%d functions, %.1f lines\n", NR, sum / NR
			exit !(NR > 300 && sum / NR <= 13) }'
}

deep_nesting() {
	! grep -nP '^\t{6,}(if|for|while|switch|do)\b' "${bodies[@]}"
}

# The same body of three lines and more in two files.
no_helper_twice() {
	awk '
		FNR == 1 { start = 0 }
		/^\{/ { start = FNR; name = previous; body = ""; next }
		/^\}/ {
			if (start && FNR - start > 3) {
				if (body in seen && seen[body] != FILENAME)
					print FILENAME ": " name " stands in " seen[body] " too"
				else
					seen[body] = FILENAME
			}
			start = 0
		}
		start { line = $0; gsub(/[ \t]+/, " ", line); body = body line "\n" }
		{ previous = $0 }
	' "${bodies[@]}" >"$suite_folder/twice"
	cat "$suite_folder/twice"
	[ ! -s "$suite_folder/twice" ]
}

# A grep and a breakpoint find one function of a name.
one_static=$(awk 'NF { print $1 }' <<<"$layers")

one_static_per_folder() {
	local folder twice=0
	for folder in $one_static; do
		awk '
			/^(__attribute__.*)?static / {
				gsub(/__attribute__ ?\(\([a-z_]*(\([^)]*\))?\)\) ?|=.*/, "")
				if (!match($0, /[a-z_0-9]+\(/))
					next
				name = substr($0, RSTART, RLENGTH - 1)
				if (name in home && home[name] != FILENAME)
					print FILENAME ": " name " stands in " home[name] " too"
				home[name] = FILENAME
			}
		' "$folder"/*.c | grep . && twice=1
	done
	return "$twice"
}

opens_with() {
	local file bad=0
	for file in $(find libneti include cli tests bench demo examples scripts -name '*.[ch]' \
		-o -name '*.sh') dev; do
		head -n 2 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' ||
			{ echo "$file" && bad=1; }
	done
	return "$bad"
}

expect "files are short" files_are_short
expect "functions of library and tool have 45 lines at most" functions_are_short 45 \
	"${bodies[@]}"
expect "functions of tests and benchmarks have 80 lines at most" functions_are_short 80 \
	tests/*.c bench/*.c examples/*.c
expect "their mean is about a dozen" the_mean_is_a_dozen
expect "nesting is shallow" deep_nesting
expect "no helper stands twice" no_helper_twice
expect "no two static functions of a folder share a name" one_static_per_folder
expect "every file opens with its licence" opens_with

# --- tests by name --------------------------------------------------------------------------------

# How a suite ends of which only this case or test is run.
alone() {
	CASE=$2 "$build/tests/$1" | tail -n 1
}

# What is added in another way is not left out by CASE.
added_by_the_common_main() {
	! grep -nE '\b_?tcase_(create|add_(loop_|exit_|test_)*test)' tests/*.c tests/fuzz/*.c |
		grep -v '^tests/test\.c:'
}

no_case_is_called_all() {
	local suites suite bad=0
	mapfile -t suites < <(grep -l '^Suite \*test_suite' tests/*.c | xargs -n1 basename -s .c)
	[ ${#suites[@]} -gt 40 ] || return 1
	for suite in "${suites[@]}"; do
		[[ $(alone "$suite" all) == *'; its cases are: '* ]] || { echo "$suite" && bad=1; }
	done
	return "$bad"
}

expect "cases are made by the common main" added_by_the_common_main
expect "no suite has a case \"all\"" no_case_is_called_all
expect "a case runs alone" test "$(alone fleet removals)" = "2 passed, 0 failed, 0 skipped"
expect "a test runs alone" test "$(alone fleet removal_waits)" = "1 passed, 0 failed, 0 skipped"
suite_end
