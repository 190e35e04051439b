# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/capability.c %reldir%/capability.h \
	%reldir%/effect.c %reldir%/effect.h \
	%reldir%/engine.c %reldir%/engine.h \
	%reldir%/engine_ops.h \
	%reldir%/guard.c %reldir%/guard.h \
	%reldir%/host_networks.c %reldir%/host_networks.h
