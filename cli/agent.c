/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run and watch: the two commands that stay. One loop over the agent's descriptor and signals.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "handles.h"
#include "hook.h"
#include "members.h"
#include "notify.h"
#include "output.h"

struct loop {
	struct netictl *netictl;
	struct neti_agent *agent;
	struct hook *hook; /* NULL: none, and for watch */
	neti_event_function function;
	int signals;
};

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reload(struct loop *loop)
{
	struct netictl *netictl = loop->netictl;
	auto_settings *fresh = NULL;

	notify_state("RELOADING=1");
	if (neti_settings_new(&fresh, netictl->context) < 0 ||
		options_load(&netictl->line, fresh) < 0 ||
		neti_agent_reload(loop->agent, fresh) < 0) {
		say_error("not reloaded, the old settings stay: %s",
			neti_context_message(netictl->context));
	} else {
		hook_set_command(loop->hook, neti_settings_on_register(fresh));
		say(netictl, "settings read again");
	}
	notify_state("READY=1");
}

/* False when it is time to end. */
static bool take_signal(struct loop *loop)
{
	struct signalfd_siginfo info;

	if (read(loop->signals, &info, sizeof(info)) != sizeof(info))
		return true;
	if (info.ssi_signo == SIGHUP)
		reload(loop);
	return info.ssi_signo == SIGHUP || info.ssi_signo == SIGCHLD;
}

/* The shorter of two waits, of which -1 is for ever. */
static int shorter(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void run_loop(struct loop *loop)
{
	struct pollfd fds[] = {
		{ .fd = neti_agent_fd(loop->agent), .events = POLLIN },
		{ .fd = loop->signals, .events = POLLIN },
		{ .events = POLLIN },
	};

	do {
		fds[2].fd = hook_descriptor(loop->hook);
		poll(fds, 3, shorter(notify_interval(), hook_wait(loop->hook)));
		/* The watchdog is for the worker too: a stuck one is not vouched for. */
		notify_alive(neti_agent_last_turn_ms(loop->agent));
		neti_agent_dispatch(loop->agent);
		hook_advance(loop->hook);
		/* watch for a reader that is gone */
	} while (!ferror(stdout) && (!(fds[1].revents & POLLIN) || take_signal(loop)));
}

static void on_event(void *data, const struct neti_event *event)
{
	struct loop *loop = data;

	loop->function(loop->netictl, event);
	if (neti_event_get_type(event) == NETI_EVENT_JOINED)
		hook_joined(loop->hook, neti_event_member(event));
}

static int stay(struct netictl *netictl, bool watch, neti_event_function function)
{
	struct loop loop = { .netictl = netictl, .function = function, .signals = open_signals() };
	int status = EXIT_DONE;

	if (neti_agent_new(&loop.agent, netictl->settings) < 0) {
		status = say_failure(netictl);
		goto out;
	}
	if (!watch)
		loop.hook = hook_new(netictl, neti_settings_on_register(netictl->settings));
	neti_agent_set_callback(loop.agent, on_event, &loop);
	neti_agent_set_takeover(loop.agent, netictl->line.takeover);
	neti_agent_set_member(loop.agent, !watch);
	neti_agent_set_rules(loop.agent, !watch);
	if (neti_agent_start(loop.agent) < 0) {
		status = say_failure(netictl);
		goto out;
	}
	/* Ready is not "applied": with the registry away the rules stay as they are, and that is
	 * no reason to be restarted. */
	notify_state("READY=1");
	run_loop(&loop);
	notify_state("STOPPING=1");
	neti_agent_stop(loop.agent);
	neti_agent_dispatch(loop.agent);
out:
	neti_agent_unref(loop.agent);
	hook_free(loop.hook);
	close(loop.signals);
	return status;
}

static void tell(void *data, const struct neti_event *event)
{
	const struct netictl *netictl = data;

	if (neti_event_get_type(event) == NETI_EVENT_TROUBLE)
		say_error("%s", neti_event_text(event));
	else
		say(netictl, "%s", neti_event_text(event));
}

int command_run(struct netictl *netictl)
{
	return stay(netictl, false, tell);
}

static void print_change(const struct netictl *netictl, const char *sign, const char *change,
	const struct neti_member *member)
{
	char overlay[NETI_ADDRESS_MAX], private_address[NETI_ADDRESS_MAX],
		public_address[NETI_ADDRESS_MAX];
	json_t *json;

	if (netictl->line.json) {
		json = json_pack("{s:s, s:o}", "change", change, "member", member_json(member));
		json_dumpf(json, stdout, JSON_COMPACT);
		json_decref(json);
		putchar('\n');
		return;
	}
	neti_member_public(member, public_address);
	printf("%s %s %s %s %s %s\n", sign, neti_member_id(member), neti_member_network(member),
		neti_member_overlay(member, overlay), neti_member_private(member, private_address),
		*public_address ? public_address : "-");
}

static void print_changes(const struct netictl *netictl, const char *sign, const char *change,
	const struct neti_members *members)
{
	for (size_t i = 0; i < neti_members_count(members); i++)
		print_change(netictl, sign, change, neti_members_get(members, i));
}

static void print_event(void *data, const struct neti_event *event)
{
	const struct netictl *netictl = data;

	if (neti_event_get_type(event) != NETI_EVENT_MEMBERS) {
		say(netictl, "%s", neti_event_text(event));
		return;
	}
	print_changes(netictl, "+", "added", neti_event_added(event));
	print_changes(netictl, "~", "moved", neti_event_moved(event));
	print_changes(netictl, "-", "removed", neti_event_removed(event));
	fflush(stdout);
}

int command_watch(struct netictl *netictl)
{
	return stay(netictl, true, print_event);
}
