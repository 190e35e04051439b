/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_FAKE_READER_H
#define NETI_TESTS_FAKE_READER_H
/*
 * Reads a client's requests, in the order of their fields.
 */
#include <stddef.h>
#include <stdint.h>

struct reader {
	const char *at, *end;
};

/* What is missing at the end reads as 0 and "". */
int32_t reader_int(struct reader *reader);
size_t reader_text(struct reader *reader, char *text, size_t size); /* its length */

#endif
