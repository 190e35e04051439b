/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_LOG_H
#define NETI_LOG_H
/*
 * Where messages go: a function of the owner's. Silent when it is NULL. The library never
 * writes to stderr itself.
 */
#include "neti/neti.h"

struct log {
	enum neti_log_level level; /* messages above it are not made */
	void (*write)(void *data, enum neti_log_level level, const char *text);
	void *data;
};

void log_write(const struct log *log, enum neti_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(log, ...) log_write(log, NETI_LOG_ERROR, __VA_ARGS__)
#define log_warning(log, ...) log_write(log, NETI_LOG_WARNING, __VA_ARGS__)
#define log_info(log, ...) log_write(log, NETI_LOG_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_write(log, NETI_LOG_DEBUG, __VA_ARGS__)

#endif
