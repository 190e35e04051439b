#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Writes down what a program that links the library depends on: calls, their types and the
# numbers of the enums. Started by "make abi"; tests/abi.sh holds every build against it.
#
# usage: abi.sh INCLUDE LIBNETI.SO >abi/libneti-VERSION.abi
set -eu

abidw --headers-dir "$1" --drop-private-types --drop-undefined-syms --no-show-locs --short-locs \
	--no-comp-dir-path --no-corpus-path --no-elf-needed --no-parameter-names "$2" |
	sed '/<var-decl /d'
