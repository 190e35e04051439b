/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A supervisor in a poll loop: its program runs while this host is in the fleet, with the
 * overlay address in its environment. The agent is one descriptor more in the set.
 *
 * usage: supervisor NETI.YML PROGRAM [ARGUMENT...]
 */
#include <neti/neti.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct supervisor {
	char **command;
	pid_t child; /* 0: does not run */
	int status;
	bool end;
};

static void start(struct supervisor *supervisor, const char *overlay)
{
	sigset_t none;

	supervisor->child = fork();
	if (supervisor->child == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setenv("OVERLAY", overlay, 1);
		execvp(supervisor->command[0], supervisor->command); /* no descriptor of Neti's */
		_exit(127);
	}
}

/* Runs inside neti_agent_dispatch() alone. */
static void on_event(void *data, const struct neti_event *event)
{
	struct supervisor *supervisor = data;
	char overlay[NETI_ADDRESS_MAX];

	fprintf(stderr, "neti: %s\n", neti_event_text(event));
	if (neti_event_get_type(event) == NETI_EVENT_JOINED && supervisor->child == 0)
		start(supervisor, neti_member_overlay(neti_event_member(event), overlay));
}

static void on_signal(struct supervisor *supervisor, int fd)
{
	struct signalfd_siginfo signal;

	while (read(fd, &signal, sizeof(signal)) > 0) {
		if (signal.ssi_signo != SIGCHLD && supervisor->child > 0)
			kill(supervisor->child, (int)signal.ssi_signo);
		supervisor->end |= signal.ssi_signo != SIGCHLD;
	}
	if (supervisor->child > 0 && waitpid(supervisor->child, &supervisor->status, WNOHANG) > 0)
		supervisor->end = true;
}

static int loop(struct supervisor *supervisor, struct neti_agent *agent, int signals)
{
	struct pollfd fds[] = { { neti_agent_fd(agent), POLLIN, 0 }, { signals, POLLIN, 0 } };

	while (!supervisor->end) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			neti_agent_dispatch(agent);
		if (fds[1].revents)
			on_signal(supervisor, signals);
	}
	return WIFEXITED(supervisor->status) ? WEXITSTATUS(supervisor->status) : 1;
}

static int take_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
	struct supervisor supervisor = { .command = argv + 2 };
	struct neti_context *context;
	struct neti_settings *settings;
	struct neti_agent *agent = NULL;
	int status = 1;

	if (argc < 3 || neti_context_new(&context) < 0)
		return 2;
	if (neti_settings_new(&settings, context) == 0 &&
		neti_settings_load(settings, argv[1]) == 0 &&
		neti_agent_new(&agent, settings) == 0) {
		neti_agent_set_rules(agent, false); /* a member alone; rules need root */
		neti_agent_set_callback(agent, on_event, &supervisor);
	}
	neti_settings_unref(settings); /* the agent has its copy */
	if (agent && neti_agent_start(agent) == 0)
		status = loop(&supervisor, agent, take_signals());
	else
		fprintf(stderr, "%s\n", neti_context_message(context));
	neti_agent_unref(agent); /* leaves the fleet */
	neti_context_unref(context);
	return status;
}
