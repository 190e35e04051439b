/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thread that waits to be told that there is nothing to tell any more. No timer signal: those
 * would interrupt the very calls that are waited for.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "output.h"
#include "progress.h"

struct progress {
	const char *what;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool stop;
};

static void *show_seconds(void *data)
{
	struct progress *progress = data;
	struct timespec next;
	unsigned seconds = 0;

	clock_gettime(CLOCK_REALTIME, &next);
	pthread_mutex_lock(&progress->mutex);
	while (!progress->stop) {
		next.tv_sec++;
		while (!progress->stop && pthread_cond_timedwait(&progress->wake, &progress->mutex,
						  &next) != ETIMEDOUT)
			continue;
		if (!progress->stop)
			fprintf(stderr, "\rnetictl: %s, %u s ", progress->what, ++seconds);
	}
	pthread_mutex_unlock(&progress->mutex);
	if (seconds)
		fputs("\r\033[K", stderr);
	return NULL;
}

struct progress *progress_start(const struct netictl *netictl, const char *what)
{
	struct progress *progress;
	sigset_t all, before;
	int result;

	if (netictl->line.quiet || !isatty(STDERR_FILENO))
		return NULL;
	progress = calloc(1, sizeof(*progress));
	if (!progress)
		return NULL;
	progress->what = what;
	pthread_mutex_init(&progress->mutex, NULL);
	pthread_cond_init(&progress->wake, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&progress->thread, NULL, show_seconds, progress);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result == 0)
		return progress;
	free(progress);
	return NULL;
}

void progress_stop(struct progress *progress)
{
	if (!progress)
		return;
	pthread_mutex_lock(&progress->mutex);
	progress->stop = true;
	pthread_cond_signal(&progress->wake);
	pthread_mutex_unlock(&progress->mutex);
	pthread_join(progress->thread, NULL);
	free(progress);
}
