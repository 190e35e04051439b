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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "zookeeper_server.h"

#define JAR "/usr/share/java/zookeeper.jar"
#define START_SECONDS 30

struct zookeeper_server {
	char folder[40];
	unsigned port;
	pid_t pid;
};

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

/* "srvr" is the command that the server answers unasked-for since 3.5. */
static int answers(unsigned port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = 1 };
	char text[64] = "";
	ssize_t length = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		send(fd, "srvr", 4, MSG_NOSIGNAL) == 4)
		length = recv(fd, text, sizeof(text) - 1, 0);
	close(fd);
	return length > 0 && strncmp(text, "Zookeeper version", 17) == 0;
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
	execl(java(), "java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Xshare:auto", "-Dzookeeper.admin.enableServer=false",
		"-Dzookeeper.4lw.commands.whitelist=srvr", "-Dzookeeper.jmx.log4j.disable=true",
		"-cp", JAR, "org.apache.zookeeper.server.ZooKeeperServerMain", configuration,
		(char *)NULL);
	_exit(127);
}

static void launch(struct zookeeper_server *server)
{
	pid_t parent = getpid();

	server->pid = fork();
	if (server->pid < 0)
		die("fork");
	if (server->pid == 0)
		run(server, parent);
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

/* Short ticks: sessions may be as short as two of them. */
static void configure(const struct zookeeper_server *server)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/zoo.cfg", server->folder);
	file = fopen(path, "w");
	if (!file)
		die(path);
	fprintf(file,
		"tickTime=200\ndataDir=%s/data\nclientPort=%u\nclientPortAddress=127.0.0.1\n"
		"maxClientCnxns=0\nforceSync=no\nadmin.enableServer=false\n",
		server->folder, server->port);
	fclose(file);
}

struct zookeeper_server *zookeeper_server_start(void)
{
	struct zookeeper_server *server;

	if (*zookeeper_server_missing())
		return NULL;
	server = calloc(1, sizeof(*server));
	if (!server)
		die("calloc");
	strcpy(server->folder, "/tmp/neti-zookeeper-XXXXXX");
	if (!mkdtemp(server->folder))
		die("mkdtemp");
	server->port = free_port();
	configure(server);
	launch(server);
	return server;
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
	launch(server);
}

void zookeeper_server_empty(struct zookeeper_server *server)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -rf %s/data", server->folder);
	if (system(command) != 0)
		die(command);
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
