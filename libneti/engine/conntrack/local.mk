# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/conntrack.h \
	%reldir%/flush_stale.c \
	%reldir%/import.c \
	%reldir%/message.c %reldir%/message.h \
	%reldir%/size.c
