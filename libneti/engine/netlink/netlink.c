/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Carries netlink messages: the only file that calls libmnl.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "netlink.h"

/* The kernel fills up to 32 KiB a message of a dump when the reader asks for as much. */
#define DUMP_SIZE 65536

/* Every socket sends so much at once. */
#define ROOMY 65536

/* A refusal costs the socket's buffer the better part of a kilobyte: these fit a small one. */
#define CHUNK_MESSAGES 128

struct nlmsghdr *netlink_begin(void *space, uint16_t type, uint16_t flags, const void *header,
	size_t size)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(space);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = 1;
	memcpy(mnl_nlmsg_put_extra_header(message, size), header, size);
	return message;
}

struct nlmsghdr *netlink_begin_netfilter(void *space, uint8_t subsystem, uint8_t command,
	uint16_t flags, uint8_t family)
{
	struct nfgenmsg header = { .nfgen_family = family, .version = NFNETLINK_V0 };

	return netlink_begin(space, (uint16_t)(subsystem << 8 | command), flags, &header,
		sizeof(header));
}

/* What stood in the caller's memory is no padding: libmnl leaves it there. */
void netlink_put(struct nlmsghdr *message, uint16_t type, const void *value, size_t size)
{
	memset(mnl_nlmsg_get_payload_tail(message), 0, MNL_ATTR_HDRLEN + MNL_ALIGN(size));
	mnl_attr_put(message, type, size, value);
}

void netlink_put_u8(struct nlmsghdr *message, uint16_t type, uint8_t value)
{
	netlink_put(message, type, &value, sizeof(value));
}

void netlink_put_be32(struct nlmsghdr *message, uint16_t type, uint32_t value)
{
	value = htonl(value);
	netlink_put(message, type, &value, sizeof(value));
}

void netlink_put_text(struct nlmsghdr *message, uint16_t type, const char *text)
{
	netlink_put(message, type, text, strlen(text) + 1);
}

struct nlattr *netlink_nest(struct nlmsghdr *message, uint16_t type)
{
	return mnl_attr_nest_start(message, type);
}

void netlink_end(struct nlmsghdr *message, struct nlattr *nest)
{
	mnl_attr_nest_end(message, nest);
}

void netlink_put_inside(struct nlmsghdr *message, uint16_t type, uint16_t inner, const void *value,
	size_t size)
{
	struct nlattr *nest = netlink_nest(message, type);

	netlink_put(message, inner, value, size);
	netlink_end(message, nest);
}

/*
 * Conversations.
 */
struct reader {
	netlink_read_fn read;
	void *data;
};

static int on_message(const struct nlmsghdr *message, void *data)
{
	const struct reader *reader = data;
	int result = reader->read ? reader->read(reader->data, message) : 0;

	if (result < 0)
		errno = -result;
	return result < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

/* A dump that somebody disturbed is -EINTR: it would have to be read again, whole. */
static int receive(struct mnl_socket *socket, const struct reader *reader)
{
	unsigned port = mnl_socket_get_portid(socket);
	char *space = malloc(DUMP_SIZE);
	ssize_t n;
	int r = 1;

	if (!space)
		return -ENOMEM;
	while (r > 0) {
		n = mnl_socket_recvfrom(socket, space, DUMP_SIZE);
		if (n < 0 && errno == EINTR)
			continue; /* a signal of the caller's */
		r = n < 0 ? -1 : mnl_cb_run(space, (size_t)n, 1, port, on_message, (void *)reader);
	}
	r = r < 0 ? -errno : 0;
	free(space);
	return r;
}

static int open_socket(struct mnl_socket **ret, int protocol)
{
	struct mnl_socket *socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	int r;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		mnl_socket_close(socket);
		return r;
	}
	*ret = socket;
	return 0;
}

static uint64_t find_place(void)
{
	struct stat here;

	return stat("/proc/thread-self/ns/net", &here) == 0 ? here.st_ino : 0;
}

void netlink_line_close(struct netlink_line *line)
{
	if (line->socket)
		mnl_socket_close(line->socket);
	*line = (struct netlink_line){ 0 };
}

static int take_socket(struct netlink_line *line, int protocol, struct mnl_socket **ret)
{
	uint64_t place = line ? find_place() : 0;
	int r = 0;

	if (line && line->socket && line->place != place)
		netlink_line_close(line);
	if (line && line->socket)
		*ret = line->socket;
	else
		r = open_socket(ret, protocol);
	if (r == 0 && place)
		*line = (struct netlink_line){ *ret, place };
	return r;
}

/* After a failure something may still be on its way. */
static void leave_socket(struct netlink_line *line, struct mnl_socket *socket, int result)
{
	if (!line || line->socket != socket)
		mnl_socket_close(socket);
	else if (result < 0)
		netlink_line_close(line);
}

int netlink_request(struct netlink_line *line, int protocol, struct nlmsghdr *message,
	netlink_read_fn read, void *data)
{
	const struct reader reader = { read, data };
	struct mnl_socket *socket;
	int r = take_socket(line, protocol, &socket);

	if (r < 0)
		return r;
	/* A dump tells its end by itself; some single answers bear the mark of a dump and do not. */
	if (!(message->nlmsg_flags & NLM_F_DUMP))
		message->nlmsg_flags |= NLM_F_ACK;
	r = mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ? -errno :
									 receive(socket, &reader);
	/* That there is no such thing is an answer, and the last one, unless it is to a dump. */
	leave_socket(line, socket, r == -ENOENT && !(message->nlmsg_flags & NLM_F_DUMP) ? 0 : r);
	return r;
}

/* The second is what a user namespace may have, as far as the machine allows it. */
static void make_room(struct mnl_socket *socket, size_t length)
{
	int size = (int)length + 4096;

	if (length < ROOMY)
		return;
	if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void tell_answers(const char *space, size_t size, netlink_answer_fn answer, void *data)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)space;
	int left = (int)size;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

		if (message->nlmsg_type == NLMSG_ERROR &&
			mnl_nlmsg_get_payload_len(message) >= sizeof(*error))
			answer(data, error->msg.nlmsg_seq, error->error);
	}
}

int netlink_send(struct netlink_line *line, int protocol, const void *messages, size_t length,
	netlink_answer_fn answer, void *data, uint32_t *ret_port)
{
	struct mnl_socket *socket;
	char space[8192];
	ssize_t n = 1;
	int on = 1, r = take_socket(line, protocol, &socket);

	if (r < 0)
		return r;
	*ret_port = mnl_socket_get_portid(socket);
	mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof(on));
	make_room(socket, length);
	if (mnl_socket_sendto(socket, messages, length) < 0)
		r = -errno;
	while (r == 0 && n > 0) {
		n = recv(mnl_socket_get_fd(socket), space, sizeof(space), MSG_DONTWAIT);
		if (n > 0)
			tell_answers(space, (size_t)n, answer, data);
		else if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0 && errno != EAGAIN)
			r = -errno;
	}
	leave_socket(line, socket, r);
	return r;
}

/*
 * Listening.
 */
struct netlink_listener {
	struct mnl_socket *socket;
	char space[DUMP_SIZE];
};

int netlink_listen(struct netlink_listener **ret, int protocol, unsigned group)
{
	struct netlink_listener *listener = malloc(sizeof(*listener));
	int r = listener ? open_socket(&listener->socket, protocol) : -ENOMEM;

	if (r == 0 && mnl_socket_setsockopt(listener->socket, NETLINK_ADD_MEMBERSHIP, &group,
			      sizeof(group)) < 0) {
		r = -errno;
		mnl_socket_close(listener->socket);
	}
	if (r < 0)
		free(listener);
	else
		*ret = listener;
	return r;
}

struct netlink_listener *netlink_listener_close(struct netlink_listener *listener)
{
	if (listener)
		mnl_socket_close(listener->socket);
	free(listener);
	return NULL;
}

int netlink_listener_descriptor(const struct netlink_listener *listener)
{
	return mnl_socket_get_fd(listener->socket);
}

int netlink_hear(struct netlink_listener *listener, netlink_read_fn read, void *data)
{
	const struct reader reader = { read, data };
	int fd = mnl_socket_get_fd(listener->socket), r = 1;
	ssize_t n;

	while (r > 0) {
		n = recv(fd, listener->space, sizeof(listener->space), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		r = mnl_cb_run(listener->space, (size_t)n, 0, 0, on_message, (void *)&reader);
	}
	return r < 0 ? -errno : 0;
}

/*
 * Reading.
 */
const void *netlink_payload(const struct nlmsghdr *message, size_t *ret_size)
{
	*ret_size = mnl_nlmsg_get_payload_len(message);
	return mnl_nlmsg_get_payload(message);
}

static void keep(const struct nlattr *attribute, const struct nlattr **ret, size_t n)
{
	uint16_t type = mnl_attr_get_type(attribute);

	if (type < n)
		ret[type] = attribute;
}

void netlink_attributes(const struct nlmsghdr *message, size_t skip, const struct nlattr **ret,
	size_t n)
{
	const struct nlattr *attribute;

	memset(ret, 0, n * sizeof(*ret));
	mnl_attr_for_each (attribute, message, skip)
		keep(attribute, ret, n);
}

void netlink_nested(const struct nlattr *nest, const struct nlattr **ret, size_t n)
{
	const struct nlattr *attribute = NULL;

	memset(ret, 0, n * sizeof(*ret));
	while (nest && (attribute = netlink_next(nest, attribute)))
		keep(attribute, ret, n);
}

const struct nlattr *netlink_next(const struct nlattr *nest, const struct nlattr *attribute)
{
	const char *end = (const char *)mnl_attr_get_payload(nest) + mnl_attr_get_payload_len(nest);
	const struct nlattr *next =
		attribute ? mnl_attr_next(attribute) : mnl_attr_get_payload(nest);

	return mnl_attr_ok(next, (int)(end - (const char *)next)) ? next : NULL;
}

uint16_t netlink_type(const struct nlattr *attribute)
{
	return mnl_attr_get_type(attribute);
}

const void *netlink_value(const struct nlattr *attribute, size_t *ret_size)
{
	*ret_size = mnl_attr_get_payload_len(attribute);
	return mnl_attr_get_payload(attribute);
}

uint8_t netlink_u8(const struct nlattr *attribute)
{
	return attribute && mnl_attr_get_payload_len(attribute) == 1 ? mnl_attr_get_u8(attribute) :
								       0;
}

uint32_t netlink_be32(const struct nlattr *attribute)
{
	return attribute && mnl_attr_get_payload_len(attribute) == 4 ?
		       ntohl(mnl_attr_get_u32(attribute)) :
		       0;
}

uint64_t netlink_be64(const struct nlattr *attribute)
{
	return attribute && mnl_attr_get_payload_len(attribute) == 8 ?
		       be64toh(mnl_attr_get_u64(attribute)) :
		       0;
}

/*
 * Batches.
 */
struct netlink_batch {
	int protocol;
	struct mnl_socket *socket; /* NULL: nothing was sent */
	netlink_refused_fn refused;
	void *data;
	struct nlmsghdr *last; /* the message being built; NULL: none yet */
	size_t length;	       /* of what stands before it */
	unsigned n;	       /* messages, with it */
	int result;	       /* the first failure of the conversation itself */
	char space[CHUNK_MESSAGES * NETLINK_BATCH_MESSAGE];
};

int netlink_batch_open(struct netlink_batch **ret, int protocol, netlink_refused_fn refused,
	void *data)
{
	struct netlink_batch *batch = malloc(sizeof(*batch));

	if (!batch)
		return -ENOMEM;
	batch->socket = NULL;
	batch->protocol = protocol;
	batch->refused = refused;
	batch->data = data;
	batch->last = NULL;
	batch->length = 0;
	batch->n = 0;
	batch->result = 0;
	*ret = batch;
	return 0;
}

/* When there is something to send. */
static int open_batch(struct netlink_batch *batch)
{
	int r = batch->socket ? 0 : open_socket(&batch->socket, batch->protocol), on = 1;

	/* A refusal then repeats the header of its message alone. */
	if (r == 0)
		mnl_socket_setsockopt(batch->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	return r;
}

/* True when the answer to the last message was among these. */
static bool read_answers(struct netlink_batch *batch, const char *space, size_t size)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)space;
	int left = (int)size;
	bool done = false;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);

		if (message->nlmsg_type != NLMSG_ERROR ||
			mnl_nlmsg_get_payload_len(message) < sizeof(*answer))
			continue;
		if (answer->error)
			batch->refused(batch->data, answer->error);
		done |= answer->msg.nlmsg_seq == batch->n;
	}
	return done;
}

static int send_lump(struct netlink_batch *batch)
{
	char space[8192];
	bool done = false;
	int r = open_batch(batch);
	ssize_t n;

	if (r < 0)
		return r;
	batch->last->nlmsg_flags |= NLM_F_ACK;
	batch->length += batch->last->nlmsg_len;
	if (mnl_socket_sendto(batch->socket, batch->space, batch->length) < 0)
		return -errno;
	while (!done) {
		n = mnl_socket_recvfrom(batch->socket, space, sizeof(space));
		if (n < 0 && errno != EINTR)
			return -errno;
		done = n > 0 && read_answers(batch, space, (size_t)n);
	}
	batch->last = NULL;
	batch->length = 0;
	batch->n = 0;
	return 0;
}

/* The message being built is complete: its number tells its answer. */
static void close_message(struct netlink_batch *batch)
{
	batch->last->nlmsg_seq = ++batch->n;
	if (batch->n == CHUNK_MESSAGES) {
		batch->result = send_lump(batch);
		return;
	}
	batch->length += MNL_ALIGN(batch->last->nlmsg_len);
}

void *netlink_batch_next(struct netlink_batch *batch)
{
	if (batch->last && batch->result == 0)
		close_message(batch);
	if (batch->result < 0)
		return NULL;
	batch->last = (struct nlmsghdr *)(batch->space + batch->length);
	return batch->last;
}

int netlink_batch_close(struct netlink_batch *batch)
{
	int r;

	if (batch->last && batch->result == 0) {
		batch->last->nlmsg_seq = ++batch->n;
		batch->result = send_lump(batch);
	}
	r = batch->result;
	if (batch->socket)
		mnl_socket_close(batch->socket);
	free(batch);
	return r;
}
