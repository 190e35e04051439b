/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_BUFFER_H
#define NETI_BUFFER_H
/*
 * A growing piece of text. A failed allocation sticks: later appends do nothing, and
 * buffer_result() tells, so that a caller checks once at the end.
 */
#include <stddef.h>

struct buffer {
	char *text; /* NUL-terminated once something was appended; NULL before */
	size_t length;
	size_t size;
	int result; /* 0 or -ENOMEM */
};

void buffer_append(struct buffer *buffer, const char *bytes, size_t length);
void buffer_print(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
const char *buffer_text(const struct buffer *buffer); /* never NULL */
int buffer_result(const struct buffer *buffer);
char *buffer_steal(struct buffer *buffer); /* the caller frees; NULL after a failure */
void buffer_clear(struct buffer *buffer);

#endif
