# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/db.c %reldir%/db.h \
	%reldir%/file.c %reldir%/file.h \
	%reldir%/schema.c %reldir%/schema.h \
	%reldir%/sqlite.c \
	%reldir%/tree.c %reldir%/tree.h \
	%reldir%/watches.c %reldir%/watches.h
