/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REGISTRY_TWIN_H
#define NETI_REGISTRY_TWIN_H
#include "registry.h"

struct twin {
	uint64_t sessions[REGISTRY_SESSIONS]; /* of this host, the newest first */
	size_t n_sessions;
	int64_t mark_at; /* refused: no mark before; 0 none */
	uint64_t seen;	 /* number of the mark that was read last */
	int64_t until;	 /* holder: so long another is known to want the id; 0 nobody */
	int64_t took_at; /* the entry went, and the session lives; 0 never */
};

void twin_connected(struct registry *registry);
bool twin_is_own(struct registry *registry, const struct store_answer *answer); /* this session's */
/* Whether an entry of this host's id stands in nobody's way; same: it has the right name. */
bool twin_may_go(const struct registry *registry, const struct store_answer *answer, bool same);
/* Tells the holder of that entry, as just read; the error for this host, and how long to wait. */
int64_t twin_refuse(struct registry *registry, const char *other, const char *path,
	const struct store_answer *answer, struct error *error);
void twin_look(struct registry *registry, const struct store_answer *answer); /* at our own */
void twin_forget(struct registry *registry);				      /* with the entry */
/* Somebody took our entry while the session lives. Once it is made again at once: false. Whoever does
 * it over and over is not fought: true, with the sentence. */
bool twin_took(struct registry *registry, struct error *error);
void twin_advance(struct registry *registry);
int64_t twin_next(const struct registry *registry);

#endif
