# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/client.c %reldir%/client.h \
	%reldir%/close_on_exec.c %reldir%/close_on_exec.h \
	%reldir%/hosts.c %reldir%/hosts.h \
	%reldir%/log.c %reldir%/log.h \
	%reldir%/queue.c %reldir%/queue.h \
	%reldir%/zookeeper.c
