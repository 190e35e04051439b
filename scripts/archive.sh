#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Makes the installed archive export neti_* alone, as the shared library does: one object, in
# which every other name is local. A program that links it may call its own functions as it
# likes. Started by "make install", with LD, OBJCOPY, AR and RANLIB.
#
# usage: archive.sh LIBNETI.A
set -eu
archive=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/neti-archive-XXXXXX")
trap 'rm -rf "$work"' EXIT

$LD -r --whole-archive "$archive" -o "$work/libneti.o"
$OBJCOPY --wildcard --keep-global-symbol='neti_*' "$work/libneti.o"
rm -f "$work/libneti.a"
$AR cr "$work/libneti.a" "$work/libneti.o"
$RANLIB "$work/libneti.a"
cat "$work/libneti.a" >"$archive"
