# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/arrival.c %reldir%/arrival.h \
	%reldir%/revise.c %reldir%/road.h \
	%reldir%/ruleset.c %reldir%/ruleset.h \
	%reldir%/ruleset_file.c %reldir%/ruleset_file.h \
	%reldir%/ruleset_json.c %reldir%/ruleset_json.h \
	%reldir%/ruleset_text.c %reldir%/ruleset_text.h
