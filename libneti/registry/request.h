/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_REQUEST_H
#define NETI_REQUEST_H
/*
 * A request to a store from its start to its answer, with the memory that the answer points to.
 * Zeroed memory with done and data is a new one. It knows nothing of threads and stores.
 */
#include "store.h"

struct request {
	store_done done;
	void *data;
	struct store_answer answer;
	char *bytes;
	char **names; /* answer.n_names of them */
	size_t room;
};

/* Copies; -ENOMEM, and -EBADMSG for what no store holds: bytes may be anybody's. */
int request_set_bytes(struct request *request, const void *bytes, size_t size);
int request_add_name(struct request *request, const char *name);
/* Calls done. */
void request_tell(struct request *request);
/* The answer's memory. */
void request_clear(struct request *request);

#endif
