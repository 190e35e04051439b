# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/bulk_read.c \
	%reldir%/clock.c \
	%reldir%/core.c %reldir%/core.h \
	%reldir%/duplicates.c \
	%reldir%/entry.c %reldir%/entry.h \
	%reldir%/layout.c \
	%reldir%/lease.c \
	%reldir%/leases.c \
	%reldir%/lookup.c \
	%reldir%/members.c \
	%reldir%/membership.c \
	%reldir%/open.c \
	%reldir%/reclaim.c \
	%reldir%/registry.c %reldir%/registry.h \
	%reldir%/request.c %reldir%/request.h \
	%reldir%/retry.c %reldir%/retry.h \
	%reldir%/skipped.c \
	%reldir%/store.h \
	%reldir%/twin.c \
	%reldir%/wait.c \
	%reldir%/watch.c
