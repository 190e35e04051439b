#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The surface of the library: what is exported is what the map names, what the header declares
# and what the manuals describe; nothing that an earlier build offered has changed; and the
# header stands alone in every dialect.
source "${srcdir:-.}/tests/suite.sh"
suite_of_single_tests
library=.libs/libneti.so
header=$srcdir/include/neti/neti.h
case ${CC-cc} in
*clang*) CXX=${CXX-${CC/clang/clang++}} ;;
*) CXX=${CXX-g++} ;;
esac

in_map() {
	sed -n 's/^\t\(neti_[a-z0-9_]*\);$/\1/p' "$srcdir/libneti/libneti.sym" | sort
}

exported() {
	nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | sort
}

# Without comments; a declaration is what has a parameter list and is no type.
declared() {
	${CC-cc} -E -P -x c "$header" | tr -d '\n' | tr ';' '\n' | grep -v typedef |
		grep -oE '\bneti_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u
}

described() {
	sed -n 's/^\.Nm \(neti_[a-z0-9_]*\).*/\1/p' "$srcdir"/man/*.3 | sort -u
}

with_synopsis() {
	sed -n 's/^\.F[no] "*\(neti_[a-z0-9_]*\).*/\1/p' "$srcdir"/man/*.3 | sort -u
}

same() {
	diff <(in_map) <("$1")
}

stable() {
	local status=0
	abidiff --headers-dir2 "$srcdir/include" --drop-private-types \
		"$srcdir/abi/libneti-0.1.abi" "$library" || status=$?
	[ $((status & ~4)) = 0 ] # 4 alone: calls were added
}

# dialect COMPILER LANGUAGE STANDARD
dialect() {
	printf '#include "neti/neti.h"\nint main(void) { return neti_version() == 0; }\n' \
		>"$suite_folder/alone.$2"
	$1 -std="$3" -Wall -Wextra -Wpedantic -Wshadow -Werror -I"$srcdir/include" -fsyntax-only \
		"$suite_folder/alone.$2"
}

# What an attribute is for: a caller that forgets is told.
forgets() {
	printf '#include "neti/neti.h"\nint main(void) { %s; return 0; }\n' "$1" \
		>"$suite_folder/forgets.c"
	! ${CC-cc} -std=c11 -Wall -Werror -I"$srcdir/include" -c "$suite_folder/forgets.c" \
		-o "$suite_folder/forgets.o" 2>&1 | tee "$suite_folder/said" &&
		grep -qE 'unused-result|nonnull' "$suite_folder/said"
}

expect "exports are those of the map" same exported
expect "the header declares what the map names" same declared
expect "the manuals name every call" same described
expect "the manuals show how every call is made" same with_synopsis
if command -v abidiff >/dev/null; then
	expect "nothing that was offered has changed" stable
else
	skip "abidiff is not installed"
fi
for standard in c99 c11 c17; do
	expect "the header alone as $standard" dialect "${CC-cc}" c "$standard"
done
for standard in c++11 c++20; do
	expect "the header alone as $standard" dialect "$CXX" cc "$standard"
done
expect "a result that is not looked at" forgets 'struct neti_context *c; neti_context_new(&c)'
expect "an argument that must not be NULL" forgets 'neti_agent_dispatch((void *)0)'
suite_end
