/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_SETTINGS_YAML_H
#define NETI_SETTINGS_YAML_H
/*
 * Text to a YAML document, for read.c alone.
 */
#include <yaml.h>

#include "table.h"

/* One document, without a root when the text is empty. The caller deletes it. */
int settings_yaml_load(yaml_document_t *ret, const char *text, size_t size,
	const struct settings_at *at);

#endif
