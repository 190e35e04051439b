/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ZOOKEEPER_LOG_H
#define NETI_ZOOKEEPER_LOG_H
/*
 * The ZooKeeper client's log. Its log function has no context argument and is called from any of
 * its threads, so every store gets a function of its own from a table; lines are thinned out
 * there and told on the owner's thread.
 */
#include "base/log.h"

/* A slot, or -1 when all are in use or nobody listens: that store's lines are dropped. ready: an
 * eventfd to write to when there is a line. */
int zookeeper_log_open(const struct log *log, int ready);
void zookeeper_log_close(int slot);
void (*zookeeper_log_function(int slot))(const char *message);
/* Hands the lines that wait to the owner's log. */
void zookeeper_log_tell(int slot, const struct log *log);

#endif
