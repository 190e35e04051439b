#!/usr/bin/env bash
. "${srcdir:-.}/tests/suite.sh"
suite_end
