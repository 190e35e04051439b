# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/commit.c %reldir%/commit.h \
	%reldir%/diff.c %reldir%/diff.h \
	%reldir%/enforce.c %reldir%/enforce.h \
	%reldir%/entry.c %reldir%/entry.h \
	%reldir%/ipset_read.c %reldir%/ipset_read.h \
	%reldir%/ipset_write.c %reldir%/ipset_write.h \
	%reldir%/iptables.c \
	%reldir%/lock.c %reldir%/lock.h \
	%reldir%/print.c \
	%reldir%/render.c %reldir%/render.h \
	%reldir%/sets.c %reldir%/sets.h \
	%reldir%/sync.c %reldir%/sync.h \
	%reldir%/table.c %reldir%/table.h \
	%reldir%/text.c
