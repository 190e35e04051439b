/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Durations from text and back. Reads no clock.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "duration.h"

struct unit {
	const char *name;
	uint64_t ms;
};

/* Largest first: the order in which duration_format() tries them. */
static const struct unit units[] = {
	{ "d", 86400000 },
	{ "h", 3600000 },
	{ "m", 60000 },
	{ "s", 1000 },
	{ "ms", 1 },
};

#define N_UNITS (sizeof(units) / sizeof(*units))

static const struct unit *find_unit(const char *name)
{
	for (size_t i = 0; i < N_UNITS; i++)
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	return NULL;
}

int duration_parse(const char *text, uint64_t *ret_ms)
{
	size_t digits = strspn(text, "0123456789");
	const struct unit *unit = find_unit(text[digits] ? text + digits : "s");
	uint64_t number = 0;

	if (digits == 0 || !unit)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number))
			return -ERANGE;
	}
	if (__builtin_mul_overflow(number, unit->ms, &number))
		return -ERANGE;
	*ret_ms = number;
	return 0;
}

const char *duration_format(uint64_t ms, char text[DURATION_TEXT_MAX])
{
	const struct unit *unit = units;

	if (ms == 0)
		unit = find_unit("s");
	while (ms % unit->ms != 0)
		unit++;
	snprintf(text, DURATION_TEXT_MAX, "%" PRIu64 "%s", ms / unit->ms, unit->name);
	return text;
}
