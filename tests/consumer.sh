#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The library as others take it: installed to a temporary prefix (or, with "installed", where it
# is), programs outside the tree built with nothing but what pkg-config says, shared and static,
# and run: the main job on the embedded registry, as an ordinary user. The programs are those of
# examples/.
source "${srcdir:-.}/tests/suite.sh"
how=${1-built}
build=$PWD
source_folder=$(cd "$srcdir" && pwd)
prefix=$suite_folder/prefix
warnings="-Wall -Wextra -Wpedantic -Werror"
case ${CC-cc} in
*clang*) CXX=${CXX-${CC/clang/clang++}} ;;
*) CXX=${CXX-g++} ;;
esac

# pkg-config sees the temporary root as if it were the machine's. The files are those of the
# shared library, or the archive alone.
install_it() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$build" -s install DESTDIR="$prefix"
}

where_it_is() {
	local file
	file=$(find "$prefix" -name libneti.pc)
	export PKG_CONFIG_PATH=${file%/*} PKG_CONFIG_SYSROOT_DIR=$prefix
}

archive_alone() {
	local folder
	folder=$(pkg-config --variable=libdir libneti)
	case $folder in "$prefix"*) ;; *) folder=$prefix$folder ;; esac
	[ -e "$folder/libneti.a" ] && rm "$folder"/libneti.so*
}

library_folder() {
	local folder
	folder=$(pkg-config --libs-only-L libneti)
	folder=${folder#-L}
	echo "${folder%% *}"
}

# build_c NAME [PACKAGE…], build_cxx NAME: the words of the flags are words of the command line.
# shellcheck disable=SC2046,SC2086
build_c() {
	local name=$1
	shift
	${CC-cc} -std=gnu11 $warnings ${CFLAGS-} "$source_folder/examples/$name.c" -o "$name" \
		$(pkg-config $static --cflags --libs libneti "$@") -Wl,-rpath,"$(library_folder)"
}

# shellcheck disable=SC2046,SC2086
build_cxx() {
	$CXX -std=c++11 $warnings ${CFLAGS-} "$source_folder/examples/$1.cpp" -o "$1" \
		$(pkg-config $static --cflags --libs libneti) -Wl,-rpath,"$(library_folder)"
}

settings() {
	printf '%s\n' "registry: sqlite:$PWD/$2.db" "id: $1" 'network: ec2' \
		"private_ip: $3" "state_dir: $PWD/$1" >"$1.yml"
}

# The host is in the fleet while the supervised program runs, and others see it then.
main_job() {
	rm -f fleet.db*
	settings hudson fleet 10.0.0.11
	settings sierra fleet 10.0.0.12
	# shellcheck disable=SC2016 # expanded in there
	timeout 20 ./supervisor hudson.yml ./supervisor sierra.yml sh -c '
		test -n "$OVERLAY" && ./lookup "sqlite:$PWD/fleet.db" "$OVERLAY" &&
		./lookup "sqlite:$PWD/fleet.db" hudson && ./own-rules sierra.yml ec2' >said &&
		grep -q "^sierra 192.168" said && grep -q "^hudson 192.168" said &&
		grep -q "elements = { 10.0.0.11 } # hudson" said &&
		grep -q "elements = { 10.0.0.12 } # sierra" said
}

failures_are_told() {
	! ./lookup "sqlite:$PWD/fleet.db" nobody 2>said &&
		grep -q 'no member and no lease' said &&
		! ./supervisor /nonexistent/neti.yml true 2>said && grep -q nonexistent said
}

watches() {
	timeout 20 ./supervisor hudson.yml ./watch hudson.yml >said && grep -q '^came hudson' said
}

# A loop joins, and ends well when it is told to.
loop_runs() {
	local status=0 i
	settings "$1-loop" loops 10.0.0.13
	rm -f said # what the last one said would be taken for this one's
	"./$1" "$1-loop.yml" >said &
	for i in {1..100}; do
		grep -qs 'is in the fleet' said && break
		sleep 0.1
	done
	[ "$i" -lt 100 ] || echo "never joined"
	kill -TERM $! || return 1
	wait $! || status=$?
	cat said
	[ "$status" = 0 ] && grep -q 'is in the fleet' said
}

loop() {
	local name=$1 package=$2
	if ! PKG_CONFIG_SYSROOT_DIR='' pkg-config --exists "$package"; then
		skip "$package is not installed"
		return
	fi
	expect "$name.c is built ($mode)" build_c "$name" "$package"
	expect "$name joins and ends" loop_runs "$name"
}

all_of_it() {
	local name
	mode=$1 static=$2
	for name in supervisor lookup own-rules; do
		expect "$name.c is built ($mode)" build_c "$name"
	done
	expect "the main job ($mode)" main_job
	expect "failures are told ($mode)" failures_are_told
	expect "watch.cpp is built ($mode)" build_cxx watch
	expect "it sees the fleet ($mode)" watches
}

# --- names --------------------------------------------------------------------------------------

inner_names() {
	nm -g --defined-only "$build/.libs/libneti.a" |
		awk 'NF == 3 && $3 !~ /^neti_/ && $3 !~ /^__/ { print $3 }' | # a sanitizer's begin with __
		sort -u
}

archive_exports_the_map() {
	sed -n 's/^\t\(neti_[a-z_]*\);$/\1/p' "$source_folder/libneti/libneti.sym" | sort >wanted
	nm -g --defined-only "$(library_folder)/libneti.a" | awk 'NF == 3 { print $3 }' | sort >found
	diff wanted found
}

# A program with functions of the very names that the library uses inside.
# shellcheck disable=SC2046,SC2086
same_names() {
	inner_names >names
	[ "$(wc -l <names)" -gt 100 ] || return 1
	grep -qx buffer_append names && grep -qx log_write names || return 1
	{
		sed 's/.*/int &(void); int &(void) { abort(); }/' names
		sed -n '/^#include/d;p' "$source_folder/examples/lookup.c"
	} | cat <(grep -h '^#include' "$source_folder/examples/lookup.c") \
		<(echo '#include <stdlib.h>') - >same.c
	${CC-cc} -std=gnu11 -fno-builtin -w ${CFLAGS-} same.c -o same \
		$(pkg-config --static --cflags --libs libneti) &&
		./same "sqlite:$PWD/fleet.db" hudson
}

if [ "$how" = built ]; then
	expect "make install" install_it
	where_it_is
fi
cd "$suite_folder" || exit 1
all_of_it shared ""
loop sd-event libsystemd
loop libuv libuv
# What libneti uses, by archives too: what one of them needs and libneti.pc does not lead to is
# missed here. (libiptc and libmnl have none in Debian.)
# shellcheck disable=SC2046,SC2086
archives_alone() {
	local word words=()
	for word in $(pkg-config --static --libs libneti); do
		case $word in
		-lzookeeper_mt | -lyaml | -ljansson | -lsqlite3 | -lipset | -lcurl)
			word=-l:lib${word#-l}.a ;;
		esac
		words+=("$word")
	done
	${CC-cc} -std=gnu11 $warnings ${CFLAGS-} "$source_folder/examples/lookup.c" -o alone \
		$(pkg-config --cflags libneti) "${words[@]}" &&
		! ldd ./alone | grep -E 'libzookeeper|libyaml|libjansson|libsqlite3|libipset|libcurl' &&
		./alone "sqlite:$PWD/fleet.db" hudson
}

if [ "$how" = built ]; then
	expect "an archive is installed" archive_alone
	all_of_it static --static
	expect "libneti.pc leads to all that the archives need" archives_alone
	expect "the archive exports the public names alone" archive_exports_the_map
	expect "a program may use the names that the library uses inside" same_names
fi
suite_end
