/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who this host is: asks the kernel and machine-id, or the metadata service of its cloud. What
 * cannot be found is an error that names the key to set.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "identity.h"
#include "identity_ec2.h"

#define MACHINE_ID_PATH "/etc/machine-id"
#define MACHINE_ID_LENGTH 32
#define MACHINE_ID_FILE_MAX 4096

/* First boots leave the file empty or with the word "uninitialized". */
static int check_machine_id(const char *path, const char *text, struct error *error)
{
	if (strlen(text) == MACHINE_ID_LENGTH &&
		strspn(text, "0123456789abcdef") == MACHINE_ID_LENGTH &&
		strspn(text, "0") != MACHINE_ID_LENGTH)
		return 0;
	return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
		"id is not set, and %s holds no machine id: set id in the settings", path);
}

int identity_machine_id(const char *path, char **ret, struct error *error)
{
	int fd = file_open(path, O_RDONLY, 0), result = fd;
	char *text = NULL;
	size_t length;

	if (fd >= 0) {
		result = file_read_up_to(fd, MACHINE_ID_FILE_MAX, &text, &length);
		close(fd);
	}
	if (result == -ENOMEM)
		return error_memory(error);
	if (result < 0)
		return error_set(error, result, NETI_REASON_SETTINGS,
			"id is not set, and %s cannot be read (%s): set id in the "
			"settings",
			path, file_why(result));
	text[strcspn(text, "\n")] = '\0';
	result = check_machine_id(path, text, error);
	if (result < 0)
		free(text);
	else
		*ret = text;
	return result;
}

/* Not a mistake in the settings, which would be final: a route may come a moment later, at boot. */
static int ask_source(int fd, struct address *ret, struct error *error)
{
	/* TEST-NET-1 (RFC 5737), discard port: only a default route leads there. */
	struct sockaddr_in peer = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xc0000201)
	};
	struct sockaddr_in local = { 0 };
	socklen_t length = sizeof(local);
	struct address address;

	if (connect(fd, (struct sockaddr *)&peer, sizeof(peer)) < 0 ||
		getsockname(fd, (struct sockaddr *)&local, &length) < 0)
		return error_set(error, -errno, NETI_REASON_SYSTEM,
			"private_ip is not set, and this host has no default route (%m): "
			"set private_ip in the settings");
	address = address_from_ipv4(local.sin_addr);
	if (!address_is_unicast(&address))
		return error_set(error, -EADDRNOTAVAIL, NETI_REASON_SYSTEM,
			"private_ip is not set, and the default route has no source address: "
			"set private_ip in the settings");
	*ret = address;
	return 0;
}

int identity_source_address(struct address *ret, struct error *error)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result;

	if (fd < 0)
		return error_set(error, -errno, NETI_REASON_SYSTEM, "no socket can be opened: %m");
	result = ask_source(fd, ret, error);
	close(fd);
	return result;
}

static int complete_from_host(struct settings *settings, struct error *error)
{
	struct address address = settings->private_ip;
	char *id = settings->id;
	int result = 0;

	if (!settings->network)
		return error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"network is not set: set it to the name of this host's network, such as "
			"network: vpc");
	if (!address_is_set(&address))
		result = identity_source_address(&address, error);
	if (result == 0 && !id)
		result = identity_machine_id(MACHINE_ID_PATH, &id, error);
	if (result < 0)
		return result;
	settings->found |= (address_is_set(&settings->private_ip) ? 0 : SETTINGS_FOUND_PRIVATE) |
			   (settings->id ? 0 : SETTINGS_FOUND_ID);
	settings->private_ip = address;
	settings->id = id;
	return 0;
}

static int ask_ec2(const struct ec2_wanted *wanted, struct ec2_answer *ret, struct error *error)
{
	struct ec2_ask *ask;
	int result = ec2_ask_new(&ask, wanted, error);

	if (result < 0)
		return result;
	while ((result = ec2_ask_step(ask, ret, error)) == -EINPROGRESS)
		ec2_ask_wait(ask);
	ec2_ask_free(ask);
	return result;
}

static int take_texts(struct settings *settings, const struct ec2_wanted *wanted,
	const struct ec2_answer *answer, struct error *error)
{
	char *id = wanted->id ? strdup(answer->id) : NULL;
	char *network = wanted->network ? strdup(answer->network) : NULL;

	if ((wanted->id && !id) || (wanted->network && !network)) {
		free(id);
		free(network);
		return error_memory(error);
	}
	settings->id = id ? id : settings->id;
	settings->network = network ? network : settings->network;
	return 0;
}

static int complete_from_ec2(struct settings *settings, struct error *error)
{
	const struct ec2_wanted wanted = {
		.id = !settings->id,
		.network = !settings->network,
		.private_ip = !address_is_set(&settings->private_ip),
		.public_ip = !address_is_set(&settings->public_ip) &&
			     !(settings->found & SETTINGS_FOUND_PUBLIC),
	};
	struct ec2_answer answer;
	int result;

	if (!wanted.id && !wanted.network && !wanted.private_ip && !wanted.public_ip)
		return 0;
	result = ask_ec2(&wanted, &answer, error);
	if (result == 0)
		result = take_texts(settings, &wanted, &answer, error);
	if (result < 0)
		return result;
	if (wanted.private_ip)
		settings->private_ip = answer.private_ip;
	if (wanted.public_ip)
		settings->public_ip = answer.public_ip;
	settings->found |= (wanted.id ? SETTINGS_FOUND_ID : 0) |
			   (wanted.network ? SETTINGS_FOUND_NETWORK : 0) |
			   (wanted.private_ip ? SETTINGS_FOUND_PRIVATE : 0) |
			   (wanted.public_ip ? SETTINGS_FOUND_PUBLIC : 0);
	return 0;
}

int identity_complete(struct settings *settings, struct error *error)
{
	switch (settings->identity) {
	case IDENTITY_HOST:
		return complete_from_host(settings, error);
	case IDENTITY_EC2:
		return complete_from_ec2(settings, error);
	}
	return -EINVAL;
}

int identity_for_registry(struct settings *settings, struct error *error)
{
	if (settings->registry || settings->network || settings->identity == IDENTITY_HOST)
		return 0;
	return identity_complete(settings, error);
}
