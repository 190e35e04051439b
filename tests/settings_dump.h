/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_SETTINGS_DUMP_H
#define NETI_TESTS_SETTINGS_DUMP_H
/*
 * Every field of the settings as text, so that tests compare whole values.
 */
#include "settings/settings.h"

/* Lasts until the next call but one. */
const char *settings_dump(const struct settings *settings);

#endif
