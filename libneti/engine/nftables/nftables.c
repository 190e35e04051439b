/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The nftables engine. Filter and paths share a table, and every pass is one transaction: it is the
 * step that writes the paths.
 *
 * Refusing for the first time takes a second one. A packet is asked by the paths first and by the
 * filter then, and between the two there may be a transaction: an overlay address that had no path
 * yet would be refused. And strangers are refused when the connections that were open have been
 * learned.
 */
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/engine_ops.h"
#include "sync.h"

#define TRIES 20
#define COMMIT_HEARD 16384 /* bytes of a transaction that is listened to */
#define COUNT_OFTEN 1000   /* more elements than that are counted once a minute */
#define COUNT_MS 60000

struct nftables {
	struct engine engine;
	bool listens; /* it was asked for */
	struct netlink_listener *listener;
	bool touches;	     /* our table, in the transaction that is being told */
	uint32_t deaf_until; /* this generation not all was heard */
	bool touched;	     /* somebody changed our table, and nobody has been told yet */
	struct engine_heard heard;
	/* What the table is known to hold as long as nobody changes any table: that of this serial. */
	uint64_t held;
	uint32_t generation;
	uint64_t place; /* in that network namespace */
	/* Where the kernel does not tell how many there are. */
	uint64_t counts[SETS];
	int64_t counted_at[SETS];
	bool observing; /* nobody is refused yet, and somebody will be */
};

/* --- what others do ----------------------------------------------------------------------------- */

struct event_reader {
	struct nftables *nftables;
	uint32_t own_port;
};

/* A transaction is told object by object, then who did it. */
static int read_event(void *data, const struct nlmsghdr *message)
{
	struct event_reader *reader = data;
	struct nftables *nftables = reader->nftables;
	struct kernel_event event;

	if (!kernel_read_event(message, &event) || message->nlmsg_pid == reader->own_port)
		return 0;
	nftables->touches |= event.touches;
	if (!event.generation)
		return 0;
	if (nftables->touches) {
		nftables->touched = true;
		nftables->held = 0;
		nftables->heard.pid = event.pid;
		memcpy(nftables->heard.program, event.program, sizeof(event.program));
	} else if (event.generation == nftables->generation + 1 &&
		   (int32_t)(event.generation - nftables->deaf_until) > 0) {
		nftables->generation = event.generation;
	}
	nftables->touches = false;
	return 0;
}

/* A transaction whose beginning was not heard has a generation that is there by now. */
static void listen_anew(struct nftables *nftables)
{
	nftables->listener = netlink_listener_close(nftables->listener);
	nftables->touches = false;
	if (nftables->listens)
		netlink_listen(&nftables->listener, NETLINK_NETFILTER, NFNLGRP_NFTABLES);
	if (kernel_generation(&nftables->engine.line, &nftables->deaf_until) < 0)
		nftables->held = 0;
}

static void events_read(struct nftables *nftables, uint32_t own_port)
{
	struct event_reader reader = { nftables, own_port };

	if (!nftables->listener)
		return;
	if (netlink_hear(nftables->listener, read_event, &reader) == 0)
		return;
	/* What was lost may have been about our table. */
	nftables->held = 0;
	nftables->touched = true;
	nftables->heard = (struct engine_heard){ 0 };
	listen_anew(nftables);
}

static int descriptor(struct engine *engine)
{
	struct nftables *nftables = (struct nftables *)engine;

	nftables->listens = true;
	if (!nftables->listener)
		listen_anew(nftables);
	return nftables->listener ? netlink_listener_descriptor(nftables->listener) : -1;
}

static int hear(struct engine *engine, struct engine_heard *ret)
{
	struct nftables *nftables = (struct nftables *)engine;

	events_read(nftables, 0);
	if (!nftables->touched)
		return 0;
	*ret = nftables->heard;
	nftables->touched = false;
	nftables->heard = (struct engine_heard){ 0 };
	return 1;
}

static void nftables_close(struct engine *engine)
{
	netlink_listener_close(((struct nftables *)engine)->listener);
}

/* New, read and delete of each object follow each other. */
static const char *object_of(const struct refusal *refusal)
{
	static const char *const objects[] = { "a table", "a chain", "a rule", "a set",
		"an element" };

	return refusal->number && refusal->command / 3 < 5 ? objects[refusal->command / 3] :
							     "the change";
}

static int commit(struct nftables *nftables, struct transaction *transaction,
	const uint32_t *generation, struct error *error)
{
	struct refusal refusal = { 0 };
	char doing[64];
	int r;

	/* Whoever listens makes the kernel tell every element, five times as slowly. */
	if (nftables->listener && transaction->length > COMMIT_HEARD) {
		events_read(nftables, 0);
		nftables->listener = netlink_listener_close(nftables->listener);
	}
	r = transaction_commit(transaction, &nftables->engine.line, NFNL_SUBSYS_NFTABLES,
		generation, &refusal);
	if (nftables->listens && !nftables->listener)
		listen_anew(nftables);
	events_read(nftables, refusal.port);
	if (r == 0 || r == -ERESTART)
		return r;
	snprintf(doing, sizeof(doing), "the kernel does not take %s", object_of(&refusal));
	return kernel_failed(r, doing, error);
}

/* Called when a commit of ours has followed that generation: the next one is ours, a later one is
 * somebody else's, who may have changed our table too. serial 0: what it holds is in the making. */
static void note_held(struct nftables *nftables, uint64_t serial, uint32_t before)
{
	uint32_t now = 0;

	nftables->held = nftables->generation = 0;
	if (kernel_generation(&nftables->engine.line, &now) == 0 && now == before + 1) {
		nftables->held = serial;
		nftables->generation = now;
		nftables->place = nftables->engine.line.place;
	}
}

static bool holds(struct engine *engine, uint64_t serial)
{
	struct nftables *nftables = (struct nftables *)engine;
	uint32_t now;

	events_read(nftables, 0);
	return nftables->held && nftables->held == serial &&
	       kernel_generation(&nftables->engine.line, &now) == 0 &&
	       now == nftables->generation && nftables->place == nftables->engine.line.place;
}

/* --- one pass ----------------------------------------------------------------------------------- */

/* refill: the sets of members are made anew; there was room for all of them, and not for what comes
 * before what goes. */
static int write_once(struct nftables *nftables, const struct ruleset *wanted, bool enforce,
	bool refill, size_t *ret_entries, struct error *error)
{
	struct transaction transaction = { 0 };
	struct kernel kernel = { 0 };
	int r = kernel_read(&nftables->engine.line, &kernel, true, error);

	if (r == 0) {
		nftables->observing = wanted && !enforce;
		if (refill)
			kernel.sets[SET_PEERS].right = kernel.sets[SET_OVERLAY].right = false;
		r = nft_sync_write(&kernel, wanted, enforce, &transaction, ret_entries);
		if (r < 0)
			r = error_memory(error);
	}
	if (r == 0 && !transaction_is_empty(&transaction))
		r = commit(nftables, &transaction, &kernel.generation, error);
	if (r == 0)
		note_held(nftables, wanted && enforce ? wanted->serial : 0,
			kernel.generation - transaction_is_empty(&transaction));
	transaction_clear(&transaction);
	kernel_clear(&kernel);
	return r;
}

static int write_all(struct nftables *nftables, const struct ruleset *wanted, bool enforce,
	struct engine_report *report, struct error *error)
{
	bool refill = false;
	size_t entries = 0;
	int r = -ERESTART;

	for (unsigned i = 0; r == -ERESTART && i < TRIES; i++) {
		r = write_once(nftables, wanted, enforce, refill, &entries, error);
		if (r == -ENFILE && !refill) {
			refill = true;
			r = -ERESTART;
		}
	}
	if (r == -ERESTART)
		return kernel_failed(r, "the change", error);
	if (r < 0)
		return r;
	report->entries += entries;
	report->changed |= entries > 0;
	return entries > 0;
}

/* Members alone. What the kernel did not take as it is known to be, it holds otherwise. */
static int write_members(struct engine_work *work, struct error *error)
{
	struct nftables *nftables = (struct nftables *)work->engine;
	struct transaction transaction = { 0 };
	bool known = holds(work->engine, work->diff->before);
	size_t entries;
	int r;

	nft_sync_members(work->diff, &transaction, &entries);
	r = transaction_is_empty(&transaction) ? 0 : commit(nftables, &transaction, NULL, error);
	note_held(nftables, known && r == 0 ? work->to->serial : 0,
		nftables->generation - transaction_is_empty(&transaction));
	transaction_clear(&transaction);
	if (r == -ENOENT || r == -EEXIST || r == -ENFILE || r == -ERESTART)
		return error_set(error, -ESTALE, NETI_REASON_KERNEL,
			"the kernel's table is not as it was left");
	if (r < 0)
		return r;
	work->report->entries += entries;
	work->report->changed |= entries > 0;
	return work->diff->n_paths_added + work->diff->n_paths_removed +
		       work->diff->n_paths_changed >
	       0;
}

static int enforces(struct engine *engine, struct error *error)
{
	struct kernel kernel = { 0 };
	int r = kernel_read(&engine->line, &kernel, false, error);

	if (r == 0)
		r = nft_sync_enforces(&kernel);
	kernel_clear(&kernel);
	return r;
}

static int write_paths(struct engine_work *work, struct error *error)
{
	struct kernel kernel = { 0 };
	int r;

	if (work->diff)
		return write_members(work, error);
	r = kernel_read(&work->engine->line, &kernel, false, error);
	if (r == 0)
		r = nft_sync_refuses(&kernel, work->to);
	kernel_clear(&kernel);
	return r < 0 ? r :
		       write_all((struct nftables *)work->engine, work->to, r, work->report, error);
}

static int observe(struct engine_work *work, struct error *error)
{
	(void)error;
	return ((struct nftables *)work->engine)->observing && work->to->policy.reject_all;
}

/* Nobody changed anything since the first step: its rules alone are exchanged. */
static int write_rules(struct nftables *nftables, const struct ruleset *wanted,
	struct engine_report *report, struct error *error)
{
	struct transaction transaction = { 0 };
	size_t entries;
	int r = nft_sync_write_rules(wanted, &transaction, &entries);

	if (r < 0)
		r = error_memory(error);
	else
		r = commit(nftables, &transaction, &nftables->generation, error);
	transaction_clear(&transaction);
	if (r < 0)
		return r;
	note_held(nftables, wanted->serial, nftables->generation);
	report->entries += entries;
	return 0;
}

static int enforce(struct engine_work *work, struct error *error)
{
	struct nftables *nftables = (struct nftables *)work->engine;
	int r = 0;

	if (!nftables->observing)
		return 0;
	if (nftables->generation)
		r = write_rules(nftables, work->to, work->report, error);
	if (!nftables->generation || r == -ERESTART)
		r = write_all(nftables, work->to, true, work->report, error);
	return r < 0 ? r : 0;
}

static int nothing(struct engine_work *work, struct error *error)
{
	(void)work;
	(void)error;
	return 0;
}

/* What refuses goes first: while the kernel takes a whole table away, the paths may be gone before
 * the filter is (6.18). */
static int remove_rules(struct engine *engine, struct engine_report *report, struct error *error)
{
	struct transaction transaction = { 0 };
	struct kernel kernel = { 0 };
	int r = kernel_read(&engine->line, &kernel, false, error);

	(void)report;
	for (enum nft_chain chain = 0; r == 0 && chain < CHAINS; chain++)
		if (kernel.chains[chain].there && strcmp(nft_chains[chain].type, "filter") == 0)
			nft_empty_chain(&transaction, nft_chains[chain].name);
	if (r == 0 && !transaction_is_empty(&transaction))
		r = commit((struct nftables *)engine, &transaction, NULL, error);
	transaction_clear(&transaction);
	kernel_clear(&kernel);
	return r;
}

static int remove_table(struct engine *engine, struct engine_report *report, struct error *error)
{
	int r = write_all((struct nftables *)engine, NULL, false, report, error);

	return r < 0 ? r : 0;
}

/* --- looking ------------------------------------------------------------------------------------ */

static int compare_table(struct engine *engine, const struct ruleset *wanted, struct buffer *diff,
	struct error *error)
{
	struct kernel kernel = { 0 };
	int r = kernel_read(&engine->line, &kernel, true, error);

	if (r == 0 && nft_sync_print(&kernel, wanted, diff) < 0)
		r = error_memory(error);
	kernel_clear(&kernel);
	return r;
}

static int compare_nothing(struct engine *engine, const struct ruleset *wanted, struct buffer *diff,
	struct error *error)
{
	(void)engine;
	(void)wanted;
	(void)diff;
	(void)error;
	return 0;
}

static int render_nothing(const struct ruleset *ruleset, struct buffer *text)
{
	(void)ruleset;
	(void)text;
	return 0;
}

static int read_peers(struct engine *engine, struct address **ret, size_t *ret_n,
	struct error *error)
{
	struct kernel_set set = { 0 };
	int r = kernel_read_set(&engine->line, SET_PEERS, &set, error);
	struct address *peers = r == 0 ? calloc(set.n + 1, sizeof(*peers)) : NULL;

	if (r == 0 && !peers)
		r = error_memory(error);
	for (size_t i = 0; r == 0 && i < set.n; i++) {
		peers[i].family = AF_INET;
		memcpy(peers[i].bytes, set.elements[i].key, 4);
	}
	if (r == 0) {
		*ret = peers;
		*ret_n = set.n;
	}
	free(set.elements);
	return r;
}

/* The address, one byte of protocol and two of the port, each at the beginning of its register. */
static struct denied denied_of(enum nft_set set, const struct nft_element *element)
{
	size_t length = nft_sets[set].address_length;
	const uint8_t *rest = element->key + length;
	struct denied denied = {
		.source.family = set == SET_DENIED6 ? AF_INET6 : AF_INET,
		.protocol = rest[0],
		.port = (uint16_t)(rest[4] << 8 | rest[5]),
		.packets = element->packets,
	};

	memcpy(denied.source.bytes, element->key, length);
	if (element->expires_ms < element->timeout_ms)
		denied.seconds = (unsigned)((element->timeout_ms - element->expires_ms) / 1000);
	return denied;
}

static int read_denied(struct engine *engine, struct denied **ret, size_t *ret_n,
	struct error *error)
{
	struct kernel_set four = { 0 }, six = { 0 };
	struct denied *denied = NULL;
	int r = kernel_read_set(&engine->line, SET_DENIED, &four, error);

	if (r == 0)
		r = kernel_read_set(&engine->line, SET_DENIED6, &six, error);
	if (r == 0 && !(denied = calloc(four.n + six.n + 1, sizeof(*denied))))
		r = error_memory(error);
	for (size_t i = 0; r == 0 && i < four.n; i++)
		denied[i] = denied_of(SET_DENIED, &four.elements[i]);
	for (size_t i = 0; r == 0 && i < six.n; i++)
		denied[four.n + i] = denied_of(SET_DENIED6, &six.elements[i]);
	if (r == 0) {
		*ret = denied;
		*ret_n = four.n + six.n;
	}
	free(four.elements);
	free(six.elements);
	return r;
}

/* A long list is not read at every look. */
static uint64_t count(struct nftables *nftables, enum nft_set set)
{
	int64_t now = clock_now();
	struct kernel_set found = { 0 };
	struct error error;
	uint32_t n;

	if (kernel_count(&nftables->engine.line, set, &n) == 0)
		return n;
	if (nftables->counts[set] < COUNT_OFTEN || now >= nftables->counted_at[set] + COUNT_MS) {
		if (kernel_read_set(&nftables->engine.line, set, &found, &error) == 0)
			nftables->counts[set] = found.n;
		nftables->counted_at[set] = now;
		free(found.elements);
	}
	return nftables->counts[set];
}

static void read_levels(struct engine *engine, struct engine_level ret[ENGINE_TABLES])
{
	struct nftables *nftables = (struct nftables *)engine;

	if (kernel_has_table(&engine->line) != 1)
		return;
	ret[ENGINE_PEERS] = (struct engine_level){ count(nftables, SET_PEERS), RULESET_PEERS_MAX };
	ret[ENGINE_DENIED] = (struct engine_level){ count(nftables, SET_DENIED),
		nft_set_room(NULL, SET_DENIED) };
}

/* --- opening ------------------------------------------------------------------------------------ */

/* Of what a kernel answers that does not know it; else something is missing for the moment. */
static bool is_unsupported(int r)
{
	return r == -EINVAL || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT ||
	       r == -ECONNREFUSED || r == -ENOENT;
}

/* Every kind of rule, set and chain that there can be, of which the kernel keeps nothing. */
static int probe(struct engine *engine, struct error *error)
{
	static struct port_range ports = { .protocol = IPPROTO_TCP, .low = 8000, .high = 8100 };
	static struct override override = { { AF_INET, { 172, 31, 0, 2 } },
		{ AF_INET, { 10, 0, 0, 2 } } };
	static const struct kernel nothing;
	const struct policy policy = { .open_ports = &ports,
		.n_open_ports = 1,
		.nat_overrides = &override,
		.n_nat_overrides = 1,
		.reject_all = true,
		.forwarded = true };
	struct transaction transaction = { 0 };
	struct ruleset *ruleset = NULL;
	struct refusal refusal = { 0 };
	size_t entries;
	int r = ruleset_build_policy(&ruleset, &policy, &engine->settings->overlay_subnet);

	if (r == 0)
		r = nft_sync_write(&nothing, ruleset, true, &transaction, &entries);
	if (r < 0)
		r = error_memory(error);
	else
		r = transaction_try(&transaction, &engine->line, NFNL_SUBSYS_NFTABLES, &refusal);
	transaction_clear(&transaction);
	ruleset_free(ruleset);
	if (r < 0 && !is_unsupported(r))
		return kernel_failed(r, "trying the rules", error);
	if (r == 0)
		return 0;
	return error_set(error, -EPROTONOSUPPORT, NETI_REASON_UNSUPPORTED,
		"the kernel's nftables does not take %s of Neti's: %s", object_of(&refusal),
		strerrordesc_np(-r));
}

static int nftables_open(struct engine *engine, struct error *error)
{
	uint32_t generation;
	int r = kernel_generation(&engine->line, &generation);

	if (r < 0 && !is_unsupported(r))
		return kernel_failed(r, "asking for the generation", error);
	if (r < 0)
		return error_set(error, -EPROTONOSUPPORT, NETI_REASON_UNSUPPORTED,
			"the kernel has no nftables: modprobe nf_tables");
	return kernel_has_table(&engine->line) == 1 ? 0 : probe(engine, error);
}

static int is_there(struct error *error)
{
	int r = kernel_has_table(NULL);

	return r < 0 && !is_unsupported(r) ? kernel_failed(r, "looking for the table", error) :
	       r < 0			   ? 0 :
					     r;
}

static const struct engine_filter filter = {
	.peers_in = nothing,
	.observe = observe,
	.enforce = enforce,
	.peers_out = nothing,
	.remove = remove_rules,
	.compare = compare_table,
	.render = nft_print_table,
	.peers = read_peers,
	.denied = read_denied,
	.enforces = enforces,
	.levels = read_levels,
};

static const struct engine_paths paths = {
	.write = write_paths,
	.remove = remove_table,
	.compare = compare_nothing,
	.render = render_nothing,
};

const struct engine_kind nftables_engine = {
	.name = "nftables",
	.size = sizeof(struct nftables),
	.open = nftables_open,
	.holds = holds,
	.is_there = is_there,
	.descriptor = descriptor,
	.hear = hear,
	.close = nftables_close,
	.changes_in_place = true,
	.filter = &filter,
	.paths = &paths,
};
