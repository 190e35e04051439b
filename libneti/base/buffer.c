/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text that grows. Knows nothing of what is written into it.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "buffer.h"
#include "text.h"

static int reserve(struct buffer *buffer, size_t more)
{
	if (buffer->result == 0)
		buffer->result =
			ARRAY_RESERVE(buffer->text, buffer->size, buffer->length + more + 1);
	return buffer->result;
}

void buffer_append(struct buffer *buffer, const char *bytes, size_t length)
{
	if (reserve(buffer, length) < 0)
		return;
	memcpy(buffer->text + buffer->length, bytes, length);
	buffer->length += length;
	buffer->text[buffer->length] = '\0';
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
	va_list arguments, again;
	int length;

	va_start(arguments, format);
	va_copy(again, arguments);
	length = text_format(NULL, 0, format, arguments);
	if (length >= 0 && reserve(buffer, (size_t)length) == 0) {
		text_format(buffer->text + buffer->length, (size_t)length + 1, format, again);
		buffer->length += (size_t)length;
	}
	va_end(again);
	va_end(arguments);
}

const char *buffer_text(const struct buffer *buffer)
{
	return buffer->text ? buffer->text : "";
}

int buffer_result(const struct buffer *buffer)
{
	return buffer->result;
}

char *buffer_steal(struct buffer *buffer)
{
	char *text;

	buffer_append(buffer, "", 0);
	if (buffer->result < 0)
		return NULL;
	text = buffer->text;
	*buffer = (struct buffer){ 0 };
	return text;
}

void buffer_clear(struct buffer *buffer)
{
	free(buffer->text);
	*buffer = (struct buffer){ 0 };
}
