# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/arrival.c %reldir%/arrival.h \
	%reldir%/ruleset.c %reldir%/ruleset.h \
	%reldir%/ruleset_file.c %reldir%/ruleset_file.h \
	%reldir%/ruleset_json.c %reldir%/ruleset_json.h
