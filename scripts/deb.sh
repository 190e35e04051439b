#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Debian packages from the tarball that `make dist` makes, by packaging/debian. The tests are not
# run in here: that is ./dev check's. Started by ./dev deb.
#
# usage: deb.sh FOLDER DESTINATION, where FOLDER is an empty one to work in
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$1 destination=$2

version=$(sed -n 's/^AC_INIT(\[neti\], \[\([^]]*\)\].*/\1/p' configure.ac)
packaged=$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)
if [ "${packaged%-*}" != "$version" ]; then
	echo "packaging/debian/changelog is about $packaged, configure.ac about $version" >&2
	exit 1
fi

rm -f build/gcc/neti-*.tar.xz
make -C build/gcc dist
cp "build/gcc/neti-$version.tar.xz" "$folder/neti_$version.orig.tar.xz"
tar -C "$folder" -xf "$folder/neti_$version.orig.tar.xz"
cp -r "$folder/neti-$version/packaging/debian" "$folder/neti-$version/debian"
(
	cd "$folder/neti-$version"
	DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" dpkg-buildpackage --no-sign
)
rm -rf "$destination"
mkdir -p "$destination"
find "$folder" -maxdepth 1 -type f -exec mv -t "$destination" {} +
