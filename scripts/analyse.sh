#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Reads the sources for what compilers do not say. Exceptions, with their reasons, stand in
# .cppcheck and .clang-tidy.
#
# usage: analyse.sh cppcheck|clang-tidy|clang-format, the second after a build with gcc
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
flags=(-D_GNU_SOURCE -Iinclude -Ilibneti)
mapfile -t sources < <(find libneti cli examples -name '*.c' | sort)

case $1 in
cppcheck)
	# Loops of other libraries; it does not read their headers, and ends a -D at a semicolon.
	cppcheck --quiet -j"$(nproc)" --error-exitcode=1 --enable=warning,performance,portability \
		--std=c11 --library=posix --library=gnu --suppressions-list=.cppcheck "${flags[@]}" \
		-D__linux__ -D'JSON_INTEGER_FORMAT="lld"' \
		-D'json_array_foreach(a,i,v)=while((v=next(a,&(i))))' \
		-D'json_object_foreach(o,k,v)=while((v=next(o,&(k))))' \
		-D'mnl_attr_for_each(a,m,o)=while((a=next(m,o)))' \
		"${sources[@]}"
	;;
clang-format)
	# Of version 14: others break some lines in other places.
	find include libneti cli tests bench demo examples -name '*.[ch]' -print0 |
		xargs -0 clang-format-14 --dry-run --Werror
	;;
clang-tidy)
	# Four files at a time, so that one long one holds up nobody.
	printf '%s\0' "${sources[@]}" | xargs -0 -P"$(nproc)" -n4 sh -c 'clang-tidy --quiet "$@" \
		-- -std=gnu11 -Ibuild/gcc -include config.h '"${flags[*]}" .
	;;
esac
