/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CLI_INVENTORY_H
#define NETI_CLI_INVENTORY_H
/*
 * The hosts that there should be, from a list of somebody else's.
 */
#include <stddef.h>

struct host {
	char *id;
	char *private_address, *public_address; /* NULL: not told */
};

struct inventory {
	struct host *hosts;
	size_t length, size;
};

/*
 * Reads a file, or stdin for "-": ids one a line; or JSON: an array of ids, or what
 * "aws ec2 describe-instances" prints, of which only running instances count; pages may follow
 * each other. The hosts come sorted by id, each once.
 * 0, or -1 after saying why on stderr.
 */
int inventory_read(struct inventory *ret, const char *path);
void inventory_clear(struct inventory *inventory);

#endif
