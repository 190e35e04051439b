/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An instance metadata service of EC2, version 2, on 169.254.169.254:80 of the namespace it is
 * started in: metadata_server FOLDER. What it knows are files: FOLDER/token, instance-id,
 * local-ipv4, public-ipv4, mac, vpc-id; without the file it is 404. A file that begins with "!"
 * is a status instead, "!403", or "!slow". FOLDER/forgets makes it forget the token once, and is
 * gone then. One connection at a time; written from the service's documentation, and strict: it
 * refuses what the real one refuses.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOT "/latest/"
#define MACS "meta-data/network/interfaces/macs/"

static const char *folder;

static bool read_file(const char *name, char *text, size_t size)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	text[fread(text, 1, size - 1, file)] = '\0';
	text[strcspn(text, "\n")] = '\0';
	fclose(file);
	return true;
}

/* The value of a header, in a buffer of its own; NULL without it. */
static const char *header(const char *request, const char *name)
{
	static char value[512];
	const char *line = request;

	while ((line = strstr(line, "\r\n"))) {
		line += 2;
		if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
			line += strlen(name) + 1;
			line += strspn(line, " ");
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r"), line);
			return value;
		}
	}
	return NULL;
}

static void answer(int fd, int status, const char *text)
{
	dprintf(fd,
		"HTTP/1.1 %d status\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
		"Server: EC2ws\r\n\r\n%s",
		status, strlen(text), text);
}

static void answer_file(int fd, const char *name)
{
	char text[1024];

	if (!read_file(name, text, sizeof(text)))
		answer(fd, 404, "not found");
	else if (strcmp(text, "!slow") == 0)
		sleep(3);
	else if (*text == '!')
		answer(fd, atoi(text + 1), "");
	else
		answer(fd, 200, text);
}

static void answer_token(int fd, const char *request)
{
	const char *seconds = header(request, "X-aws-ec2-metadata-token-ttl-seconds");

	if (!seconds || atoi(seconds) < 1 || atoi(seconds) > 21600)
		answer(fd, 400, "");
	else if (header(request, "X-Forwarded-For"))
		answer(fd, 403, "");
	else
		answer_file(fd, "token");
}

static bool forgets_token(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/forgets", folder);
	return unlink(path) == 0;
}

static void answer_data(int fd, const char *request, const char *what)
{
	char token[1024] = "", mac[1024] = "", rest[256];
	const char *given = header(request, "X-aws-ec2-metadata-token");

	read_file("token", token, sizeof(token));
	read_file("mac", mac, sizeof(mac));
	snprintf(rest, sizeof(rest), MACS "%.64s/vpc-id", mac);
	if (!given || strcmp(given, token) != 0 || forgets_token())
		answer(fd, 401, "");
	else if (strcmp(what, rest) == 0)
		answer_file(fd, "vpc-id");
	else if (strncmp(what, "meta-data/", 10) == 0 && !strchr(what + 10, '/'))
		answer_file(fd, what + 10);
	else
		answer(fd, 404, "");
}

/* False for what cannot be answered. */
static bool serve_one(int fd, const char *request)
{
	char method[8], path[256];

	if (sscanf(request, "%7s %255s HTTP/1.1", method, path) != 2 ||
		strncmp(path, ROOT, strlen(ROOT)) != 0)
		return false;
	if (strcmp(method, "PUT") == 0 && strcmp(path, ROOT "api/token") == 0)
		answer_token(fd, request);
	else if (strcmp(method, "GET") == 0)
		answer_data(fd, request, path + strlen(ROOT));
	else
		answer(fd, 405, "");
	return true;
}

static void serve(int fd)
{
	struct timeval patience = { .tv_sec = 1 };
	char request[4096];
	size_t length = 0;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while ((n = recv(fd, request + length, sizeof(request) - length - 1, 0)) > 0) {
		length += (size_t)n;
		request[length] = '\0';
		if (!strstr(request, "\r\n\r\n"))
			continue;
		if (!serve_one(fd, request))
			break;
		length = 0;
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0xa9fea9fe)
	};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (argc != 2)
		return 2;
	folder = argv[1];
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(listener, 8) < 0) {
		perror("metadata_server");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		serve(accept(listener, NULL, NULL));
}
