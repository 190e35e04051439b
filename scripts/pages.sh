#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# man neti_agent_start: every call has a page of its name, which leads to that of its family.
#
# usage: pages.sh link|unlink MANUALS FOLDER
set -eu
for page in "$2"/neti_*.3; do
	sed -n 's/^\.Nm \(neti_[a-z0-9_]*\).*/\1/p' "$page" | while read -r call; do
		case $1 in
		link) echo ".so man3/${page##*/}" >"$3/$call.3" ;;
		unlink) rm -f "$3/$call.3" ;;
		esac
	done
done
