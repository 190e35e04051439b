/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_FUZZ_H
#define NETI_TESTS_FUZZ_H
/*
 * What the targets share. A target reads bytes as the library would read them from a stranger,
 * and aborts where a promise is broken; it is linked with libFuzzer, or with replay.c, which
 * gives it the files of corpus/TARGET. Some include the .c file itself, to get at what stands
 * behind a checksum or a socket.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* One line for a log, of characters that a terminal shows and does not obey. */
static inline int is_sentence(const char *text)
{
	if (!*text)
		return 0;
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return 0;
	return 1;
}

#endif
