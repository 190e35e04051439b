/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An agent in libuv's loop: one poll handle. Ends on INT or TERM.
 *
 * usage: libuv NETI.YML       cc libuv.c $(pkg-config --cflags --libs libneti libuv)
 */
#include <neti/neti.h>
#include <signal.h>
#include <stdio.h>
#include <uv.h>

static void tell(void *data, const struct neti_event *event)
{
	fprintf(data, "%s\n", neti_event_text(event));
	fflush(data);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	(void)events;
	if (status < 0 || neti_agent_dispatch(handle->data) < 0)
		uv_stop(handle->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	uv_stop(handle->loop);
}

static void close_handle(uv_handle_t *handle, void *data)
{
	(void)data;
	uv_close(handle, NULL);
}

static int loop(struct neti_agent *agent)
{
	uv_loop_t *loop = uv_default_loop();
	uv_poll_t readable;
	uv_signal_t interrupt, terminate;
	int result = uv_poll_init(loop, &readable, neti_agent_fd(agent));

	if (result < 0)
		return result;
	readable.data = agent;
	uv_poll_start(&readable, UV_READABLE, on_readable);
	uv_signal_init(loop, &interrupt);
	uv_signal_start(&interrupt, on_signal, SIGINT);
	uv_signal_init(loop, &terminate);
	uv_signal_start(&terminate, on_signal, SIGTERM);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_walk(loop, close_handle, NULL); /* before the agent goes, whose descriptor it is */
	uv_run(loop, UV_RUN_DEFAULT);
	return uv_loop_close(loop);
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
