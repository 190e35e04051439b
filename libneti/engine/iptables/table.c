/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only file that calls libiptc and libip6tc: one row of function pointers for each, so
 * that everything above is written once.
 */
#include <errno.h>
#include <fcntl.h>
#include <libiptc/libip6tc.h>
#include <libiptc/libiptc.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "entry.h"
#include "table.h"

/* Results are libiptc's: 0 or NULL is a failure with its reason in errno. Entries are the kernel's. */
struct xtables_backend {
	uint8_t family;
	const char *program, *names; /* what to say, and where the tables in use are listed */
	void *(*init)(const char *table);
	void (*free)(void *handle);
	const char *(*first_chain)(void *handle);
	const char *(*next_chain)(void *handle);
	int (*has)(const char *chain, void *handle);
	int (*references)(unsigned *ret, const char *chain, void *handle);
	const void *(*first)(const char *chain, void *handle);
	const void *(*next)(const void *entry, void *handle);
	const char *(*target)(const void *entry, void *handle); /* of a jump: the chain */
	const char *(*policy)(const char *chain, void *handle); /* of a built-in chain */
	int (*create)(const char *chain, void *handle);
	int (*insert)(const char *chain, const void *entry, unsigned position, void *handle);
	int (*append)(const char *chain, const void *entry, void *handle);
	int (*delete)(const char *chain, unsigned position, void *handle);
	int (*empty)(const char *chain, void *handle);
	int (*drop)(const char *chain, void *handle);
	int (*commit)(void *handle); /* policy counters are kept */
};

struct xtables {
	enum table table;
	const struct xtables_backend *backend;
	void *handle;
	const uint16_t *sets;
	const void **rules;
	size_t n_rules, size;
};

/* A commit zeroes the policy counters of built-in chains unless they are set. */
static int commit(const struct xtc_ops *ops, struct xtc_handle *handle)
{
	struct xt_counters counters;

	for (const char *chain = ops->first_chain(handle); chain; chain = ops->next_chain(handle)) {
		const char *policy = ops->get_policy(chain, &counters, handle);

		if (!policy)
			break; /* built-in chains come first */
		ops->set_policy(chain, policy, &counters, handle);
	}
	errno = 0;
	return ops->commit(handle);
}

#define FORWARD(prefix, type, name, function, parameters, arguments)                               \
	static type prefix##_wrapped_##name parameters                                             \
	{                                                                                          \
		return prefix##_##function arguments;                                              \
	}

/* The libraries' functions differ in their types alone. */
#define WRAP(prefix)                                                                               \
	FORWARD(prefix, void *, init, init, (const char *table), (table))                          \
	FORWARD(prefix, void, free, free, (void *handle), (handle))                                \
	FORWARD(prefix, const char *, first_chain, first_chain, (void *handle), (handle))          \
	FORWARD(prefix, const char *, next_chain, next_chain, (void *handle), (handle))            \
	FORWARD(prefix, int, has, is_chain, (const char *chain, void *handle), (chain, handle))    \
	FORWARD(prefix, int, references, get_references,                                           \
		(unsigned *ret, const char *chain, void *handle), (ret, chain, handle))            \
	FORWARD(prefix, const void *, first, first_rule, (const char *chain, void *handle),        \
		(chain, handle))                                                                   \
	FORWARD(prefix, const void *, next, next_rule, (const void *entry, void *handle),          \
		(entry, handle))                                                                   \
	FORWARD(prefix, const char *, target, get_target, (const void *entry, void *handle),       \
		(entry, handle))                                                                   \
	FORWARD(prefix, int, create, create_chain, (const char *chain, void *handle),              \
		(chain, handle))                                                                   \
	FORWARD(prefix, int, insert, insert_entry,                                                 \
		(const char *chain, const void *entry, unsigned position, void *handle),           \
		(chain, entry, position, handle))                                                  \
	FORWARD(prefix, int, append, append_entry,                                                 \
		(const char *chain, const void *entry, void *handle), (chain, entry, handle))      \
	FORWARD(prefix, int, delete, delete_num_entry,                                             \
		(const char *chain, unsigned position, void *handle), (chain, position, handle))   \
	FORWARD(prefix, int, empty, flush_entries, (const char *chain, void *handle),              \
		(chain, handle))                                                                   \
	FORWARD(prefix, int, drop, delete_chain, (const char *chain, void *handle),                \
		(chain, handle))                                                                   \
	static const char *prefix##_wrapped_policy(const char *chain, void *handle)                \
	{                                                                                          \
		struct xt_counters counters;                                                       \
                                                                                                   \
		return prefix##_get_policy(chain, &counters, handle);                              \
	}                                                                                          \
	static int prefix##_wrapped_commit(void *handle)                                           \
	{                                                                                          \
		return commit(&prefix##_ops, handle);                                              \
	}

#define WRAPPED(prefix)                                                                            \
	.init = prefix##_wrapped_init, .free = prefix##_wrapped_free,                              \
	.first_chain = prefix##_wrapped_first_chain, .next_chain = prefix##_wrapped_next_chain,    \
	.has = prefix##_wrapped_has, .references = prefix##_wrapped_references,                    \
	.first = prefix##_wrapped_first, .next = prefix##_wrapped_next,                            \
	.policy = prefix##_wrapped_policy, .target = prefix##_wrapped_target,                      \
	.create = prefix##_wrapped_create, .insert = prefix##_wrapped_insert,                      \
	.append = prefix##_wrapped_append, .delete = prefix##_wrapped_delete,                      \
	.empty = prefix##_wrapped_empty, .drop = prefix##_wrapped_drop,                            \
	.commit = prefix##_wrapped_commit

WRAP(iptc)
WRAP(ip6tc)

static const struct xtables_backend backends[] = {
	{ AF_INET, "iptables", "/proc/thread-self/net/ip_tables_names", WRAPPED(iptc) },
	{ AF_INET6, "ip6tables", "/proc/thread-self/net/ip6_tables_names", WRAPPED(ip6tc) },
};

static const struct xtables_backend *backend_of(enum table table)
{
	return &backends[render_table_family(table) == AF_INET6];
}

bool xtables_exists(enum table table)
{
	FILE *names = fopen(backend_of(table)->names, "re");
	char line[64];
	bool found = false;

	if (!names)
		return errno != ENOENT; /* not for our eyes: then look at the table itself */
	while (!found && fgets(line, sizeof(line), names)) {
		line[strcspn(line, "\n")] = '\0';
		found = strcmp(line, render_table_name(table)) == 0;
	}
	fclose(names);
	return found;
}

/* libiptc sets errno to -ENOMEM, below zero, when it has no memory for a chain. */
static int failure(void)
{
	return errno ? -abs(errno) : -EIO;
}

static int explain_open(int r, enum table table, struct error *error)
{
	const struct xtables_backend *backend = backend_of(table);
	const char *name = render_table_name(table);

	if (r == -EPERM)
		return error_set(error, r, NETI_REASON_PRIVILEGE,
			"not permitted to read the %s table %s: CAP_NET_ADMIN and CAP_NET_RAW are needed",
			backend->program, name);
	if (r == -ENOMEM)
		return error_memory(error);
	return error_set(error, r, NETI_REASON_UNSUPPORTED,
		"the kernel has no %s table %s: modprobe %s_%s", backend->program, name,
		backend->family == AF_INET6 ? "ip6table" : "iptable", name);
}

int xtables_open(struct xtables **ret, enum table table, const uint16_t sets[SETS],
	struct error *error)
{
	const struct xtables_backend *backend = backend_of(table);
	struct xtables *xtables = calloc(1, sizeof(*xtables));
	int r;

	if (!xtables)
		return error_memory(error);
	*xtables = (struct xtables){ .table = table, .backend = backend, .sets = sets };
	errno = 0;
	xtables->handle = backend->init(render_table_name(table));
	if (xtables->handle) {
		*ret = xtables;
		return 0;
	}
	r = failure();
	free(xtables);
	return explain_open(r, table, error);
}

struct xtables *xtables_close(struct xtables *xtables)
{
	if (!xtables)
		return NULL;
	xtables->backend->free(xtables->handle);
	free(xtables->rules);
	free(xtables);
	return NULL;
}

enum table xtables_table(const struct xtables *xtables)
{
	return xtables->table;
}

bool xtables_has(struct xtables *xtables, const char *chain)
{
	return xtables->backend->has(chain, xtables->handle);
}

unsigned xtables_references(struct xtables *xtables, const char *chain)
{
	unsigned n = 0;

	xtables->backend->references(&n, chain, xtables->handle);
	return n;
}

int xtables_own_chains(struct xtables *xtables, char (**ret)[CHAIN_NAME_MAX], size_t *ret_n)
{
	const struct xtables_backend *backend = xtables->backend;
	char(*names)[CHAIN_NAME_MAX] = NULL;
	size_t n = 0, size = 0;

	for (const char *name = backend->first_chain(xtables->handle); name;
		name = backend->next_chain(xtables->handle)) {
		if (!render_is_own(name))
			continue;
		if (ARRAY_RESERVE(names, size, n + 1) < 0) {
			free(names);
			return -ENOMEM;
		}
		snprintf(names[n++], sizeof(*names), "%s", name);
	}
	*ret = names;
	*ret_n = n;
	return 0;
}

/* The library's own function aborts on verdicts that it does not know. */
static const char *label_of(struct xtables *xtables, const void *entry)
{
	int verdict;
	const char *name = entry_target(entry, xtables->backend->family, &verdict);

	if (*name)
		return name;
	switch (verdict) {
	case -NF_ACCEPT - 1:
		return "ACCEPT";
	case -NF_DROP - 1:
		return "DROP";
	case XT_RETURN:
		return "RETURN";
	}
	return verdict < 0 ? "?" : xtables->backend->target(entry, xtables->handle);
}

int xtables_rules(struct xtables *xtables, const char *chain, const void *const **ret,
	size_t *ret_n)
{
	const struct xtables_backend *backend = xtables->backend;

	if (!xtables_has(xtables, chain))
		return -ENOENT;
	xtables->n_rules = 0;
	for (const void *entry = backend->first(chain, xtables->handle); entry;
		entry = backend->next(entry, xtables->handle)) {
		if (ARRAY_RESERVE(xtables->rules, xtables->size, xtables->n_rules + 1) < 0)
			return -ENOMEM;
		xtables->rules[xtables->n_rules++] = entry;
	}
	*ret = xtables->rules;
	*ret_n = xtables->n_rules;
	return 0;
}

bool xtables_refuses(struct xtables *xtables, const char *chain)
{
	const struct xtables_backend *backend = xtables->backend;
	const char *policy = backend->policy(chain, xtables->handle);
	bool refuses = policy && strcmp(policy, "DROP") == 0;
	const void *entry = refuses ? NULL : backend->first(chain, xtables->handle);

	for (; entry && !refuses; entry = backend->next(entry, xtables->handle)) {
		const char *label = label_of(xtables, entry);

		refuses = entry_is_bare(entry, backend->family) &&
			  (strcmp(label, "DROP") == 0 || strcmp(label, "REJECT") == 0);
	}
	return refuses;
}

bool xtables_same(struct xtables *xtables, const void *entry, const struct rule *rule)
{
	uint8_t family = xtables->backend->family;
	struct entry wanted;

	entry_encode(rule, family, xtables->sets, &wanted);
	return entry_same(entry, family, label_of(xtables, entry), &wanted);
}

bool xtables_chain_same(struct xtables *xtables, const struct chain *chain)
{
	const struct xtables_backend *backend = xtables->backend;
	const void *entry;
	size_t i = 0;

	errno = 0;
	entry = backend->first(chain->name, xtables->handle);
	if (!entry && errno == ENOENT)
		return false;
	for (; entry && i < chain->length; i++, entry = backend->next(entry, xtables->handle))
		if (!xtables_same(xtables, entry, &chain->rules[i]))
			return false;
	return !entry && i == chain->length;
}

int xtables_decode(struct xtables *xtables, const void *entry, struct rule *ret)
{
	int r = entry_decode(entry, xtables->backend->family, label_of(xtables, entry),
		xtables->sets, ret);

	return r == 0 && !xtables_same(xtables, entry, ret) ? -EINVAL : r;
}

static int result(int success)
{
	return success ? 0 : failure();
}

int xtables_create(struct xtables *xtables, const char *chain)
{
	return result(xtables->backend->create(chain, xtables->handle));
}

int xtables_insert(struct xtables *xtables, const char *chain, size_t position,
	const struct rule *rule)
{
	struct entry entry;

	entry_encode(rule, xtables->backend->family, xtables->sets, &entry);
	return result(xtables->backend->insert(chain, entry.bytes, (unsigned)position,
		xtables->handle));
}

int xtables_append(struct xtables *xtables, const char *chain, const struct rule *rule)
{
	struct entry entry;

	entry_encode(rule, xtables->backend->family, xtables->sets, &entry);
	return result(xtables->backend->append(chain, entry.bytes, xtables->handle));
}

int xtables_delete(struct xtables *xtables, const char *chain, size_t position)
{
	return result(xtables->backend->delete (chain, (unsigned)position, xtables->handle));
}

int xtables_empty(struct xtables *xtables, const char *chain)
{
	return result(xtables->backend->empty(chain, xtables->handle));
}

int xtables_drop(struct xtables *xtables, const char *chain)
{
	return result(xtables->backend->drop(chain, xtables->handle));
}

int xtables_commit(struct xtables *xtables, struct error *error)
{
	int r;

	if (xtables->backend->commit(xtables->handle))
		return 0;
	r = failure();
	return error_set(error, r, NETI_REASON_KERNEL, "the kernel refused the %s table %s: %s",
		xtables->backend->program, render_table_name(xtables->table), strerror(-r));
}

static int open_raw(void)
{
	return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
}

uint16_t xtables_set_index(const char *name)
{
	struct ip_set_req_version version = { .op = IP_SET_OP_VERSION };
	struct ip_set_req_get_set request = { .op = IP_SET_OP_GET_BYNAME };
	socklen_t version_size = sizeof(version), size = sizeof(request);
	uint16_t index = IPSET_INVALID_ID;
	int fd = open_raw();

	if (fd < 0)
		return index;
	strncpy(request.set.name, name, sizeof(request.set.name) - 1);
	if (getsockopt(fd, SOL_IP, SO_IP_SET, &version, &version_size) == 0) {
		request.version = version.version;
		if (getsockopt(fd, SOL_IP, SO_IP_SET, &request, &size) == 0)
			index = request.set.index;
	}
	close(fd);
	return index;
}

int xtables_check(struct error *error)
{
	static const struct {
		const char *name, *module;
		int option;
		uint8_t revision;
	} needed[] = {
		{ "set", "xt_set", IPT_SO_GET_REVISION_MATCH, 4 },
		{ "conntrack", "xt_conntrack", IPT_SO_GET_REVISION_MATCH, 3 },
		{ "SET", "xt_set", IPT_SO_GET_REVISION_TARGET, 3 },
		{ "DNAT", "xt_nat", IPT_SO_GET_REVISION_TARGET, 2 },
		{ "REJECT", "ipt_REJECT", IPT_SO_GET_REVISION_TARGET, 0 },
	};
	int fd = open_raw(), r = 0;

	if (fd < 0)
		return error_set(error, -errno, NETI_REASON_PRIVILEGE,
			"cannot open a raw socket: CAP_NET_RAW is needed");
	for (size_t i = 0; r == 0 && i < sizeof(needed) / sizeof(needed[0]); i++) {
		struct xt_get_revision asked = { .revision = needed[i].revision };
		socklen_t size = sizeof(asked);

		strncpy(asked.name, needed[i].name, sizeof(asked.name) - 1);
		if (getsockopt(fd, SOL_IP, needed[i].option, &asked, &size) < 0)
			r = error_set(error, -EPROTONOSUPPORT, NETI_REASON_UNSUPPORTED,
				"the kernel has no %s %s of revision %u for iptables: modprobe %s",
				needed[i].option == IPT_SO_GET_REVISION_MATCH ? "match" : "target",
				needed[i].name, needed[i].revision, needed[i].module);
	}
	close(fd);
	return r;
}
