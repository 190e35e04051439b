/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <string.h>

#include "fake_reader.h"

int32_t reader_int(struct reader *reader)
{
	int32_t number = 0;

	if (reader->end - reader->at >= 4)
		memcpy(&number, reader->at, 4);
	reader->at += 4;
	return (int32_t)ntohl((uint32_t)number);
}

size_t reader_text(struct reader *reader, char *text, size_t size)
{
	int32_t length = reader_int(reader);
	size_t n = length < 0 ? 0 : (size_t)length;

	if (reader->at + n > reader->end || n >= size)
		n = 0;
	memcpy(text, reader->at, n);
	text[n] = '\0';
	reader->at += n;
	return n;
}
