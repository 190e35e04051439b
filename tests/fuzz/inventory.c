/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Somebody else's list of hosts: lines or JSON.
 */
#include "../../cli/inventory.c"
#include "../../cli/output.c"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct inventory inventory = { 0 };

	memcpy(text, data, size);
	text[size] = '\0';
	if (read_text(&inventory, text, size, "inventory") == 0)
		sort_hosts(&inventory);
	for (size_t i = 0; i < inventory.length; i++)
		PROMISE(*inventory.hosts[i].id);
	inventory_clear(&inventory);
	free(text);
	return 0;
}
