/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_JSON_TEXT_H
#define NETI_JSON_TEXT_H
/*
 * JSON as text. Not by json_dumps(): when memory runs out in the middle it may leave out a key
 * and call the rest a success (jansson 2.14), and what is written so may be a whole fleet's
 * settings.
 */
#include <jansson.h>

#include "buffer.h"

/* The result of the buffer, or -ENOMEM for json NULL. */
int json_text(struct buffer *buffer, const json_t *json, size_t flags);

/* Once for the process, before any object: jansson by itself opens /dev/urandom for it, which a program
 * that is started just then inherits. */
void json_text_seed(void);

#endif
