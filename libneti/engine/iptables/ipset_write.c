/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes sets: the only file that calls libipset. The library keeps its types and a cache of
 * set names in static memory and is not made for threads, hence one lock round every use, and
 * a session for each batch: the cache of an older session would go stale when somebody makes a
 * set anew with another type, and its socket would belong to one network namespace for good.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libipset/data.h>
#include <libipset/session.h>
#include <libipset/types.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipset_write.h"

struct sets {
	struct ipset_session *session;
	uint32_t line; /* libipset gathers entries only when they have a line number */
	char name[IPSET_MAXNAMELEN];   /* the set asked about last, and its type: one question a */
	const struct ipset_type *type; /* set, not one an entry */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool types_loaded;

static int print_nothing(struct ipset_session *session, void *data, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int print_nothing(struct ipset_session *session, void *data, const char *format, ...)
{
	(void)session;
	(void)data;
	(void)format;
	return 0;
}

/* libipset speaks in sentences only; its word for a set in use is the one that matters here. */
static int failed(struct sets *sets, const char *name, struct error *error)
{
	const char *said = ipset_session_report_msg(sets->session);
	char text[256];
	size_t n;
	int r;

	strncpy(text, said ? said : "", sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (n = strlen(text); n > 0 && strchr(" .\n", text[n - 1]); n--)
		text[n - 1] = '\0';
	r = strstr(text, "in use by") ? -EBUSY : strstr(text, "full") ? -ENOSPC : -EIO;
	ipset_session_report_reset(sets->session);
	return error_set(error, r, r == -EBUSY ? NETI_REASON_BUSY : NETI_REASON_KERNEL,
		"set %s: %s", name, *text ? text : "the kernel refused the change");
}

static bool is_netfilter_socket(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t length = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
	       domain == AF_NETLINK &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
	       protocol == NETLINK_NETFILTER;
}

/* libmnl opens it without SOCK_CLOEXEC, and no call gives the descriptor away. */
static void close_on_exec(int guess)
{
	struct dirent *entry;
	DIR *directory;

	if (is_netfilter_socket(guess)) {
		fcntl(guess, F_SETFD, FD_CLOEXEC);
		return;
	}
	directory = opendir("/proc/thread-self/fd");
	while (directory && (entry = readdir(directory)) != NULL)
		if (is_netfilter_socket(atoi(entry->d_name)))
			fcntl(atoi(entry->d_name), F_SETFD, FD_CLOEXEC);
	if (directory)
		closedir(directory);
}

/* The lowest free descriptor is most likely the one that the session will get. */
static int open_transport(struct sets *sets, struct error *error)
{
	int guess = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (guess >= 0)
		close(guess);
	if (ipset_cmd(sets->session, IPSET_CMD_NONE, 0) < 0)
		return failed(sets, "neti-", error);
	close_on_exec(guess);
	return 0;
}

int sets_begin(struct sets **ret, struct error *error)
{
	struct sets *sets = calloc(1, sizeof(*sets));
	int r;

	if (!sets)
		return error_memory(error);
	pthread_mutex_lock(&lock);
	if (!types_loaded)
		ipset_load_types();
	types_loaded = true;
	sets->session = ipset_session_init(print_nothing, NULL);
	if (!sets->session) {
		sets_end(sets);
		return error_memory(error);
	}
	ipset_envopt_set(sets->session, IPSET_ENV_EXIST);
	r = open_transport(sets, error);
	if (r < 0)
		sets_end(sets);
	else
		*ret = sets;
	return r;
}

struct sets *sets_end(struct sets *sets)
{
	if (!sets)
		return NULL;
	if (sets->session)
		ipset_session_fini(sets->session);
	ipset_cache_del(NULL);
	free(sets);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void set_option(struct sets *sets, enum ipset_opt option, const void *value)
{
	ipset_data_set(ipset_session_data(sets->session), option, value);
}

int sets_create(struct sets *sets, const char *name, const struct set_shape *shape,
	uint32_t hashsize, struct error *error)
{
	uint8_t family = NFPROTO_IPV4;

	set_option(sets, IPSET_SETNAME, name);
	set_option(sets, IPSET_OPT_TYPENAME, shape->type);
	set_option(sets, IPSET_OPT_FAMILY, &family);
	if (!ipset_type_get(sets->session, IPSET_CMD_CREATE))
		return failed(sets, name, error);
	set_option(sets, IPSET_OPT_HASHSIZE, &hashsize);
	set_option(sets, IPSET_OPT_MAXELEM, &shape->maxelem);
	if (shape->timeout)
		set_option(sets, IPSET_OPT_TIMEOUT, &shape->timeout);
	if (shape->counters)
		set_option(sets, IPSET_OPT_COUNTERS, &shape->counters);
	return ipset_cmd(sets->session, IPSET_CMD_CREATE, 0) < 0 ? failed(sets, name, error) : 0;
}

static bool know_type(struct sets *sets, enum ipset_cmd command, const char *name)
{
	uint8_t family = NFPROTO_IPV4;

	if (!sets->type || strcmp(sets->name, name) != 0) {
		sets->type = ipset_type_get(sets->session, command);
		strncpy(sets->name, name, sizeof(sets->name) - 1);
		return sets->type != NULL;
	}
	set_option(sets, IPSET_OPT_FAMILY, &family);
	set_option(sets, IPSET_OPT_TYPE, sets->type);
	return true;
}

static int gather(struct sets *sets, enum ipset_cmd command, const char *name,
	const struct address *address, struct error *error)
{
	struct in_addr ip = address_to_ipv4(address);

	set_option(sets, IPSET_SETNAME, name);
	if (!know_type(sets, command, name))
		return failed(sets, name, error);
	set_option(sets, IPSET_OPT_IP, &ip);
	if (ipset_cmd(sets->session, command, ++sets->line) < 0)
		return failed(sets, name, error);
	return 0;
}

int sets_add(struct sets *sets, const char *name, const struct address *address,
	struct error *error)
{
	return gather(sets, IPSET_CMD_ADD, name, address, error);
}

int sets_delete(struct sets *sets, const char *name, const struct address *address,
	struct error *error)
{
	return gather(sets, IPSET_CMD_DEL, name, address, error);
}

int sets_flush(struct sets *sets, struct error *error)
{
	return ipset_commit(sets->session) < 0 ? failed(sets, "neti-peers", error) : 0;
}

int sets_destroy(struct sets *sets, const char *name, struct error *error)
{
	set_option(sets, IPSET_SETNAME, name);
	return ipset_cmd(sets->session, IPSET_CMD_DESTROY, 0) < 0 ? failed(sets, name, error) : 0;
}

int sets_swap(struct sets *sets, const char *name, const char *other, struct error *error)
{
	set_option(sets, IPSET_SETNAME, name);
	set_option(sets, IPSET_OPT_SETNAME2, other);
	return ipset_cmd(sets->session, IPSET_CMD_SWAP, 0) < 0 ? failed(sets, name, error) : 0;
}
