# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/bulk_read.c %reldir%/bulk_read.h \
	%reldir%/clock.c %reldir%/clock.h \
	%reldir%/core.c %reldir%/core.h \
	%reldir%/duplicates.c %reldir%/duplicates.h \
	%reldir%/entry.c %reldir%/entry.h \
	%reldir%/layout.c %reldir%/layout.h \
	%reldir%/lease.c %reldir%/lease.h \
	%reldir%/leases.c %reldir%/leases.h \
	%reldir%/lookup.c \
	%reldir%/members.c %reldir%/members.h \
	%reldir%/membership.c %reldir%/membership.h \
	%reldir%/open.c \
	%reldir%/reclaim.c \
	%reldir%/registry.c %reldir%/registry.h \
	%reldir%/request.c %reldir%/request.h \
	%reldir%/retry.c %reldir%/retry.h \
	%reldir%/skipped.c %reldir%/skipped.h \
	%reldir%/store.h \
	%reldir%/twin.c %reldir%/twin.h \
	%reldir%/wait.c %reldir%/wait.h \
	%reldir%/watch.c %reldir%/watch.h
