/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TROUBLE_H
#define NETI_TROUBLE_H
/*
 * What is not well on this host, each cause in a place of its own: set and cleared by its own
 * state alone, so that no success elsewhere hides it. Pure.
 */
#include "base/buffer.h"
#include "base/error.h"

enum trouble_cause {
	TROUBLE_OPEN,	  /* reject_all, and nothing refuses strangers */
	TROUBLE_SETTINGS, /* new settings were not taken */
	TROUBLE_FLEET,	  /* the fleet's settings cannot be read, or access is refused */
	TROUBLE_SHARDS,	  /* members cannot be read */
	TROUBLE_FOREIGN,  /* the registry holds another fleet */
	TROUBLE_ENTRY,	  /* no lease or no entry of this host */
	TROUBLE_TWIN,	  /* another living agent wants this host's id */
	TROUBLE_OVERLAY,  /* overlay addresses are the host's own */
	TROUBLE_KERNEL,	  /* the rules could not be made, or be looked at */
	TROUBLE_STATUS,	  /* files that cannot be written */
	TROUBLE_STATE,
	TROUBLE_METRICS,
	TROUBLE_CAUSES
};

/* All zero at the start: the sentence of each, "" for none. */
struct troubles {
	char text[TROUBLE_CAUSES][ERROR_TEXT_MAX];
};

const char *trouble_name(enum trouble_cause cause); /* in the status file and in metrics */
/* Both are true when that is news. */
bool trouble_set(struct troubles *troubles, enum trouble_cause cause, const char *sentence);
bool trouble_clear(struct troubles *troubles, enum trouble_cause cause);
/* All that stand, in the order above, as one line. */
void trouble_print(const struct troubles *troubles, struct buffer *line);

#endif
