/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_THREAD_H
#define NETI_THREAD_H
/*
 * The threads of a guest take none of the program's signals. Each names itself first of all:
 * threads that it starts inherit the name, and the blocked signals.
 */
#include <pthread.h>
#include <signal.h>

/* 0 or -errno. */
static inline int thread_start(pthread_t *ret, void *(*run)(void *), void *data)
{
	sigset_t all, before;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(ret, NULL, run, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -result;
}

#endif
