/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_HOOK_H
#define NETI_CLI_HOOK_H
/*
 * on_register: a program that is run when this host has joined, once for each lease, network and
 * addresses. It runs beside the loop of "run", which waits for it no longer than for anything
 * else. The library starts no process: that is for the daemon to do, or not.
 */
#include "netictl.h"

struct hook;

/* command may be NULL: nothing is run. NULL without memory, which all the others take. */
struct hook *hook_new(const struct netictl *netictl, const char *command);
void hook_free(struct hook *hook); /* ends the program with all that it started */
void hook_set_command(struct hook *hook, const char *command);
void hook_joined(struct hook *hook, const struct neti_member *member);

/* What it wants to be woken by: a descriptor to read from (or -1), SIGCHLD, and a time in
 * milliseconds from now (or -1). Then hook_advance(). */
int hook_descriptor(const struct hook *hook);
int hook_wait(const struct hook *hook);
void hook_advance(struct hook *hook);

#endif
