/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events and their queue. One side posts, the other takes; neither waits for the other.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/text.h"
#include "events.h"

#define EVENTS_MAX 256

int events_init(struct events *events)
{
	*events = (struct events){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (events->fd < 0)
		return -errno;
	events->last = &events->first;
	pthread_mutex_init(&events->lock, NULL);
	return 0;
}

static void free_all(struct neti_event *event)
{
	while (event) {
		struct neti_event *next = event->next;

		event_free(event);
		event = next;
	}
}

void events_clear(struct events *events)
{
	free_all(events->first);
	pthread_mutex_destroy(&events->lock);
	close(events->fd);
}

struct neti_event *event_new(enum neti_event_type type, const char *format, ...)
{
	struct neti_event *event;
	va_list arguments, again;
	int length;

	va_start(arguments, format);
	va_copy(again, arguments);
	length = text_format(NULL, 0, format, arguments);
	event = calloc(1, sizeof(*event) + (size_t)length + 1);
	if (event) {
		event->type = type;
		text_format(event->text, (size_t)length + 1, format, again);
	}
	va_end(again);
	va_end(arguments);
	return event;
}

static void free_members(struct neti_members *members)
{
	if (members)
		member_list_clear(&members->list);
	free(members);
}

void event_free(struct neti_event *event)
{
	if (!event)
		return;
	member_unref(event->member);
	free_members(event->added);
	free_members(event->moved);
	free_members(event->removed);
	free(event);
}

void events_post(struct events *events, struct neti_event *event)
{
	struct neti_event *dropped = NULL;

	pthread_mutex_lock(&events->lock);
	if (!event || events->length >= EVENTS_MAX) {
		dropped = events->first;
		events->first = NULL;
		events->last = &events->first;
		events->length = 0;
		events->lost = true;
	}
	if (event) {
		*events->last = event;
		events->last = &event->next;
		events->length++;
	}
	pthread_mutex_unlock(&events->lock);
	eventfd_write(events->fd, 1);
	free_all(dropped);
}

struct neti_event *events_take(struct events *events)
{
	struct neti_event *first, *lost = NULL;
	eventfd_t ignored;

	pthread_mutex_lock(&events->lock);
	eventfd_read(events->fd, &ignored);
	if (events->lost)
		lost = event_new(NETI_EVENT_LOST, "events were lost: read everything again");
	if (events->lost && !lost) {
		/* No memory to say so: leave all as it is, the next call tries again. */
		pthread_mutex_unlock(&events->lock);
		eventfd_write(events->fd, 1);
		return NULL;
	}
	first = events->first;
	events->first = NULL;
	events->last = &events->first;
	events->length = 0;
	events->lost = false;
	pthread_mutex_unlock(&events->lock);
	if (!lost)
		return first;
	lost->next = first;
	return lost;
}
