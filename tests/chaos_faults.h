/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_CHAOS_FAULTS_H
#define NETI_TESTS_CHAOS_FAULTS_H
/*
 * Makes the n-th allocation, system call or answer of the registry's store fail, whoever asks:
 * the library or a library below it. Functions of these names stand in the program, before
 * those of libc; the store is wrapped by the linker (Makefile.am).
 */
#include <stdbool.h>

enum fault {
	FAULT_MEMORY,
	FAULT_SYSTEM,
	FAULT_ANSWER, /* the store answers -EIO, and has done nothing */
	FAULT_REQUEST /* the store takes the request not at all: -ENOMEM */
};

/* What a life must give back. */
struct fault_holdings {
	long allocations; /* 0 where they cannot be counted */
	int descriptors;
	int threads;
};

/* Where allocations belong to a sanitizer they cannot be made to fail. */
bool faults_possible(enum fault fault);
/* From 0; on all threads but those that are spared. Once. */
void faults_arm(enum fault fault, long n);
/* Ends it. What has failed, and whose call it was; NULL when nothing has. */
const char *faults_disarm(void);
/* The calling thread's own calls neither fail nor count. */
void faults_spare(bool spare);
/* Nothing fails or counts meanwhile, on any thread. */
void faults_pause(bool pause);
struct fault_holdings faults_holdings(void);

/* For the wrapped calls: whether this one is it. */
bool faults_strike(enum fault fault, const char *call, const void *caller);

#endif
