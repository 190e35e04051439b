# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/netlink.c %reldir%/netlink.h \
	%reldir%/transaction.c %reldir%/transaction.h
