/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's answers: one byte that chooses the reader, then messages as they come from a socket.
 */
#include "engine/conntrack/message.c"
#include "engine/iptables/ipset_read.c"
#include "fuzz.h"

static int visit(void *data, const struct entry *entry)
{
	*(uint32_t *)data +=
		entry->protocol + (uint32_t)entry->destination.bytes[0] + entry->answers.bytes[0];
	return 0;
}

static void found(void *data, const char *name)
{
	*(uint32_t *)data += (uint32_t)strlen(name);
}

static uint32_t sum;
static struct visit every_entry = { visit, &sum };
static struct names every_name = { "neti-", found, &sum };
static struct netlink_set set;
static struct members members;
static struct denied_list denied;

static const struct {
	netlink_read_fn read;
	void *data;
} readers[] = {
	{ on_entry, &every_entry },
	{ on_header, &set },
	{ on_members, &members },
	{ on_denied, &denied },
	{ on_name, &every_name },
};

/* libmnl's own walk believes the kernel in the length of a message, and never ends at 2^32 - 1. */
static void read_messages(size_t reader, const char *messages, size_t size)
{
	const struct nlmsghdr *message;
	size_t at = 0;

	while (size - at >= sizeof(*message)) {
		message = (const void *)(messages + at);
		if (message->nlmsg_len < sizeof(*message) || message->nlmsg_len > size - at ||
			readers[reader].read(readers[reader].data, message) < 0)
			break;
		at += NLMSG_ALIGN(message->nlmsg_len);
		if (at > size)
			break;
	}
}

static void check_members(void)
{
	struct address *addresses;
	size_t n;

	PROMISE(hand_over(&members, &addresses, &n) == 0 && n <= members.n);
	for (size_t i = 1; i < n; i++)
		PROMISE(address_compare(&addresses[i - 1], &addresses[i]) < 0);
	free(addresses);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t reader = size ? data[0] % (sizeof(readers) / sizeof(*readers)) : 0;
	char *messages;

	if (size < 2)
		return 0;
	messages = calloc(1, NLMSG_ALIGN(size - 1)); /* the last one's padding is read, too */
	memcpy(messages, data + 1, size - 1);
	read_messages(reader, messages, size - 1);
	free(messages);
	check_members();
	free(members.items);
	free(denied.items);
	members = (struct members){ 0 };
	denied = (struct denied_list){ 0 };
	set = (struct netlink_set){ 0 };
	return 0;
}
