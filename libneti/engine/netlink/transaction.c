/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gathers messages, puts the marks of a batch round them and sends them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "transaction.h"

#define MARK 64	     /* bytes that the beginning and the end of a batch need at most */
#define PIECE 100000 /* bytes that every socket carries */

static void finish_message(struct transaction *transaction)
{
	if (!transaction->last)
		return;
	transaction->last->nlmsg_seq = ++transaction->n;
	transaction->length += NLMSG_ALIGN(transaction->last->nlmsg_len);
	transaction->last = NULL;
}

void *transaction_next(struct transaction *transaction, size_t room)
{
	finish_message(transaction);
	if (transaction->result == 0)
		transaction->result = ARRAY_RESERVE(transaction->bytes, transaction->size,
			MARK + transaction->length + room + MARK);
	if (transaction->result < 0)
		return NULL;
	transaction->last = (struct nlmsghdr *)(transaction->bytes + MARK + transaction->length);
	return transaction->last;
}

bool transaction_is_empty(const struct transaction *transaction)
{
	return transaction->result == 0 && transaction->n == 0 && !transaction->last;
}

void transaction_clear(struct transaction *transaction)
{
	free(transaction->bytes);
	*transaction = (struct transaction){ 0 };
}

static size_t put_mark(void *space, uint16_t type, uint8_t subsystem, const uint32_t *generation)
{
	/* The subsystem of a batch stands where other messages have the resource. */
	const struct nfgenmsg header = { .version = NFNETLINK_V0, .res_id = htons(subsystem) };
	struct nlmsghdr *mark = netlink_begin(space, type, 0, &header, sizeof(header));

	if (generation)
		netlink_put_be32(mark, NFNL_BATCH_GENID, *generation);
	mark->nlmsg_seq = 0;
	return NLMSG_ALIGN(mark->nlmsg_len);
}

static void note_refusal(void *data, unsigned number, int result)
{
	struct refusal *refusal = data;

	if (result < 0 && refusal->result == 0) {
		refusal->result = result;
		refusal->number = number;
	}
}

/* The messages from "start" on, of that length; what stands round them is overwritten by the marks
 * and put back. Without the mark of the end the kernel looks at all of it and forgets it. */
static int send_piece(struct transaction *transaction, size_t start, size_t length, bool carry_out,
	struct netlink_line *line, uint8_t subsystem, const uint32_t *generation,
	struct refusal *refusal)
{
	char before[MARK], after[MARK], mark[MARK];
	char *from = transaction->bytes + MARK + start, *end = from + length;
	size_t size = put_mark(mark, NFNL_MSG_BATCH_BEGIN, subsystem, generation);
	int r;

	memcpy(before, from - size, size);
	memcpy(from - size, mark, size);
	memcpy(after, end, MARK);
	r = netlink_send(line, NETLINK_NETFILTER, from - size,
		size + length +
			(carry_out ? put_mark(end, NFNL_MSG_BATCH_END, subsystem, NULL) : 0),
		note_refusal, refusal, &refusal->port);
	memcpy(from - size, before, size);
	memcpy(end, after, MARK);
	return r < 0 ? r : refusal->result;
}

/* How much fits one piece; the last of its messages is answered when all is done. */
static size_t piece_length(struct transaction *transaction, size_t start, size_t most)
{
	struct nlmsghdr *message = NULL;
	size_t at = start;

	while (at < transaction->length) {
		struct nlmsghdr *next = (struct nlmsghdr *)(transaction->bytes + MARK + at);

		if (message && at + next->nlmsg_len - start > most)
			break;
		message = next;
		at += NLMSG_ALIGN(next->nlmsg_len);
	}
	if (message)
		message->nlmsg_flags |= NLM_F_ACK;
	return at - start;
}

static int send_pieces(struct transaction *transaction, struct netlink_line *line,
	uint8_t subsystem, const uint32_t *generation, struct refusal *refusal)
{
	int r = 0;

	for (size_t at = 0, length; r == 0 && at < transaction->length; at += length) {
		length = piece_length(transaction, at, PIECE);
		r = send_piece(transaction, at, length, true, line, subsystem,
			at ? NULL : generation, refusal);
	}
	return r;
}

static uint8_t command_of(const struct transaction *transaction, unsigned number)
{
	size_t at = 0;

	for (unsigned i = 1; at < transaction->length; i++) {
		const struct nlmsghdr *message =
			(const struct nlmsghdr *)(transaction->bytes + MARK + at);

		if (i == number)
			return (uint8_t)message->nlmsg_type;
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
	return 0;
}

int transaction_commit(struct transaction *transaction, struct netlink_line *line,
	uint8_t subsystem, const uint32_t *generation, struct refusal *ret)
{
	struct refusal refusal = { 0 };
	size_t length;
	int r;

	finish_message(transaction);
	if (transaction->result < 0)
		return transaction->result;
	length = piece_length(transaction, 0, SIZE_MAX);
	r = length ? send_piece(transaction, 0, length, true, line, subsystem, generation,
			     &refusal) :
		     0;
	if (r == -EMSGSIZE && length > PIECE)
		r = send_pieces(transaction, line, subsystem, generation, &refusal);
	refusal.command = command_of(transaction, refusal.number);
	*ret = refusal;
	return r;
}

int transaction_try(struct transaction *transaction, struct netlink_line *line, uint8_t subsystem,
	struct refusal *ret)
{
	struct refusal refusal = { 0 };
	int r;

	finish_message(transaction);
	if (transaction->result < 0)
		return transaction->result;
	r = send_piece(transaction, 0, piece_length(transaction, 0, SIZE_MAX), false, line,
		subsystem, NULL, &refusal);
	refusal.command = command_of(transaction, refusal.number);
	*ret = refusal;
	return r;
}
