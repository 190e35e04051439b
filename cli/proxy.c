/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proxy apply, flush, status: hosts of this network reach ZooKeeper in another one through this
 * host, without a program in between: the kernel forwards their connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handles.h"
#include "output.h"
#include "proxy.h"

#define FORWARD "/proc/sys/net/ipv4/ip_forward"
#define PRIVATE "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10"

/* The command line's own over the file's. */
static int take_options(struct netictl *netictl)
{
	const struct command_line *line = &netictl->line;
	char list[1024];
	int result = 0;

	if (line->listen)
		result = neti_settings_set(netictl->settings, "listen", line->listen);
	if (result == 0 && line->to) {
		snprintf(list, sizeof(list), "[%s]", line->to);
		result = neti_settings_set(netictl->settings, "to", list);
	}
	return result;
}

/* "host:port", a name or an IPv4 address. The settings have checked the form. */
static int look_up(const char *text, struct sockaddr_in *ret)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(text, ':');
	struct addrinfo *found;
	char host[256];
	int result;

	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	result = getaddrinfo(host, colon + 1, &hints, &found);
	if (result)
		return say_error("to: %s has no IPv4 address: %s", host, gai_strerror(result));
	memcpy(ret, found->ai_addr, sizeof(*ret));
	freeaddrinfo(found);
	return EXIT_DONE;
}

static int look_up_all(struct proxy *proxy, char *to)
{
	int status = EXIT_DONE;
	char *text;

	while (status == EXIT_DONE && (text = strsep(&to, ","))) {
		if (proxy->n_targets == PROXY_TARGETS_MAX)
			return say_error("to: more than %d servers", PROXY_TARGETS_MAX);
		status = look_up(text, &proxy->targets[proxy->n_targets++]);
	}
	return status;
}

/* The exit status. */
static int read_proxy(struct netictl *netictl, struct proxy *proxy)
{
	auto_text *to = NULL;

	if (take_options(netictl) < 0 ||
		neti_settings_proxy(netictl->settings, &proxy->listen, &to, &proxy->from) < 0) {
		say_failure(netictl);
		return EXIT_USAGE;
	}
	if (!proxy->listen || !*to)
		return say_usage("proxy needs %s: in the settings, or as --%s",
			proxy->listen ? "to, the ZooKeeper servers" : "listen, a port",
			proxy->listen ? "to" : "listen");
	if (!*proxy->from) {
		free(proxy->from);
		proxy->from = strdup(PRIVATE);
		if (!proxy->from)
			return say_memory();
	}
	return look_up_all(proxy, to);
}

/* 1 when it was off. */
static int switch_forwarding_on(void)
{
	int fd = open(FORWARD, O_RDWR | O_CLOEXEC), result = -1;
	char before = '0';

	if (fd >= 0 && read(fd, &before, 1) == 1)
		result = before == '0' ? (pwrite(fd, "1", 1, 0) == 1 ? 1 : -1) : 0;
	if (result < 0)
		say_error("cannot switch on forwarding in %s: %s", FORWARD, strerrordesc_np(errno));
	if (fd >= 0)
		close(fd);
	return result;
}

static int apply(struct netictl *netictl, const struct proxy *proxy)
{
	int result = proxy_rules_apply(proxy), forwarding;

	if (result < 0)
		return EXIT_FAILED;
	forwarding = switch_forwarding_on();
	if (forwarding < 0)
		return EXIT_FAILED;
	if (forwarding)
		say(netictl, "IPv4 forwarding was off and is now on");
	say(netictl, "port %u is forwarded to %zu servers now", proxy->listen, proxy->n_targets);
	return EXIT_DONE;
}

static json_t *target_json(const struct sockaddr_in *target, const struct proxy_health *health)
{
	char text[INET_ADDRSTRLEN], address[32];

	inet_ntop(AF_INET, &target->sin_addr, text, sizeof(text));
	snprintf(address, sizeof(address), "%s:%u", text, ntohs(target->sin_port));
	return json_pack("{s:s, s:b, s:s, s:o, s:s}", "address", address, "healthy",
		health->healthy, "mode", health->mode, "connections",
		health->connections < 0 ? json_null() : json_integer(health->connections), "text",
		health->text);
}

static void print_target(json_t *target)
{
	const char *mode = json_string_value(json_object_get(target, "mode"));
	json_t *connections = json_object_get(target, "connections");

	printf("%-21s  %s", json_string_value(json_object_get(target, "address")),
		json_string_value(json_object_get(target, "text")));
	if (*mode)
		printf(", %s", mode);
	if (json_is_integer(connections))
		printf(", %lld connections", (long long)json_integer_value(connections));
	putchar('\n');
}

static int status(struct netictl *netictl, const struct proxy *proxy)
{
	json_t *targets = json_array(), *target;
	int applied = proxy_rules_look();
	size_t healthy = 0, i;
	int result;

	for (i = 0; i < proxy->n_targets; i++) {
		struct proxy_health health = proxy_health(&proxy->targets[i]);

		healthy += health.healthy;
		json_array_append_new(targets, target_json(&proxy->targets[i], &health));
	}
	result = applied != 0 && healthy ? EXIT_DONE : EXIT_FAILED;
	if (netictl->line.json) {
		print_json(json_pack("{s:i, s:o, s:o}", "listen", (int)proxy->listen, "applied",
			applied < 0 ? json_null() : json_boolean(applied), "targets", targets));
		return result;
	}
	printf("port %u: %s\n", proxy->listen,
		applied > 0  ? "applied" :
		applied == 0 ? "not applied" :
			       "only root can see whether it is applied");
	json_array_foreach (targets, i, target)
		print_target(target);
	json_decref(targets);
	return result;
}

static int flush(const struct netictl *netictl)
{
	int result = proxy_rules_flush();

	if (result < 0)
		return EXIT_FAILED;
	say(netictl, result ? "all of the proxy's rules are gone; forwarding stays as it is" :
			      "there were no rules of the proxy");
	return EXIT_DONE;
}

int command_proxy(struct netictl *netictl)
{
	const char *verb = netictl->line.arguments[0];
	bool wants_apply = strcmp(verb, "apply") == 0;
	struct proxy proxy = { 0 };
	int result;

	if (strcmp(verb, "flush") == 0)
		return flush(netictl);
	if (!wants_apply && strcmp(verb, "status") != 0)
		return say_usage("proxy has no \"%s\": see netictl proxy --help", verb);
	result = read_proxy(netictl, &proxy);
	if (result == EXIT_DONE)
		result = wants_apply ? apply(netictl, &proxy) : status(netictl, &proxy);
	free(proxy.from);
	return result;
}
