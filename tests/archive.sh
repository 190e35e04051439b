#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The installed archive, made of objects of link-time optimisation: it exports what libneti.sym
# lists, its code is real, and a program may use the names that the library uses inside. One that
# would export anything else is not installed.
source "${srcdir:-.}/tests/suite.sh"
build=$PWD
tree=$(cd "$srcdir" && pwd)
export PKG_CONFIG_PATH=$build/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export CC=${CC-cc} LDFLAGS='' NM=nm OBJCOPY=objcopy AR=ar RANLIB=ranlib
# GNU ld reads clang's objects by a plugin that is not everywhere; clang's own linker needs none.
case $CC in
*clang*) kinds=("-flto -fuse-ld=lld" "-flto=thin -fuse-ld=lld") ;;
*) kinds=("-flto=auto" "-flto -ffat-lto-objects") ;;
esac
cd "$suite_folder" || exit 1

# The library's sources once more, into an archive as libtool makes it; objects are numbered.
# shellcheck disable=SC2016,SC2086 # expanded in there; the words of the flags are words
compile() {
	rm -rf objects && mkdir objects &&
		find "$tree/libneti" -name '*.c' | nl -w1 -s' ' |
		xargs -P"$(nproc)" -L1 sh -c '$1 -c "$3" -o "objects/$2.o"' . \
			"$CC -std=gnu11 -O1 -w -fPIC -fvisibility=hidden -D_GNU_SOURCE -I$build \
			-I$tree/include -I$tree/libneti $(pkg-config --cflags libneti) $CFLAGS" &&
		rm -f made.a && $AR cr made.a objects/*.o
}

make_it() {
	cp made.a libneti.a && sh "$tree/scripts/archive.sh" "$PWD/libneti.a" "$tree/libneti/libneti.sym"
}

listed() {
	sed -n 's/^\t\(neti_[a-z0-9_]*\);$/\1/p' "$tree/libneti/libneti.sym" | sort
}

exports_what_is_listed() {
	nm -g --defined-only libneti.a | awk 'NF == 3 { print $3 }' | sort | diff <(listed) -
}

# Not gcc's intermediate form, nor clang's: whoever links it may have another compiler.
is_code() {
	local sections
	sections=$(objdump -h libneti.a) && grep -q '\.text' <<<"$sections" &&
		! grep -E ' \.(gnu\.lto_|llvmbc)' <<<"$sections"
}

# The program is built once without link-time optimisation and once with.
# shellcheck disable=SC2046,SC2086
same_names() {
	local flags
	cat >same.c <<'C'
#include <neti/neti.h>
#include <stdio.h>
#include <stdlib.h>

void log_write(void) { abort(); }
void buffer_append(void) { abort(); }

int main(void)
{
	struct neti_context *context;
	struct neti_settings *settings;

	if (neti_context_new(&context) < 0 || neti_settings_new(&settings, context) < 0)
		return 1;
	if (neti_settings_load(settings, "/nonexistent/neti.yml") == 0)
		return 1;
	puts(neti_context_message(context));
	neti_settings_unref(settings);
	neti_context_unref(context);
	return 0;
}
C
	for flags in "" "$CFLAGS"; do
		$CC -std=gnu11 $flags -I"$tree/include" same.c -o same \
			$(pkg-config --static --libs libneti | sed 's/-lneti\>/libneti.a/') &&
			./same >said && grep -q '/nonexistent/neti.yml' said || return 1
	done
}

# refused VARIABLE=VALUE: with such a tool there is no archive, and one sentence that says why.
refused() {
	! env "$@" bash -c 'cp made.a libneti.a && sh "$0" libneti.a "$1"' "$tree/scripts/archive.sh" \
		"$tree/libneti/libneti.sym" 2>said && cat said &&
		[ "$(grep -c '^libneti.a is not installed, since' said)" = 1 ] && [ ! -e libneti.a ]
}

for CFLAGS in "${kinds[@]}"; do
	export CFLAGS
	expect "the library is compiled ($CFLAGS)" compile
	expect "its archive is made ($CFLAGS)" make_it
	expect "the archive exports what is listed, and nothing else ($CFLAGS)" exports_what_is_listed
	expect "it is code ($CFLAGS)" is_code
	expect "a program may use the names that the library uses inside ($CFLAGS)" same_names
done
expect "no archive where names stay global" refused OBJCOPY=true
expect "no archive where no object can be made" refused CC=false
suite_end
