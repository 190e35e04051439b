/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts Debian's ZooKeeper. Its jar names all others that it needs in its manifest.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "zookeeper_server.h"

#define JAR "/usr/share/java/zookeeper.jar"
#define START_SECONDS 30

struct zookeeper_server {
	char folder[40];
	unsigned port, quorum_port, election_port;
	unsigned number; /* in an ensemble, from 1; alone: 0 */
	pid_t pid;
};

static const char *listen_address = "127.0.0.1";

void zookeeper_servers_listen_on(const char *address)
{
	listen_address = address;
}

static const char *java(void)
{
	static const char *const places[] = { "/usr/bin/java", "/usr/local/bin/java" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

const char *zookeeper_server_missing(void)
{
	if (!java())
		return "java is not installed";
	return access(JAR, R_OK) == 0 ? "" : JAR " is not installed (package zookeeper)";
}

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static unsigned free_port(void)
{
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		die("a free port");
	close(fd);
	return ntohs(address.sin_port);
}

/* What the server says to a command of four letters; "" when it does not answer. */
static void ask(unsigned port, const char *command, char *text, size_t size)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = 1 };
	size_t length = 0;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		send(fd, command, 4, MSG_NOSIGNAL) == 4)
		while (length < size - 1 && (n = recv(fd, text + length, size - 1 - length, 0)) > 0)
			length += (size_t)n;
	text[length] = '\0';
	close(fd);
}

/* A member of an ensemble answers before it serves, but gives no version then. */
static int answers(unsigned port)
{
	char text[512];

	ask(port, "srvr", text, sizeof(text));
	return strncmp(text, "Zookeeper version", 17) == 0;
}

bool zookeeper_server_leads(const struct zookeeper_server *server)
{
	char text[512];

	ask(server->port, "srvr", text, sizeof(text));
	return strstr(text, "Mode: leader") != NULL;
}

static void run(const struct zookeeper_server *server, pid_t parent)
{
	char configuration[64], output[64];
	int fd;

	snprintf(configuration, sizeof(configuration), "%s/zoo.cfg", server->folder);
	snprintf(output, sizeof(output), "%s/output", server->folder);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	fd = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execl(java(), "java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Xshare:auto", "-Dzookeeper.admin.enableServer=false",
		"-Dzookeeper.4lw.commands.whitelist=srvr", "-Dzookeeper.jmx.log4j.disable=true",
		"-cp", JAR,
		server->number ? "org.apache.zookeeper.server.quorum.QuorumPeerMain" :
				 "org.apache.zookeeper.server.ZooKeeperServerMain",
		configuration, (char *)NULL);
	_exit(127);
}

static void spawn(struct zookeeper_server *server)
{
	pid_t parent = getpid();

	server->pid = fork();
	if (server->pid < 0)
		die("fork");
	if (server->pid == 0)
		run(server, parent);
}

static void await(struct zookeeper_server *server)
{
	for (int i = 0; i < START_SECONDS * 20; i++) {
		if (answers(server->port))
			return;
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	fprintf(stderr, "ZooKeeper does not come up: see %s/output\n", server->folder);
	exit(EXIT_FAILURE);
}

static FILE *create(const struct zookeeper_server *server, const char *name)
{
	char path[80];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", server->folder, name);
	file = fopen(path, "w");
	if (!file)
		die(path);
	return file;
}

/* Short ticks: sessions may be as short as two of them. */
static FILE *configure(const struct zookeeper_server *server)
{
	FILE *file = create(server, "zoo.cfg");

	fprintf(file,
		"tickTime=200\ndataDir=%s/data\nclientPort=%u\nclientPortAddress=%s\nmaxSessionTimeout=60000\n"
		"maxClientCnxns=0\nforceSync=no\nadmin.enableServer=false\n",
		server->folder, server->port, listen_address);
	return file;
}

static void configure_ensemble(struct zookeeper_server *servers[], unsigned n, unsigned i)
{
	FILE *file = configure(servers[i]);

	fprintf(file, "initLimit=50\nsyncLimit=10\n");
	for (unsigned j = 0; j < n; j++)
		fprintf(file, "server.%u=127.0.0.1:%u:%u\n", j + 1, servers[j]->quorum_port,
			servers[j]->election_port);
	fclose(file);
}

static void name_in_ensemble(struct zookeeper_server *server, unsigned number)
{
	char path[80];
	FILE *file;

	snprintf(path, sizeof(path), "%s/data", server->folder);
	if (mkdir(path, 0700) < 0)
		die(path);
	file = create(server, "data/myid");
	fprintf(file, "%u\n", number);
	fclose(file);
	server->number = number;
	server->quorum_port = free_port();
	server->election_port = free_port();
}

static struct zookeeper_server *prepare(void)
{
	struct zookeeper_server *server = calloc(1, sizeof(*server));

	if (!server)
		die("calloc");
	strcpy(server->folder, "/tmp/neti-zookeeper-XXXXXX");
	if (!mkdtemp(server->folder))
		die("mkdtemp");
	server->port = free_port();
	return server;
}

struct zookeeper_server *zookeeper_server_start(void)
{
	struct zookeeper_server *server;

	if (*zookeeper_server_missing())
		return NULL;
	server = prepare();
	fclose(configure(server));
	spawn(server);
	await(server);
	return server;
}

bool zookeeper_servers_start(struct zookeeper_server *servers[], unsigned n)
{
	if (*zookeeper_server_missing())
		return false;
	for (unsigned i = 0; i < n; i++) {
		servers[i] = prepare();
		name_in_ensemble(servers[i], i + 1);
	}
	for (unsigned i = 0; i < n; i++) {
		configure_ensemble(servers, n, i);
		spawn(servers[i]);
	}
	for (unsigned i = 0; i < n; i++)
		await(servers[i]);
	return true;
}

unsigned zookeeper_server_port(const struct zookeeper_server *server)
{
	return server->port;
}

void zookeeper_server_kill(struct zookeeper_server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
}

void zookeeper_server_restart(struct zookeeper_server *server)
{
	spawn(server);
	await(server);
}

static void in_folder(const struct zookeeper_server *server, const char *what)
{
	char command[160];

	snprintf(command, sizeof(command), "cd %s && %s", server->folder, what);
	if (system(command) != 0)
		die(command);
}

void zookeeper_server_empty(struct zookeeper_server *server)
{
	in_folder(server, "rm -rf data");
}

void zookeeper_server_copy(struct zookeeper_server *server)
{
	in_folder(server, "rm -rf copy && cp -a data copy");
}

void zookeeper_server_restore(struct zookeeper_server *server)
{
	in_folder(server, "rm -rf data && cp -a copy data");
}

void zookeeper_server_freeze(struct zookeeper_server *server)
{
	kill(server->pid, SIGSTOP);
}

void zookeeper_server_thaw(struct zookeeper_server *server)
{
	kill(server->pid, SIGCONT);
}

struct zookeeper_server *zookeeper_server_stop(struct zookeeper_server *server)
{
	char command[80];

	if (!server)
		return NULL;
	zookeeper_server_kill(server);
	snprintf(command, sizeof(command), "rm -rf %s", server->folder);
	if (system(command) != 0)
		fprintf(stderr, "%s stays behind\n", server->folder);
	free(server);
	return NULL;
}
