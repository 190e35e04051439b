/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An agent in systemd's event loop: one I/O source. Ends on INT or TERM.
 *
 * usage: sd-event NETI.YML       cc sd-event.c $(pkg-config --cflags --libs libneti libsystemd)
 */
#include <neti/neti.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

static void tell(void *data, const struct neti_event *event)
{
	fprintf(data, "%s\n", neti_event_text(event));
	fflush(data);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *agent)
{
	(void)source;
	(void)fd;
	(void)events;
	return neti_agent_dispatch(agent); /* below 0: sd_event_loop() ends with it */
}

static int loop(struct neti_agent *agent)
{
	sd_event *event;
	sigset_t signals;
	int result = sd_event_default(&event);

	if (result < 0)
		return result;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	/* Without a handler of its own a signal ends the loop. */
	sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
	result = sd_event_add_io(event, NULL, neti_agent_fd(agent), EPOLLIN, on_readable, agent);
	if (result >= 0)
		result = sd_event_loop(event);
	sd_event_unref(event);
	return result;
}

int main(int argc, char **argv)
{
	struct neti_context *context;
	struct neti_settings *settings;
	struct neti_agent *agent = NULL;
	int result = -1;

	if (argc != 2 || neti_context_new(&context) < 0)
		return 2;
	if (neti_settings_new(&settings, context) == 0 &&
		neti_settings_load(settings, argv[1]) == 0 &&
		neti_agent_new(&agent, settings) == 0) {
		neti_agent_set_rules(agent, false);
		neti_agent_set_callback(agent, tell, stdout);
	}
	if (agent && neti_agent_start(agent) == 0)
		result = loop(agent);
	else
		fprintf(stderr, "%s\n", neti_context_message(context));
	neti_agent_unref(agent);
	neti_settings_unref(settings);
	neti_context_unref(context);
	return result < 0;
}
