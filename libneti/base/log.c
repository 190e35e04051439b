/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Formats a message and hands it to the owner's function; long ones are cut, not dropped.
 */
#include <stdarg.h>

#include "log.h"
#include "text.h"

void log_write(const struct log *log, enum neti_log_level level, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	if (!log || !log->write || level > log->level)
		return;
	va_start(arguments, format);
	text_format(text, sizeof(text), format, arguments);
	va_end(arguments);
	log->write(log->data, level, text);
}
