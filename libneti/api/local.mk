# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/agent.c \
	%reldir%/api.h \
	%reldir%/context.c \
	%reldir%/engine.c \
	%reldir%/members.c \
	%reldir%/registry.c \
	%reldir%/ruleset.c \
	%reldir%/settings.c \
	%reldir%/version.c
