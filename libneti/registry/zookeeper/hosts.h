/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ZOOKEEPER_HOSTS_H
#define NETI_ZOOKEEPER_HOSTS_H
/*
 * The servers of an ensemble as the ZooKeeper client wants them.
 */
#include "base/error.h"

/* "h1,h2:2182" becomes "h1:2181,h2:2182"; the caller frees. -EINVAL with a sentence. */
int zookeeper_hosts_write(char **ret, const char *address, struct error *error);
/* The same, and one address more where the names have an even number of them: after a failure the
 * client steps on twice, so of two servers it would try one for ever, without a pause. Asks for the
 * names, and waits for that as the client does. The caller frees; NULL without memory. */
char *zookeeper_hosts_odd(const char *hosts);

#endif
