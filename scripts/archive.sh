#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Makes the installed archive export what the shared library does, and nothing else: one object,
# in which every other name is local. A program that links it may call its own functions as it
# likes. Objects of link-time optimisation hold no code yet: the compiler makes it here, since
# names cannot be made local before. An archive that would export anything else is taken away.
# Started by "make install", with CC, CFLAGS, LDFLAGS, NM, OBJCOPY, AR and RANLIB.
#
# usage: archive.sh LIBNETI.A LIBNETI.SYM
set -eu
archive=$1 map=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/neti-archive-XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() {
	rm -f "$archive"
	echo "libneti.a is not installed, since $1: configure with --disable-static, or with a" \
		"compiler, linker and CFLAGS that can (as built: $CC $CFLAGS)" >&2
	exit 1
}

# Of the user's flags those that say what code is made, and by which linker.
flags=
for word in $CFLAGS $LDFLAGS; do
	case $word in
	-O* | -g* | -m* | -f*lto* | -fuse-ld=* | --target=*) flags="$flags $word" ;;
	esac
done
# gcc would leave its intermediate form in the object; clang never does, and knows no such word.
for output in -flinker-output=nolto-rel ''; do
	# shellcheck disable=SC2086
	$CC $flags $output -r -nostdlib -Wl,--whole-archive "$archive" -Wl,--no-whole-archive \
		-o "$work/libneti.o" 2>"$work/said" && break
done
[ -e "$work/libneti.o" ] || {
	cat "$work/said" >&2
	fail "the compiler cannot make one object of it"
}

sed -n 's/^[[:space:]]*\(neti_[a-z0-9_]*\);$/\1/p' "$map" | sort >"$work/wanted"
$OBJCOPY --keep-global-symbols="$work/wanted" "$work/libneti.o"
$AR cr "$work/libneti.a" "$work/libneti.o"
$RANLIB "$work/libneti.a"
$NM -g --defined-only "$work/libneti.a" | awk 'NF == 3 { print $3 }' | sort >"$work/found"
other=$(comm -3 "$work/wanted" "$work/found" | tr -d '\t' | head -n 1)
[ -z "$other" ] || fail "its names are not those of ${map##*/} ($other is the first)"
cat "$work/libneti.a" >"$archive"
