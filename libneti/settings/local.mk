# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/file.c \
	%reldir%/identity.c %reldir%/identity.h \
	%reldir%/identity_ec2.c %reldir%/identity_ec2.h \
	%reldir%/item.c \
	%reldir%/policy.c %reldir%/policy.h \
	%reldir%/read.c \
	%reldir%/settings.c %reldir%/settings.h \
	%reldir%/table.c %reldir%/table.h \
	%reldir%/value.c \
	%reldir%/yaml.c %reldir%/yaml.h
