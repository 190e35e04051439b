/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ZooKeeper server that can lie. Sessions, requests, watches.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_reader.h"
#include "fake_tree.h"
#include "fake_zookeeper.h"

#define WATCHES 160

#define N(of) (sizeof(of) / sizeof((of)[0]))

enum event { EVENT_CREATED = 1, EVENT_DELETED, EVENT_CHANGED, EVENT_CHILDREN };

struct connection {
	int fd;
	bool greeted;
	int64_t session;
	char in[FAKE_FRAME];
	size_t length;
};

struct watch {
	char path[400];
	bool children;
	struct connection *of;
};

struct fake {
	int listener;
	unsigned port;
	struct tree tree;
	bool healed;
	int error;
	unsigned failing, requests; /* kinds of those; how many there were */
	struct watch watches[WATCHES];
	size_t n_watches;
	struct connection connections[FAKE_CONNECTIONS];
	int64_t sessions;
	struct script script;
	struct writer writer;
};

/* --- writing ------------------------------------------------------------------------------------ */

static struct writer *begin(struct fake *fake, const char *name)
{
	writer_begin(&fake->writer, &fake->script, name);
	return &fake->writer;
}

static void finish(struct writer *writer, struct connection *connection)
{
	writer_end(writer);
	/* What does not fit into the socket at once goes to somebody who does not read. */
	(void)!send(connection->fd, writer->bytes, writer->length, MSG_NOSIGNAL);
}

static void put_header(struct fake *fake, int32_t xid, int32_t error)
{
	struct writer *writer = &fake->writer;

	writer_put_int(writer, FIELD_XID, xid);
	writer_put_long(writer, FIELD_ZXID, fake->tree.zxid);
	writer_put_int(writer, FIELD_ERROR, error);
}

/* may_end: not among operations, where the client asserts that more follows. */
static void put_stat(struct writer *writer, const struct node *node, bool may_end)
{
	writer_put_long(writer, FIELD_LONG, 1);
	writer_put_long(writer, FIELD_LONG, 1);
	writer_put_long(writer, FIELD_LONG, 1763901441000);
	writer_put_long(writer, FIELD_LONG, 1763901441000);
	writer_put_int(writer, FIELD_INT, node->version);
	writer_put_int(writer, FIELD_INT, 0);
	writer_put_int(writer, FIELD_INT, 0);
	if (may_end)
		writer_may_end(writer);
	writer_put_long(writer, FIELD_LONG, node->owner);
	writer_put_int(writer, FIELD_INT, (int32_t)node->size);
	writer_put_int(writer, FIELD_INT, 0);
	writer_put_long(writer, FIELD_LONG, node->pzxid);
}

/* --- watches ------------------------------------------------------------------------------------ */

static void send_event(struct fake *fake, struct connection *to, enum event type, const char *path)
{
	struct writer *writer = begin(fake, NULL);

	put_header(fake, -1, 0);
	writer_put_int(writer, FIELD_INT, type);
	writer_put_int(writer, FIELD_INT, 3);
	writer_put_text(writer, FIELD_PATH, path, strlen(path));
	finish(writer, to);
}

static void went_off(struct fake *fake, const char *path, bool children, enum event type)
{
	for (size_t i = 0; i < fake->n_watches; i++) {
		struct watch watch = fake->watches[i];

		if (watch.children != children || strcmp(watch.path, path) != 0)
			continue;
		fake->watches[i--] = fake->watches[--fake->n_watches];
		send_event(fake, watch.of, type, watch.path);
	}
}

static void add_watch(struct fake *fake, struct connection *of, const char *path, bool children)
{
	struct watch *watch = &fake->watches[fake->n_watches];

	if (fake->n_watches == WATCHES)
		return;
	snprintf(watch->path, sizeof(watch->path), "%s", path);
	watch->children = children;
	watch->of = of;
	fake->n_watches++;
}

/* --- answering ---------------------------------------------------------------------------------- */

static void answer_get(struct fake *fake, struct connection *to, int32_t xid, const char *path)
{
	struct writer *writer = begin(fake, "get");
	const struct node *node = tree_find(&fake->tree, path);

	put_header(fake, xid, node ? 0 : -101);
	if (node) {
		writer_put_text(writer, FIELD_DATA, node->data, node->size);
		writer_may_end(writer);
		put_stat(writer, node, true);
	}
	finish(writer, to);
}

static void answer_children(struct fake *fake, struct connection *to, int32_t xid, const char *path)
{
	struct writer *writer = begin(fake, "children");
	const struct node *node = tree_find(&fake->tree, path);
	int32_t n = 0;

	put_header(fake, xid, node ? 0 : -101);
	for (size_t i = 0; i < fake->tree.n_nodes; i++)
		n += tree_is_child(&fake->tree.nodes[i], path);
	if (node)
		writer_put_int(writer, FIELD_COUNT, n);
	for (size_t i = 0; i < fake->tree.n_nodes && node; i++) {
		const char *name = fake->tree.nodes[i].path + strlen(path) + 1;

		if (!tree_is_child(&fake->tree.nodes[i], path))
			continue;
		writer_may_end(writer);
		writer_put_text(writer, FIELD_NAME, name, strlen(name));
	}
	if (node)
		put_stat(writer, node, true);
	finish(writer, to);
}

#define CHANGES 80

static size_t read_changes(struct reader *reader, struct change changes[CHANGES])
{
	size_t n = 0;

	while (reader->at < reader->end && n < CHANGES) {
		struct change *change = &changes[n];
		char text[64];

		change->kind = reader_int(reader);
		if (*reader->at++) /* done */
			break;
		reader_int(reader);
		change->flags = 0;
		change->size = 0;
		reader_text(reader, change->path, sizeof(change->path));
		if (change->kind == OP_CREATE || change->kind == OP_SET)
			change->size = reader_text(reader, change->data, sizeof(change->data));
		if (change->kind == OP_CREATE) {
			for (int32_t acls = reader_int(reader); acls > 0; acls--) {
				reader_int(reader);
				reader_text(reader, text, sizeof(text));
				reader_text(reader, text, sizeof(text));
			}
			change->flags = reader_int(reader);
		} else {
			change->version = reader_int(reader);
		}
		n++;
	}
	return n;
}

static void tell_change(struct fake *fake, const struct change *change)
{
	static const enum event events[] = {
		[OP_CREATE] = EVENT_CREATED, [OP_DELETE] = EVENT_DELETED, [OP_SET] = EVENT_CHANGED
	};
	char parent[400];

	if (change->kind == OP_CHECK)
		return;
	went_off(fake, change->path, false, events[change->kind]);
	snprintf(parent, sizeof(parent), "%s", change->path);
	*strrchr(parent, '/') = '\0';
	if (change->kind != OP_SET)
		went_off(fake, parent, true, EVENT_CHILDREN);
}

static void put_kind(struct writer *writer, int32_t kind, bool done)
{
	/* An answer that begins as a failure and goes on as none is more than the client bears, and
	 * so is more of them than were asked for. */
	if (kind == OP_ERROR) {
		int32_t number = (int32_t)htonl((uint32_t)kind);

		writer_put(writer, &number, sizeof(number));
	} else {
		writer_put_int(writer, FIELD_KIND, kind);
	}
	if (done)
		writer_put(writer, "\1", 1);
	else
		writer_put_bool(writer, FIELD_DONE, false);
	writer_put_int(writer, FIELD_ERROR, done ? -1 : 0);
}

static void answer_multi(struct fake *fake, struct connection *to, int32_t xid,
	struct reader *reader)
{
	static struct change changes[CHANGES];
	size_t n = read_changes(reader, changes), failed;
	struct writer *writer;
	int32_t error, told;

	failed = tree_change(&fake->tree, changes, n, to->session, &error);
	for (size_t i = 0; i < n && !error; i++)
		tell_change(fake, &changes[i]);
	writer = begin(fake, error ? "multi that fails" : "multi");
	put_header(fake, xid, 0);
	for (size_t i = 0; i < n; i++) {
		struct node *node = tree_find(&fake->tree, changes[i].path);

		told = i == failed ? error : -2;
		put_kind(writer, error ? OP_ERROR : changes[i].kind, false);
		if (error)
			writer_put_int(writer, FIELD_ERROR, i < failed ? 0 : told);
		else if (changes[i].kind == OP_CREATE)
			writer_put_text(writer, FIELD_PATH, changes[i].path,
				strlen(changes[i].path));
		else if (changes[i].kind == OP_SET && node)
			put_stat(writer, node, false);
	}
	put_kind(writer, OP_ERROR, true);
	finish(writer, to);
}

static void answer_connect(struct fake *fake, struct connection *to, struct reader *reader)
{
	struct writer *writer = begin(fake, "connect");

	reader->at += 4 + 8 + 4;
	memcpy(&to->session, reader->at, 8);
	to->session = (int64_t)be64toh((uint64_t)to->session);
	if (!to->session)
		to->session = 0x1000 + ++fake->sessions;
	to->greeted = true;
	writer_put_int(writer, FIELD_INT, 0);
	writer_put_int(writer, FIELD_TIMEOUT, 4000);
	writer_put_long(writer, FIELD_SESSION, to->session);
	writer_put_int(writer, FIELD_INT, 16);
	writer_put(writer, "0123456789abcdef", 16);
	writer_put_bool(writer, FIELD_DONE, false); /* whether it only reads */
	finish(writer, to);
}

static void answer_empty(struct fake *fake, struct connection *to, int32_t xid)
{
	struct writer *writer = begin(fake, NULL);

	put_header(fake, xid, 0);
	finish(writer, to);
}

/* A session ends with its connection: nobody here is away for a while. */
static void hang_up(struct fake *fake, struct connection *connection)
{
	close(connection->fd);
	connection->fd = -1;
	for (size_t i = 0; i < fake->n_watches; i++)
		if (fake->watches[i].of == connection)
			fake->watches[i--] = fake->watches[--fake->n_watches];
}

static void take_watches(struct fake *fake, struct connection *of, struct reader *reader)
{
	reader->at += 8;
	for (int list = 0; list < 3; list++)
		for (int32_t n = reader_int(reader); n > 0 && reader->at < reader->end; n--) {
			char path[400];

			reader_text(reader, path, sizeof(path));
			add_watch(fake, of, path, list == 2);
		}
}

/* All of them: what was told wrongly is read again. */
static void all_went_off(struct fake *fake)
{
	while (fake->n_watches) {
		struct watch watch = fake->watches[0];

		went_off(fake, watch.path, watch.children,
			watch.children ? EVENT_CHILDREN : EVENT_CHANGED);
	}
}

static bool answer_error(struct fake *fake, struct connection *to, int32_t xid, int32_t kind)
{
	unsigned of = kind == OP_GET	  ? FAKE_GET :
		      kind == OP_CHILDREN ? FAKE_CHILDREN :
		      kind == OP_MULTI	  ? FAKE_MULTI :
					    0;

	fake->requests += of != 0;
	if (!fake->error || !(fake->failing & of))
		return false;
	begin(fake, NULL);
	put_header(fake, xid, fake->error);
	finish(&fake->writer, to);
	return true;
}

static void answer(struct fake *fake, struct connection *to, struct reader reader)
{
	char path[400];
	int32_t xid, kind;

	if (!to->greeted) {
		answer_connect(fake, to, &reader);
		return;
	}
	xid = reader_int(&reader);
	kind = reader_int(&reader);
	if (answer_error(fake, to, xid, kind))
		return;
	switch (kind) {
	case OP_GET:
	case OP_CHILDREN:
		reader_text(&reader, path, sizeof(path));
		if (*reader.at && tree_find(&fake->tree, path))
			add_watch(fake, to, path, kind == OP_CHILDREN);
		if (kind == OP_GET)
			answer_get(fake, to, xid, path);
		else
			answer_children(fake, to, xid, path);
		break;
	case OP_MULTI:
		answer_multi(fake, to, xid, &reader);
		break;
	case OP_WATCHES:
		take_watches(fake, to, &reader);
		answer_empty(fake, to, xid);
		all_went_off(fake);
		break;
	case OP_CLOSE:
		tree_end_session(&fake->tree, to->session);
		answer_empty(fake, to, xid);
		break;
	default:
		answer_empty(fake, to, xid);
	}
	if (fake->failing && !fake->error)
		all_went_off(fake);
}

void fake_fail(struct fake *fake, int error, unsigned kinds)
{
	fake->error = error;
	fake->failing = kinds;
	all_went_off(fake);
}

unsigned fake_requests(const struct fake *fake)
{
	return fake->requests;
}

/* When there is a fleet to come to. */
static void come_late(struct fake *fake)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/ip-map/01", fake->tree.root);
	if (!tree_find(&fake->tree, path))
		return;
	snprintf(path, sizeof(path), "%s/id-to-ip/late", fake->tree.root);
	if (tree_find(&fake->tree, path))
		return;
	tree_make_member(&fake->tree, 9, "late");
	all_went_off(fake);
}

/* --- connections -------------------------------------------------------------------------------- */

static void receive(struct fake *fake, struct connection *from)
{
	ssize_t got =
		recv(from->fd, from->in + from->length, FAKE_FRAME - from->length, MSG_DONTWAIT);
	uint32_t length;

	if (got <= 0) {
		if (got == 0 || errno != EAGAIN)
			hang_up(fake, from);
		return;
	}
	from->length += (size_t)got;
	while (from->fd >= 0 && from->length >= 4) {
		memcpy(&length, from->in, 4);
		length = ntohl(length);
		if (length > FAKE_FRAME - 4 || from->length < 4 + length)
			break;
		answer(fake, from, (struct reader){ from->in + 4, from->in + 4 + length });
		from->length -= 4 + length;
		memmove(from->in, from->in + 4 + length, from->length);
	}
}

static void greet(struct fake *fake)
{
	int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
	struct connection *free_one = NULL;

	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		if (fake->connections[i].fd < 0)
			free_one = &fake->connections[i];
	if (fd < 0 || !free_one) {
		close(fd);
		return;
	}
	free_one->fd = fd;
	free_one->greeted = false;
	free_one->length = 0;
}

size_t fake_fds(const struct fake *fake, struct pollfd fds[FAKE_FDS])
{
	fds[0] = (struct pollfd){ .fd = fake->listener, .events = POLLIN };
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		fds[1 + i] = (struct pollfd){ .fd = fake->connections[i].fd, .events = POLLIN };
	return FAKE_FDS;
}

void fake_serve(struct fake *fake, const struct pollfd *fds, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (fds[i].revents && fake->connections[i - 1].fd == fds[i].fd)
			receive(fake, &fake->connections[i - 1]);
	if (fds[0].revents)
		greet(fake);
	if (fake->healed)
		come_late(fake);
}

void fake_drop(struct fake *fake)
{
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		if (fake->connections[i].fd >= 0)
			hang_up(fake, &fake->connections[i]);
}

struct fake *fake_new(const char *root, bool with_fleet)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	struct sockaddr_in name = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(name);

	fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fake->listener, (struct sockaddr *)&name, size) < 0 ||
		listen(fake->listener, 8) < 0 ||
		getsockname(fake->listener, (struct sockaddr *)&name, &size) < 0)
		abort();
	fake->port = ntohs(name.sin_port);
	snprintf(fake->tree.root, sizeof(fake->tree.root), "%s", root);
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		fake->connections[i].fd = -1;
	if (with_fleet)
		tree_make_fleet(&fake->tree);
	return fake;
}

struct fake *fake_free(struct fake *fake)
{
	fake_drop(fake);
	close(fake->listener);
	free(fake);
	return NULL;
}

unsigned fake_port(const struct fake *fake)
{
	return fake->port;
}

void fake_mutate(struct fake *fake, const struct mutation *mutations, size_t n)
{
	memcpy(fake->script.mutations, mutations, n * sizeof(*mutations));
	fake->script.n_mutations = n;
}

bool fake_mutated(const struct fake *fake)
{
	return fake->script.n_made >= fake->script.n_mutations;
}

const struct script *fake_script(const struct fake *fake)
{
	return &fake->script;
}

/* --- what nobody asked for ---------------------------------------------------------------------- */

static const struct extra {
	const char *name;
	int32_t xid, type, state;
	const char *path;
	bool watched; /* the path is that of a watch */
	unsigned times;
} extras[] = {
	{ "session expired", -1, -1, -112, "", false, 1 },
	{ "not authenticated", -1, -1, -113, "", false, 1 },
	{ "connected", -1, -1, 3, "", false, 20 },
	{ "not connected", -1, -1, 999, "", false, 20 },
	{ "no state", -1, -1, 0, "/x", false, 1 },
	{ "no event", -1, 0, 3, "/x", true, 1 },
	{ "made", -1, 1, 3, "/nobody", false, 1 },
	{ "deleted", -1, 2, 3, "", true, 1 },
	{ "changed", -1, 3, 3, "", true, 50 },
	{ "children", -1, 4, 3, "", true, 50 },
	{ "an unknown event", -1, 77, INT_MIN, "/x", true, 1 },
	{ "an event of no path", -1, -2, 3, "\x01\x1b[2J", false, 1 },
	{ "an event of a path that is none", -1, 4, 3, "..", false, 1 },
	{ "answers to pings", -2, 0, 0, "", false, 50 },
	{ "answers to watches", -8, 0, 0, "", false, 50 },
};

const char *fake_extra(size_t which)
{
	return which < N(extras) ? extras[which].name : NULL;
}

static void send_one(struct fake *fake, struct connection *to, const struct extra *extra,
	const char *path)
{
	struct writer *writer = begin(fake, NULL);

	put_header(fake, extra->xid, 0);
	writer_put_int(writer, FIELD_INT, extra->type);
	writer_put_int(writer, FIELD_INT, extra->state);
	writer_put_text(writer, FIELD_PATH, path, strlen(path));
	finish(writer, to);
}

void fake_send_extra(struct fake *fake, size_t which)
{
	const struct extra *extra = &extras[which];

	for (size_t i = 0; i < FAKE_CONNECTIONS; i++) {
		if (fake->connections[i].fd < 0 || !fake->connections[i].greeted)
			continue;
		for (unsigned n = 0; n < extra->times; n++)
			send_one(fake, &fake->connections[i], extra,
				extra->watched && fake->n_watches ?
					fake->watches[n % fake->n_watches].path :
					extra->path);
	}
}

void fake_heal(struct fake *fake)
{
	fake->script.n_mutations = fake->script.n_made = 0;
	fake->failing = 0;
	fake->error = 0;
	fake->healed = true;
	come_late(fake);
}
