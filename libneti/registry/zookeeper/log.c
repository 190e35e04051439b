/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes "DATE:PID(0xTHREAD):ZOO_ERROR@function@line: text", tells each source line of the client
 * at most once a minute, for each server: while one is down it would say the same thirty times a
 * second.
 *
 * Here it is also slowed down: by itself it waits a sixtieth of the session time-out after each round
 * of its list, and not at all where it steps over the end of one with an even number of servers. A
 * fleet without servers would ask for them hundreds of thousands of times a second.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/clock.h"
#include "log.h"

#define SLOTS 8
#define PLACES 32 /* source lines remembered */
#define QUIET_MS 60000
#define LINES 16
#define LINE_MAX_BYTES 300
#define TRIES 10 /* that failed in a row, without a wait of ours: one of the others may serve */
#define WAIT_STEP_MS 20
#define WAIT_MOST_MS 1000
#define ROW_MS 5000 /* what comes later begins another row */

struct place {
	uint32_t hash;
	unsigned suppressed;
	int64_t quiet_until;
};

struct line {
	enum neti_log_level level;
	unsigned suppressed;
	char text[LINE_MAX_BYTES];
};

static struct slot {
	bool used;
	int ready;
	enum neti_log_level level;
	struct place places[PLACES];
	struct line lines[LINES];
	size_t n_lines;
} slots[SLOTS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_failed_try(const char *message)
{
	return strstr(message, ": Socket ") != NULL;
}

/* For those who look for it: what matters of it the store says itself, in one sentence. */
static enum neti_log_level level_of(const char *message)
{
	if (is_failed_try(message))
		return NETI_LOG_WARNING; /* but which server it was knows the client alone */
	return strstr(message, ":ZOO_ERROR@") ? NETI_LOG_INFO : NETI_LOG_DEBUG;
}

static uint32_t hash_on(uint32_t hash, const char *from, const char *to)
{
	for (; from < to; from++)
		hash = (hash ^ (unsigned char)*from) * 16777619u;
	return hash;
}

/* The place is "function@line", and of a server "Socket HOST:PORT"; *ret_text is what follows. */
static uint32_t place_of(const char *message, const char **ret_text)
{
	const char *at = strchr(message, '@'), *text;
	uint32_t hash = 2166136261u;

	*ret_text = message;
	if (!at)
		return hash;
	text = strstr(at, ": ");
	if (!text)
		return hash;
	*ret_text = text + 2;
	hash = hash_on(hash, at, text);
	if (strncmp(*ret_text, "Socket ", 7) == 0)
		hash = hash_on(hash, *ret_text, *ret_text + 7 + strcspn(*ret_text + 7, " "));
	return hash;
}

/* NULL: known, and quiet for now. With every place taken the one silent longest is reused. */
static struct place *place_due(struct slot *slot, uint32_t hash)
{
	struct place *oldest = &slot->places[0];
	int64_t now = clock_now();

	for (size_t i = 0; i < PLACES; i++) {
		struct place *place = &slot->places[i];

		if (place->hash == hash && place->quiet_until > now) {
			place->suppressed++;
			return NULL;
		}
		if (place->hash == hash)
			return place;
		if (place->quiet_until < oldest->quiet_until)
			oldest = place;
	}
	*oldest = (struct place){ .hash = hash };
	return oldest;
}

static void note_locked(struct slot *slot, const char *message)
{
	enum neti_log_level level = level_of(message);
	const char *text;
	uint32_t hash = place_of(message, &text);
	struct place *place;
	struct line *line;

	if (!slot->used || level > slot->level || slot->n_lines == LINES)
		return;
	place = place_due(slot, hash);
	if (!place)
		return;
	line = &slot->lines[slot->n_lines++];
	line->level = level;
	line->suppressed = place->suppressed;
	/* Some of its messages end in a newline of their own. */
	snprintf(line->text, sizeof(line->text), "%.*s", (int)strcspn(text, "\n"), text);
	place->suppressed = 0;
	place->quiet_until = clock_now() + QUIET_MS;
	eventfd_write(slot->ready, 1);
}

/* Longer each time. Runs on the client's own thread: there is no other place to hold it. */
static void slow_down(const char *message)
{
	static __thread int64_t last;
	static __thread int tries;
	int64_t now = clock_now();
	int ms;

	if (!is_failed_try(message))
		return;
	tries = now - last > ROW_MS ? 1 : tries + 1;
	last = now;
	ms = tries > TRIES ? (tries - TRIES) * WAIT_STEP_MS : 0;
	if (ms > WAIT_MOST_MS) {
		ms = WAIT_MOST_MS;
		tries--;
	}
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000l }, NULL);
}

static void note(size_t slot, const char *message)
{
	slow_down(message);
	pthread_mutex_lock(&lock);
	note_locked(&slots[slot], message);
	pthread_mutex_unlock(&lock);
}

#define FUNCTION(n)                                                                                \
	static void note_##n(const char *message)                                                  \
	{                                                                                          \
		note(n, message);                                                                  \
	}

FUNCTION(0)
FUNCTION(1)
FUNCTION(2)
FUNCTION(3)
FUNCTION(4)
FUNCTION(5)
FUNCTION(6)
FUNCTION(7)

static void note_nothing(const char *message)
{
	slow_down(message);
}

void (*zookeeper_log_function(int slot))(const char *message)
{
	static void (*const functions[SLOTS])(const char *) = { note_0, note_1, note_2, note_3,
		note_4, note_5, note_6, note_7 };

	/* Never NULL: the client would write to stderr. */
	return slot < 0 ? note_nothing : functions[slot];
}

int zookeeper_log_open(const struct log *log, int ready)
{
	int found = -1;

	if (!log->write)
		return -1;
	pthread_mutex_lock(&lock);
	for (int i = 0; found < 0 && i < SLOTS; i++)
		if (!slots[i].used)
			found = i;
	if (found >= 0)
		slots[found] = (struct slot){ .used = true, .ready = ready, .level = log->level };
	pthread_mutex_unlock(&lock);
	return found;
}

void zookeeper_log_close(int slot)
{
	if (slot < 0)
		return;
	pthread_mutex_lock(&lock);
	slots[slot].used = false;
	pthread_mutex_unlock(&lock);
}

static bool take_line(int slot, struct line *ret)
{
	bool any;

	pthread_mutex_lock(&lock);
	any = slots[slot].n_lines > 0;
	if (any) {
		*ret = slots[slot].lines[0];
		slots[slot].n_lines--;
		memmove(&slots[slot].lines[0], &slots[slot].lines[1],
			slots[slot].n_lines * sizeof(struct line));
	}
	pthread_mutex_unlock(&lock);
	return any;
}

void zookeeper_log_tell(int slot, const struct log *log)
{
	struct line line;

	while (slot >= 0 && take_line(slot, &line)) {
		if (line.suppressed)
			log_write(log, line.level, "zookeeper client: %s (and %u times before)",
				line.text, line.suppressed);
		else
			log_write(log, line.level, "zookeeper client: %s", line.text);
	}
}
