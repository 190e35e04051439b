/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NAME_H
#define NETI_NAME_H
/*
 * What hosts and networks may be called.
 */

#define NAME_ID_MAX 128 /* bytes, without the NUL */
#define NAME_NETWORK_MAX 32

/* 0, or -EINVAL: an id is 1 to NAME_ID_MAX printable ASCII characters without a space, a network
 * name 1 to NAME_NETWORK_MAX letters, digits, "-", "_" and ".". */
int name_check_id(const char *id);
int name_check_network(const char *network);

#endif
