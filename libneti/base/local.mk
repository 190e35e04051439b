# SPDX-License-Identifier: LGPL-2.1-or-later
libneti_core_la_SOURCES += \
	%reldir%/address.c %reldir%/address.h \
	%reldir%/array.c %reldir%/array.h \
	%reldir%/buffer.c %reldir%/buffer.h \
	%reldir%/clock.h \
	%reldir%/duration.c %reldir%/duration.h \
	%reldir%/error.c %reldir%/error.h \
	%reldir%/file.c %reldir%/file.h \
	%reldir%/file_lock.c \
	%reldir%/json_text.c %reldir%/json_text.h \
	%reldir%/log.c %reldir%/log.h \
	%reldir%/name.c %reldir%/name.h \
	%reldir%/sealed_file.c %reldir%/sealed_file.h \
	%reldir%/text.c %reldir%/text.h \
	%reldir%/thread.h \
	%reldir%/words.c %reldir%/words.h
