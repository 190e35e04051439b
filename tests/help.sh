#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# netictl(8) against the help of netictl, so that neither drifts: the same commands, and for each
# the same options. The commands that the other manuals tell to type exist, with their options.
source "${srcdir:-.}/tests/suite.sh"
suite_of_single_tests
netictl=$PWD/netictl
manual=$srcdir/man/netictl.8
others=("$srcdir"/man/neti-*.7 "$srcdir/README.md")

commands() {
	"$netictl" --help | sed -n '/^commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' | sort
}

manual_commands() {
	sed -n 's/^\.It Cm \([a-z-]*\).*/\1/p' "$manual" | sort -u
}

# Of one command; those of every command have an item of their own.
options() {
	"$netictl" "$1" --help | grep -oE -- '^  (-., )?--[a-z-]+' | grep -oE -- '[a-z]+(-[a-z]+)*$' |
		grep -vxE 'config|registry|quiet|verbose|json' | sort -u
}

manual_options() {
	sed -n "s/^\.It Cm $1\( .*\)\?\$/\1/p" "$manual" | grep -oE -- 'Fl -[a-z-]+' |
		sed 's/^Fl -//' | sort -u
}

same_commands() {
	[ -n "$(commands)" ] && diff <(commands) <(manual_commands)
}

same_options() {
	diff <(options "$1") <(manual_options "$1")
}

# A command with --json has its shape under "JSON", or in a page of its own.
json_is_described() {
	! "$netictl" "$1" --help | grep -q -- '^  --json' ||
		sed -n '/^\.Ss JSON/,/^\.Sh/p' "$manual" | grep -qE "^\.Cm $1\b" ||
		grep -qsE "^\.(Cm|Ss) .*\b$1\b" "$srcdir/man/netictl-json.7"
}

# Commands as typed in the manuals' examples: "# netictl NAME …", and ".Cm netictl NAME …".
typed() {
	sed -nE 's/^ *(\.Dl )?[#$] (.*[;&|] *)?netictl ([a-z].*)/\3/p
		s/^\.Cm netictl ([a-z].*[a-z]).*/\1/p
		s/.*&& netictl ([a-z].*)/\1/p' "$1" | sed -E 's/[;&|>].*//'
}

known() {
	local line name option
	while read -r line; do
		name=${line%% *}
		commands | grep -qx -- "$name" || {
			echo "$1: no such command: netictl $line"
			return 1
		}
		while read -r option; do
			"$netictl" "$name" --help | grep -q -- "$option\b" || {
				echo "$1: no such option: netictl $line"
				return 1
			}
		done < <(grep -oE -- '--[a-z-]+' <<<"$line")
	done < <(typed "$1")
}

expect "netictl(8) and --help have the same commands" same_commands
for command in $(commands); do
	expect "netictl(8) and $command --help have the same options" same_options "$command"
	expect "netictl(8) has the JSON of $command" json_is_described "$command"
done
for page in "${others[@]}"; do
	expect "${page##*/} names commands and options that exist" known "$page"
done
suite_end
