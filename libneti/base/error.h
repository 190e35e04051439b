/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ERROR_H
#define NETI_ERROR_H
/*
 * What went wrong, as one sentence for a person and one code for a program.
 * A function that can say more than errno takes a "struct error *" (never NULL inside the
 * library), sets it once where the trouble is seen, and returns the same -errno.
 */
#include "neti/neti.h"

#define ERROR_TEXT_MAX 512

struct error {
	enum neti_reason reason;
	int result; /* -errno */
	char text[ERROR_TEXT_MAX];
};

/* Writes the sentence (no final dot, no newline) and returns result, which is -errno. Control
 * characters in what it quotes become question marks. */
int error_set(struct error *error, int result, enum neti_reason reason, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* -ENOMEM with its sentence. */
int error_memory(struct error *error);

#endif
