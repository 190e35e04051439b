# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/fleet.c %reldir%/fleet.h \
	%reldir%/fleet_settings.c %reldir%/fleet_settings.h \
	%reldir%/member.c %reldir%/member.h \
	%reldir%/members.h \
	%reldir%/slot.c %reldir%/slot.h \
	%reldir%/view.c %reldir%/view.h
