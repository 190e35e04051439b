/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_EVENTS_H
#define NETI_EVENTS_H
/*
 * The queue from the worker to the caller: bounded, with the one descriptor of the agent. When
 * nobody dispatches it collapses to a single "read everything again".
 */
#include <pthread.h>

#include "fleet/members.h"
#include "neti/neti.h"

struct neti_event {
	struct neti_event *next;
	enum neti_event_type type; /* 0: a message for the log */
	enum neti_log_level level;
	enum neti_reason reason;
	struct member *member;
	struct neti_members *added, *moved, *removed; /* the event's own */
	uint64_t revision;
	double seconds;
	size_t count;
	char text[];
};

struct events {
	pthread_mutex_t lock;
	struct neti_event *first, **last;
	size_t length;
	bool lost;
	int fd; /* eventfd: readable while there is something to take */
};

int events_init(struct events *events);
void events_clear(struct events *events);
/* Worker: a new event, or NULL without memory (which post then counts as lost). */
struct neti_event *event_new(enum neti_event_type type, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void event_free(struct neti_event *event);
void events_post(struct events *events, struct neti_event *event); /* steals */
/* Caller: all that is there, first to last, linked by next; NULL when there is none. */
struct neti_event *events_take(struct events *events);

#endif
