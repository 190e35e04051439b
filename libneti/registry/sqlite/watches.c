/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One-shot watches: each knows the number of the last change that its reader saw, and goes off
 * when the node has another one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "watches.h"

#define POLL_MS 250	 /* how late a change may be seen when every hint was lost */
#define POLL_BLIND_MS 50 /* the same, without inotify */
#define HINT_FIRST_MS 1	 /* a hint comes before the commit can be read: look again, later */
#define HINT_LAST_MS 32	 /* and later, until this */

struct sqlite_watch {
	struct sqlite_watch *next;
	bool children;
	int64_t serial;
	char path[];
};

/* --- when to look ----------------------------------------------------------------------- */

/* The -wal file stays as long as a connection is open, and ours is. */
void sqlite_watches_start(struct sqlite_watches *watches, const char *path, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct buffer wal = { 0 };
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	buffer_print(&wal, "%s-wal", path);
	if (fd >= 0 && (inotify_add_watch(fd, buffer_text(&wal), IN_MODIFY) < 0 ||
			       epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)) {
		close(fd);
		fd = -1;
	}
	watches->inotify = fd;
	buffer_clear(&wal);
}

void sqlite_watches_stop(struct sqlite_watches *watches)
{
	sqlite_watches_clear(watches);
	if (watches->inotify >= 0)
		close(watches->inotify);
	watches->inotify = -1;
}

bool sqlite_watches_hinted(struct sqlite_watches *watches)
{
	char events[4096];
	bool hinted = false;

	while (watches->inotify >= 0 && read(watches->inotify, events, sizeof(events)) > 0)
		hinted = true;
	return hinted;
}

static void look_in(struct sqlite_watches *watches, int64_t ms)
{
	watches->look_at = clock_now() + ms;
}

static int64_t slow_poll(const struct sqlite_watches *watches)
{
	return watches->inotify < 0 ? POLL_BLIND_MS : POLL_MS;
}

bool sqlite_watches_due(struct sqlite_watches *watches, bool hinted)
{
	if (hinted)
		watches->hint_ms = HINT_FIRST_MS;
	return hinted || clock_now() >= watches->look_at;
}

/* After a hint without a change: again soon, each time twice as late, then at leisure. */
void sqlite_watches_looked(struct sqlite_watches *watches)
{
	if (watches->hint_ms > 0 && watches->hint_ms <= HINT_LAST_MS) {
		look_in(watches, watches->hint_ms);
		watches->hint_ms *= 2;
	} else {
		watches->hint_ms = 0;
		look_in(watches, slow_poll(watches));
	}
}

int64_t sqlite_watches_next(const struct sqlite_watches *watches)
{
	return watches->first ? watches->look_at : 0;
}

/* --- watches ---------------------------------------------------------------------------- */

static struct sqlite_watch *find(const struct sqlite_watches *watches, const char *path,
	bool children)
{
	struct sqlite_watch *watch = watches->first;

	while (watch && (watch->children != children || strcmp(watch->path, path) != 0))
		watch = watch->next;
	return watch;
}

int sqlite_watches_add(struct sqlite_watches *watches, const char *path, bool children,
	int64_t serial)
{
	struct sqlite_watch *watch = find(watches, path, children);

	if (watch) {
		watch->serial = serial;
		return 0;
	}
	watch = malloc(sizeof(*watch) + strlen(path) + 1);
	if (!watch)
		return -ENOMEM;
	watch->children = children;
	watch->serial = serial;
	strcpy(watch->path, path);
	if (!watches->first)
		look_in(watches, slow_poll(watches));
	watch->next = watches->first;
	watches->first = watch;
	return 1;
}

static bool went_off(struct sqlite_watches *watches, struct sqlite_db *db,
	const struct sqlite_watch *watch)
{
	struct sqlite_node node;
	int result = sqlite_db_find(db, watch->path, &node);

	watches->again |= result < 0 && result != -ENOENT;
	if (result < 0)
		return result == -ENOENT;
	return (watch->children ? node.grown : node.touched) != watch->serial;
}

/* In the order of the list. */
static struct sqlite_watch *take_gone(struct sqlite_watches *watches, struct sqlite_db *db)
{
	struct sqlite_watch *gone = NULL, **end = &gone, *watch;

	watches->again = false;
	for (struct sqlite_watch **at = &watches->first; *at;) {
		watch = *at;
		if (!went_off(watches, db, watch)) {
			at = &watch->next;
			continue;
		}
		*at = watch->next;
		watch->next = NULL;
		*end = watch;
		end = &watch->next;
	}
	return gone;
}

/* Handlers leave new watches at the head of the list, so those that went off are taken out
 * before any of them is told. */
void sqlite_watches_tell(struct sqlite_watches *watches, struct sqlite_db *db,
	void (*changed)(void *data, const char *path), void *data)
{
	struct sqlite_watch *gone = take_gone(watches, db), *watch;

	while ((watch = gone)) {
		gone = watch->next;
		changed(data, watch->path);
		free(watch);
	}
}

void sqlite_watches_clear(struct sqlite_watches *watches)
{
	struct sqlite_watch *watch;

	while ((watch = watches->first)) {
		watches->first = watch->next;
		free(watch);
	}
}
