/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NETLINK_H
#define NETI_NETLINK_H
/*
 * Netlink messages: built, sent, read. Knows no subsystem; the types are the kernel's own. A
 * conversation is held in the calling thread's network namespace.
 */
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A message in the caller's space, which must be large enough for it: the header of the
 * message, that of the subsystem, attributes in the order they are put.
 */
struct nlmsghdr *netlink_begin(void *space, uint16_t type, uint16_t flags, const void *header,
	size_t size);
/* For NETLINK_NETFILTER: subsystem is NFNL_SUBSYS_*, family AF_*. */
struct nlmsghdr *netlink_begin_netfilter(void *space, uint8_t subsystem, uint8_t command,
	uint16_t flags, uint8_t family);
void netlink_put(struct nlmsghdr *message, uint16_t type, const void *value, size_t size);
void netlink_put_u8(struct nlmsghdr *message, uint16_t type, uint8_t value);
void netlink_put_be32(struct nlmsghdr *message, uint16_t type, uint32_t value);
void netlink_put_text(struct nlmsghdr *message, uint16_t type, const char *text);
/* A value inside an attribute. */
void netlink_put_inside(struct nlmsghdr *message, uint16_t type, uint16_t inner, const void *value,
	size_t size);
/* The attributes put until netlink_end stand inside. */
struct nlattr *netlink_nest(struct nlmsghdr *message, uint16_t type);
void netlink_end(struct nlmsghdr *message, struct nlattr *nest);

/* A socket that is kept from one conversation to the next: whoever closes one after a change of
 * nftables waits until the kernel has freed what was deleted, for milliseconds. All zero: none
 * yet. Without one, NULL, each conversation has a socket of its own. */
struct netlink_line {
	struct mnl_socket *socket;
	uint64_t place; /* the network namespace; 0: not known, and the socket is not kept */
};
void netlink_line_close(struct netlink_line *line);

/* Sends and calls back for every message of the answer, whose length was checked; a negative
 * result of the callback ends it. 0, or -errno (the kernel's or the callback's). */
typedef int (*netlink_read_fn)(void *data, const struct nlmsghdr *message);
int netlink_request(struct netlink_line *line, int protocol, struct nlmsghdr *message,
	netlink_read_fn read, void *data);

/* What stands behind the header of the message, or of the subsystem. */
const void *netlink_payload(const struct nlmsghdr *message, size_t *ret_size);
/* The attributes by type, NULL where there is none; n types from 0, others are passed over.
 * skip: the size of the subsystem's header. */
void netlink_attributes(const struct nlmsghdr *message, size_t skip, const struct nlattr **ret,
	size_t n);
void netlink_nested(const struct nlattr *nest, const struct nlattr **ret, size_t n);
/* The attributes of a nest one by one: NULL before the first, NULL after the last. */
const struct nlattr *netlink_next(const struct nlattr *nest, const struct nlattr *attribute);
uint16_t netlink_type(const struct nlattr *attribute);
const void *netlink_value(const struct nlattr *attribute, size_t *ret_size);
/* 0 for none and for one of another size. */
uint8_t netlink_u8(const struct nlattr *attribute);
uint32_t netlink_be32(const struct nlattr *attribute);
uint64_t netlink_be64(const struct nlattr *attribute);

/* Sends messages that the kernel answers before it takes the next ones, and calls back for each
 * answer: the number that the message has (nlmsg_seq), and 0 or -errno. -EMSGSIZE: too long for a
 * socket of this namespace. */
typedef void (*netlink_answer_fn)(void *data, unsigned number, int result);
int netlink_send(struct netlink_line *line, int protocol, const void *messages, size_t length,
	netlink_answer_fn answer, void *data, uint32_t *ret_port);

/* What is told to all who listen to a group. A port is that of the conversation which made the
 * kernel tell it: nlmsg_pid. */
struct netlink_listener;
int netlink_listen(struct netlink_listener **ret, int protocol, unsigned group);
struct netlink_listener *netlink_listener_close(struct netlink_listener *listener);
int netlink_listener_descriptor(const struct netlink_listener *listener);
/* Calls back for all that has come, and waits for nothing. -ENOBUFS: some of it was lost. */
int netlink_hear(struct netlink_listener *listener, netlink_read_fn read, void *data);

/*
 * Many messages that ask for no answer, in chunks. refused is called for each that the kernel
 * did not take, with its -errno; the others go on.
 */
struct netlink_batch;
typedef void (*netlink_refused_fn)(void *data, int result);
#define NETLINK_BATCH_MESSAGE 512 /* bytes that one message may have */

int netlink_batch_open(struct netlink_batch **ret, int protocol, netlink_refused_fn refused,
	void *data);
/* Room for the next message, built there with netlink_begin and complete when this is called
 * again. NULL after a failure, which netlink_batch_close tells. */
void *netlink_batch_next(struct netlink_batch *batch);
/* Sends what is left and frees: 0 or -errno. */
int netlink_batch_close(struct netlink_batch *batch);

#endif
