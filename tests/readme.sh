#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The example in README.md compiles as it stands there, against this build's library or, with
# "installed", against the installed one by pkg-config, and runs.
source "${srcdir:-.}/tests/suite.sh"
how=${1-built}
include=$(cd "$srcdir" && pwd)/include
readme=$(cd "$srcdir" && pwd)/README.md
build=$PWD
cd "$suite_folder" || exit 1
flags="-std=gnu11 -Wall -Wextra -Werror ${CFLAGS-}"

# shellcheck disable=SC2016 # backquotes are what is looked for
extract() {
	sed -n '/^```c$/,/^```$/{/^```/d;p}' "$readme" >example.c
	[ -s example.c ]
}

# The words of the flags are words of the command line.
# shellcheck disable=SC2046,SC2086
compile() {
	case $how in
	installed)
		${CC-cc} $flags example.c -o example $(pkg-config --cflags --libs libneti) \
			-Wl,-rpath,"$(pkg-config --variable=libdir libneti)"
		;;
	*)
		"$build/libtool" --silent --mode=link --tag=CC ${CC-cc} $flags -I"$include" \
			example.c -o example "$build/libneti.la"
		;;
	esac
}

# A member without rules needs neither root nor a network.
runs() {
	printf '%s\n' "registry: sqlite:$PWD/registry.db" 'id: hudson' 'network: ec2' \
		'private_ip: 10.0.0.11' "state_dir: $PWD/state" >neti.yml
	timeout 10 ./example >said 2>&1
	cat said
	grep -q 'hudson' said
}

expect "the example stands in README.md" extract
expect "it compiles ($how)" compile
expect "it joins the fleet and leaves" runs
suite_end
