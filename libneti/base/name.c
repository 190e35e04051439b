/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "name.h"
#include "text.h"

int name_check_id(const char *id)
{
	size_t length = strlen(id);

	if (length == 0 || length > NAME_ID_MAX)
		return -EINVAL;
	for (size_t i = 0; i < length; i++)
		if (!text_is_graph(id[i]))
			return -EINVAL;
	return 0;
}

int name_check_network(const char *network)
{
	size_t length = strlen(network);

	if (length == 0 || length > NAME_NETWORK_MAX)
		return -EINVAL;
	for (size_t i = 0; i < length; i++)
		if (!text_is_alnum(network[i]) && !strchr("-_.", network[i]))
			return -EINVAL;
	return 0;
}
