/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The proxy's rules, by iptables-legacy-restore: one transaction a table, which takes away what
 * stood there of the proxy and puts up the new. Nothing but NETI-PROXY* and the jumps to them is
 * touched. The engine leaves these names alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output.h"
#include "proxy.h"

#define SAVE "iptables-legacy-save"
#define RESTORE "iptables-legacy-restore"

/*
 * The tools.
 */
static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* Runs a program with one end of a file as its input or output; its errors stay on stderr
 * unless quiet. 0 when it succeeded. */
static int run_program(char *const *words, int fd, int as, bool quiet)
{
	posix_spawn_file_actions_t files;
	pid_t pid;
	int result;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fd, as);
	if (quiet)
		posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	result = posix_spawnp(&pid, words[0], &files, NULL, words, environ);
	posix_spawn_file_actions_destroy(&files);
	if (result && !quiet)
		say_error("%s cannot be run: %s (package iptables)", words[0],
			strerrordesc_np(result));
	return result ? -1 : wait_for(pid);
}

/* The tables in use, as iptables-save prints them; NULL when it failed. The caller frees. */
static char *save(bool quiet)
{
	char *const words[] = { (char[]){ SAVE }, NULL };
	FILE *file = tmpfile();
	char *text = NULL;
	long size = 0;

	if (file && run_program(words, fileno(file), STDOUT_FILENO, quiet) == 0 &&
		fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0)
		text = malloc((size_t)size + 1);
	if (text) {
		rewind(file);
		text[fread(text, 1, (size_t)size, file)] = '\0';
	}
	if (file)
		fclose(file);
	return text;
}

static int restore(FILE *file)
{
	char *const words[] = { (char[]){ RESTORE }, (char[]){ "--noflush" }, (char[]){ "--wait" },
		(char[]){ "5" }, NULL };

	fflush(file);
	rewind(file);
	if (run_program(words, fileno(file), STDIN_FILENO, false) == 0)
		return 0;
	say_error("the kernel's rules stay as they were");
	return -1;
}

/*
 * Taking away: written for each table from what it holds.
 */
static void take_away_line(FILE *out, const char *line)
{
	int length = (int)strcspn(line, "\n");

	if (strncmp(line, ":NETI-PROXY", 11) == 0)
		fprintf(out, "-F %.*s\n", (int)strcspn(line + 1, " "), line + 1);
	else if (strncmp(line, "-A ", 3) == 0 && strncmp(line, "-A NETI-PROXY", 13) != 0 &&
		 memmem(line, (size_t)length, " -j NETI-PROXY", 14))
		fprintf(out, "-D %.*s\n", length - 3, line + 3);
}

static void drop_line(FILE *out, const char *line)
{
	if (strncmp(line, ":NETI-PROXY", 11) == 0)
		fprintf(out, "-X %.*s\n", (int)strcspn(line + 1, " "), line + 1);
}

/* Every line of one table. A chain goes after the rules of all of them are gone. */
static bool each_line(const char *saved, const char *table, FILE *out,
	void (*work)(FILE *out, const char *line))
{
	bool inside = false, found = false;

	for (const char *line = saved; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (*line == '*')
			inside = strncmp(line, table, strlen(table)) == 0;
		if (!inside)
			continue;
		found |= strncmp(line, ":NETI-PROXY", 11) == 0;
		work(out, line);
	}
	return found;
}

static bool take_away(const char *saved, const char *table, FILE *out)
{
	bool found = each_line(saved, table, out, take_away_line);

	if (found)
		each_line(saved, table, out, drop_line);
	return found;
}

/*
 * Putting up.
 */
static void print_nat(const struct proxy *proxy, FILE *out)
{
	char text[INET_ADDRSTRLEN], *from = strdup(proxy->from), *rest = from, *prefix;

	fputs("-N NETI-PROXY\n-N NETI-PROXY-TO\n-N NETI-PROXY-SNAT\n", out);
	while ((prefix = strsep(&rest, ",")))
		fprintf(out,
			"-A NETI-PROXY -s %s -p tcp -m tcp --dport %u "
			"-m addrtype --dst-type LOCAL -j NETI-PROXY-TO\n",
			prefix, proxy->listen);
	free(from);
	for (size_t i = 0; i < proxy->n_targets; i++) {
		const struct sockaddr_in *target = &proxy->targets[i];
		unsigned port = ntohs(target->sin_port);

		inet_ntop(AF_INET, &target->sin_addr, text, sizeof(text));
		fputs("-A NETI-PROXY-TO -p tcp", out);
		if (i + 1 < proxy->n_targets) /* each gets its share of what is left */
			fprintf(out, " -m statistic --mode random --probability %.8f",
				1.0 / (double)(proxy->n_targets - i));
		fprintf(out, " -j DNAT --to-destination %s:%u\n", text, port);
		/* The server's answers must come back here, whatever its routes are. */
		fprintf(out,
			"-A NETI-PROXY-SNAT -d %s -p tcp -m tcp --dport %u -m conntrack "
			"--ctstate DNAT --ctorigdstport %u -j MASQUERADE\n",
			text, port, proxy->listen);
	}
	fputs("-I PREROUTING -j NETI-PROXY\n-I OUTPUT -j NETI-PROXY\n"
	      "-I POSTROUTING -j NETI-PROXY-SNAT\n",
		out);
}

static void print_filter(const struct proxy *proxy, FILE *out)
{
	char text[INET_ADDRSTRLEN];

	fputs("-N NETI-PROXY-FORWARD\n", out);
	for (size_t i = 0; i < proxy->n_targets; i++) {
		const struct sockaddr_in *target = &proxy->targets[i];
		unsigned port = ntohs(target->sin_port);

		inet_ntop(AF_INET, &target->sin_addr, text, sizeof(text));
		fprintf(out,
			"-A NETI-PROXY-FORWARD -d %s -p tcp -m tcp --dport %u -m conntrack "
			"--ctstate DNAT --ctorigdstport %u -j ACCEPT\n",
			text, port, proxy->listen);
		fprintf(out,
			"-A NETI-PROXY-FORWARD -s %s -p tcp -m tcp --sport %u -m conntrack "
			"--ctstate ESTABLISHED --ctorigdstport %u -j ACCEPT\n",
			text, port, proxy->listen);
	}
	fputs("-I FORWARD -j NETI-PROXY-FORWARD\n", out);
}

static const struct {
	const char *name;
	void (*print)(const struct proxy *proxy, FILE *out);
} tables[] = {
	{ "*filter\n", print_filter }, /* first: what is forwarded is let through already */
	{ "*nat\n", print_nat },
};

/* proxy NULL: takes away alone. */
static int change(const struct proxy *proxy)
{
	char *saved = save(false);
	FILE *file = saved ? tmpfile() : NULL;
	bool found = false;
	int result = 0;

	if (!file) {
		if (saved)
			say_error("no temporary file: %s", strerrordesc_np(errno));
		free(saved);
		return -1;
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		bool there = strstr(saved, tables[i].name) != NULL;

		if (!proxy && !there) /* a table is not brought into being to be emptied */
			continue;
		fputs(tables[i].name, file);
		found |= take_away(saved, tables[i].name, file);
		if (proxy)
			tables[i].print(proxy, file);
		fputs("COMMIT\n", file);
	}
	if (proxy || found)
		result = restore(file);
	fclose(file);
	free(saved);
	return result < 0 ? result : found;
}

int proxy_rules_apply(const struct proxy *proxy)
{
	return change(proxy);
}

int proxy_rules_flush(void)
{
	return change(NULL);
}

int proxy_rules_look(void)
{
	char *saved = geteuid() == 0 ? save(true) : NULL;
	int result = saved ? strstr(saved, "\n:NETI-PROXY ") != NULL : -1;

	free(saved);
	return result;
}
