/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A place for each cause of trouble. Who sets and clears which stands where the state is known.
 */
#include <stdio.h>
#include <string.h>

#include "trouble.h"

const char *trouble_name(enum trouble_cause cause)
{
	static const char *const names[TROUBLE_CAUSES] = {
		[TROUBLE_OPEN] = "open",
		[TROUBLE_SETTINGS] = "settings",
		[TROUBLE_FLEET] = "fleet",
		[TROUBLE_SHARDS] = "shards",
		[TROUBLE_FOREIGN] = "foreign",
		[TROUBLE_ENTRY] = "entry",
		[TROUBLE_TWIN] = "twin",
		[TROUBLE_OVERLAY] = "overlay",
		[TROUBLE_KERNEL] = "kernel",
		[TROUBLE_STATUS] = "status",
		[TROUBLE_STATE] = "state",
		[TROUBLE_METRICS] = "metrics",
	};

	return names[cause];
}

bool trouble_set(struct troubles *troubles, enum trouble_cause cause, const char *sentence)
{
	char *text = troubles->text[cause];

	if (strcmp(text, sentence) == 0)
		return false;
	snprintf(text, ERROR_TEXT_MAX, "%s", sentence);
	return true;
}

bool trouble_clear(struct troubles *troubles, enum trouble_cause cause)
{
	char *text = troubles->text[cause];
	bool stood = *text != '\0';

	*text = '\0';
	return stood;
}

void trouble_print(const struct troubles *troubles, struct buffer *line)
{
	for (enum trouble_cause cause = 0; cause < TROUBLE_CAUSES; cause++)
		if (*troubles->text[cause])
			buffer_print(line, "%s%s", line->length ? "; " : "", troubles->text[cause]);
}
