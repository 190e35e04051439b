/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ZOOKEEPER_HOSTS_H
#define NETI_ZOOKEEPER_HOSTS_H
/*
 * The servers of an ensemble as the ZooKeeper client wants them. Pure.
 */
#include "../error.h"

/* "h1,h2:2182" becomes "h1:2181,h2:2182"; the caller frees. -EINVAL with a sentence. */
int zookeeper_hosts_write(char **ret, const char *address, struct error *error);

#endif
