/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_WRONG_CLOCK_H
#define NETI_TESTS_WRONG_CLOCK_H
/*
 * A wall clock that is wrong, for the whole program that links this: its own calls and those of
 * the libraries it uses. The monotonic clock stays right, as it does on a machine.
 */

/* The shared seconds that the program's wall clock is off, in a file that others may change. */
void wrong_clock_follow(const char *path);
void wrong_clock_set(const char *path, int seconds);

#endif
