/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers that own what they point to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

#define ROOM_LOWEST 64

bool store_is_name(const char *name)
{
	size_t length = name ? strnlen(name, STORE_NAME_MAX + 1) : 0;

	if (length == 0 || length > STORE_NAME_MAX || strcmp(name, ".") == 0 ||
		strcmp(name, "..") == 0)
		return false;
	for (; *name; name++)
		if (*name == '/' || (unsigned char)*name < ' ' || *name == 0x7f)
			return false;
	return true;
}

int request_set_bytes(struct request *request, const void *bytes, size_t size)
{
	char *copy;

	if (size > STORE_BYTES_MAX || (size && !bytes))
		return -EBADMSG;
	copy = malloc(size + 1);
	if (!copy)
		return -ENOMEM;
	if (size)
		memcpy(copy, bytes, size);
	copy[size] = '\0';
	free(request->bytes);
	request->bytes = copy;
	request->answer.size = size;
	return 0;
}

static int make_room(struct request *request)
{
	size_t room = request->room ? request->room * 2 : ROOM_LOWEST;
	char **names = reallocarray(request->names, room, sizeof(*names));

	if (!names)
		return -ENOMEM;
	request->names = names;
	request->room = room;
	return 0;
}

int request_add_name(struct request *request, const char *name)
{
	char *copy;

	if (!store_is_name(name))
		return -EBADMSG;
	if (request->answer.n_names == request->room && make_room(request) < 0)
		return -ENOMEM;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	request->names[request->answer.n_names++] = copy;
	return 0;
}

void request_tell(struct request *request)
{
	request->answer.bytes = request->bytes;
	request->answer.names = (const char *const *)request->names;
	request->done(request->data, &request->answer);
}

void request_clear(struct request *request)
{
	for (size_t i = 0; i < request->answer.n_names; i++)
		free(request->names[i]);
	free(request->names);
	free(request->bytes);
}
