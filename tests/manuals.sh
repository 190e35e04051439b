#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The manuals of the library say what the header says: each call is shown with the parameters
# that it has, and each example compiles as it stands there.
source "${srcdir:-.}/tests/suite.sh"
suite_of_single_tests
includes='#include <neti/neti.h>\n#include <poll.h>\n#include <stdio.h>\n#include <stdlib.h>\n'

# One declaration a line, without attributes and names of its own for space.
normal() {
	tr -s ' \t' ' ' | sed 's/^ *//; s/ *$//; s/\* /*/g' | grep -E '\bneti_[a-z0-9_]+\(' | sort
}

in_header() {
	${CC-cc} -E -P "$srcdir/include/neti/neti.h" | tr -s '\n\t ' ' ' | sed 's/; */;\n/g' |
		grep -v '^typedef' | sed -E 's/ ?__attribute__\(\([a-z_]*(\([0-9, ]*\))?\)\)//g
			s/_Bool/bool/g; s/\[46\]/[NETI_ADDRESS_MAX]/' | normal
}

in_pages() {
	awk '
		/^\.Ft/ { type = $0; sub(/^\.Ft "?/, "", type); sub(/"$/, "", type) }
		/^\.Fo/ { call = $2; list = "" }
		/^\.Fa/ && call != "" {
			sub(/^\.Fa "?/, ""); sub(/"$/, ""); list = list (list == "" ? "" : ", ") $0
		}
		/^\.Fc/ { print type (type ~ /\*$/ ? "" : " ") call "(" list ");"; call = "" }
	' "$srcdir"/man/*.3 | normal
}

same_declarations() {
	in_header >"$suite_folder/all"
	[ "$(wc -l <"$suite_folder/all")" -gt 70 ] && diff "$suite_folder/all" <(in_pages)
}

# What stands between .Bd -literal and .Ed is a function or two.
example() {
	local out=$suite_folder/${1##*/}.c
	# shellcheck disable=SC2059 # the newlines are meant
	printf "$includes" >"$out"
	awk '/^\.Bd -literal/ { on = 1; next } /^\.Ed/ { on = 0 } on' "$1" |
		sed 's/\\e/\\/g' >>"$out"
	[ "$(wc -l <"$out")" -gt 8 ] && ${CC-cc} -std=c11 -Wall -Wextra -Wno-unused-function -Werror \
		-I"$srcdir/include" -c "$out" -o "$out.o"
}

expect "the pages declare what the header declares" same_declarations
for page in "$srcdir"/man/neti_*.3; do
	expect "the example of ${page##*/} compiles" example "$page"
done
suite_end
