# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/difference.c %reldir%/difference.h \
	%reldir%/expression.c \
	%reldir%/message.c %reldir%/message.h \
	%reldir%/nftables.c \
	%reldir%/print.c \
	%reldir%/read.c %reldir%/read.h \
	%reldir%/render.c %reldir%/render.h \
	%reldir%/sync.c %reldir%/sync.h \
	%reldir%/text.c
