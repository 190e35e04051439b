/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sentence and the code of a failure. Keeps no state and logs nothing.
 */
#include <errno.h>
#include <stdarg.h>

#include "error.h"
#include "text.h"

/* A sentence may quote a stranger, and ends up in logs and on terminals. */
static void disarm(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

int error_set(struct error *error, int result, enum neti_reason reason, const char *format, ...)
{
	va_list arguments;

	error->reason = reason;
	error->result = result;
	va_start(arguments, format);
	text_format(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	disarm(error->text);
	return result;
}

int error_memory(struct error *error)
{
	return error_set(error, -ENOMEM, NETI_REASON_SYSTEM, "out of memory");
}
