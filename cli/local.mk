# SPDX-License-Identifier: LGPL-2.1-or-later
netictl_SOURCES += \
	%reldir%/agent.c \
	%reldir%/check.c \
	%reldir%/confirm.c %reldir%/confirm.h \
	%reldir%/denied.c \
	%reldir%/fleet.c \
	%reldir%/handles.h \
	%reldir%/hook.c %reldir%/hook.h \
	%reldir%/inventory.c %reldir%/inventory.h \
	%reldir%/members.c %reldir%/members.h \
	%reldir%/netictl.c %reldir%/netictl.h \
	%reldir%/notify.c %reldir%/notify.h \
	%reldir%/options.c %reldir%/options.h \
	%reldir%/output.c %reldir%/output.h \
	%reldir%/progress.c %reldir%/progress.h \
	%reldir%/proxy.c %reldir%/proxy.h \
	%reldir%/proxy_health.c \
	%reldir%/proxy_rules.c \
	%reldir%/reclaim.c \
	%reldir%/report.c \
	%reldir%/rules.c \
	%reldir%/status.c %reldir%/status.h \
	%reldir%/table.c %reldir%/table.h
