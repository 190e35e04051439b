#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Manuals and scripts, read by the tools that know better: mandoc and shellcheck.
source "${srcdir:-.}/tests/suite.sh"
suite_of_single_tests

lint_manual() {
	mandoc -T lint -W warning "$1"
}

lint_scripts() {
	(cd "$srcdir" && shellcheck "$@")
}

if command -v mandoc >/dev/null; then
	for page in "$srcdir"/man/*.[1-8]; do
		expect "mandoc: ${page##*/}" lint_manual "$page"
	done
else
	skip "mandoc is not installed"
fi

if command -v shellcheck >/dev/null; then
	expect "shellcheck: dev" lint_scripts dev
	expect "shellcheck: examples" lint_scripts examples/tag-ec2-instance
	expect "shellcheck: scripts" lint_scripts scripts/analyse.sh scripts/archive.sh \
		scripts/check.sh \
		scripts/coverage.sh scripts/deb.sh scripts/fuzz.sh
	expect "shellcheck: demo" lint_scripts demo/demo.sh
	for script in "$srcdir"/tests/*.sh; do
		expect "shellcheck: ${script##*/}" lint_scripts "tests/${script##*/}"
	done
else
	skip "shellcheck is not installed"
fi

suite_end
