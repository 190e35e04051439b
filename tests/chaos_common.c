/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loop of failures, and what several lives are made of.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chaos.h"
#include "test.h"

#define PATIENCE_MS 20000

static char folder[64];

void chaos_setup(void)
{
	strcpy(folder, "/tmp/neti-test-chaos-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

void chaos_teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

int chaos_settings(struct neti_settings **ret, struct neti_context *context)
{
	char registry[96], state[96];
	const char *const pairs[][2] = {
		{ "registry", registry }, { "state_dir", state }, { "id", "hudson" },
		{ "network", "ec2" }, { "private_ip", "10.0.0.11" }, { "public_ip", "198.51.100.11" },
		{ "session_timeout", "4s" }, { "open_ports", "[80, 53/udp]" },
	};
	struct neti_settings *settings;
	int result = neti_settings_new(&settings, context);

	if (result < 0)
		return result;
	snprintf(registry, sizeof(registry), "sqlite:%s/registry.db", folder);
	snprintf(state, sizeof(state), "%s/state", folder);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs) && result == 0; i++)
		result = neti_settings_set(settings, pairs[i][0], pairs[i][1]);
	if (result < 0)
		neti_settings_unref(settings);
	else
		*ret = settings;
	return result;
}

static int make_members(struct neti_members **ret, struct neti_context *context, int n)
{
	char id[16], overlay[32], address[32];
	int result = neti_members_new(ret, context);

	for (int i = 1; i <= n && result == 0; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		snprintf(overlay, sizeof(overlay), "192.168.%d.%d", i / 200, 1 + i % 200);
		snprintf(address, sizeof(address), "10.1.%d.%d", i / 200, 1 + i % 200);
		result = neti_members_add(*ret, id, "ec2", overlay, address, NULL);
		if (result < 0)
			neti_members_unref(*ret);
	}
	return result;
}

int chaos_ruleset(struct neti_ruleset **ret, struct neti_context *context, int n)
{
	struct neti_settings *settings;
	struct neti_members *list;
	int result = chaos_settings(&settings, context);

	if (result < 0)
		return result;
	result = make_members(&list, context, n);
	if (result == 0) {
		result = neti_ruleset_build(ret, settings, list);
		neti_members_unref(list);
	}
	neti_settings_unref(settings);
	return result;
}

struct seen {
	int joined, applied;
	char last[512];
};

static void see(void *data, const struct neti_event *event)
{
	struct seen *seen = data;

	seen->joined += neti_event_get_type(event) == NETI_EVENT_JOINED;
	seen->applied += neti_event_get_type(event) == NETI_EVENT_APPLIED;
	/* What is lost to a lack of memory is read again. */
	seen->joined += neti_event_get_type(event) == NETI_EVENT_LOST;
	seen->applied += neti_event_get_type(event) == NETI_EVENT_LOST;
	snprintf(seen->last, sizeof(seen->last), "%s", neti_event_text(event));
	if (getenv("NETI_CHAOS_TELL"))
		fprintf(stderr, "%s\n", seen->last);
}

/* Whatever failed: a started agent comes to its end by itself. */
static void arrive(struct neti_agent *agent, const struct seen *seen, const int *counter)
{
	struct pollfd fd = { .fd = neti_agent_fd(agent), .events = POLLIN };
	struct neti_members *list = NULL;
	int left = PATIENCE_MS;

	for (; left > 0 && (*counter == 0 || !list); left -= 10) {
		faults_spare(true);
		poll(&fd, 1, 10);
		faults_spare(false);
		neti_agent_dispatch(agent);
		if (!list && neti_agent_members(agent, &list) < 0)
			list = NULL;
		if (list && neti_members_count(list) != 1) {
			neti_members_unref(list);
			list = NULL;
		}
	}
	if (left <= 0)
		ck_abort_msg("%s: never arrived; last told: %s", faults_disarm(), seen->last);
	neti_members_unref(list);
}

int chaos_agent(struct neti_context *context, bool rules)
{
	struct seen seen = { 0 };
	struct neti_settings *settings;
	struct neti_agent *agent;
	int result = chaos_settings(&settings, context);

	if (result < 0)
		return result;
	result = neti_agent_new(&agent, settings);
	neti_settings_unref(settings);
	if (result < 0)
		return result;
	neti_agent_set_rules(agent, rules);
	neti_agent_set_callback(agent, see, &seen);
	result = neti_agent_start(agent);
	if (result == 0) {
		arrive(agent, &seen, rules ? &seen.applied : &seen.joined);
		chaos_assert(neti_agent_stop(agent) == 0);
	}
	neti_agent_unref(agent);
	return result;
}

/* --- the loop ------------------------------------------------------------------------------- */

static struct neti_context *clean_context(void)
{
	struct neti_context *context;

	ck_assert_int_eq(neti_context_new(&context), 0);
	return context;
}

static void assert_given_back(const struct fault_holdings *before, const char *what)
{
	struct fault_holdings now = faults_holdings();

	/* A thread that was joined may still be listed for a moment. */
	for (int i = 0; i < 100 && now.threads > before->threads; i++) {
		poll(NULL, 0, 10);
		now = faults_holdings();
	}
	ck_assert_msg(now.descriptors == before->descriptors, "%s: %d descriptors, %d before", what,
		now.descriptors, before->descriptors);
	ck_assert_msg(now.threads == before->threads, "%s: %d threads, %d before", what, now.threads,
		before->threads);
	ck_assert_msg(now.allocations == before->allocations, "%s: %ld allocations, %ld before",
		what, now.allocations, before->allocations);
}

/* True when the fault struck. */
static bool live_with(chaos_life life, enum fault fault, long n, const struct fault_holdings *before)
{
	struct neti_context *context = clean_context();
	const char *what;
	char name[192], sentence[256];
	int result;

	faults_arm(fault, n);
	result = life(context);
	what = faults_disarm();
	if (!what) {
		ck_assert_msg(result == 0, "nothing failed, but: %s", neti_context_message(context));
	} else if (result < 0) {
		ck_assert_msg(*neti_context_message(context), "%s: no sentence", what);
		ck_assert_int_ne(neti_context_trouble(context), NETI_TROUBLE_NONE);
	}
	snprintf(sentence, sizeof(sentence), "%s", neti_context_message(context));
	neti_context_unref(context);
	snprintf(name, sizeof(name), "%ld: %s (%d)", n, what ? what : "nothing", result);
	if (getenv("NETI_CHAOS_TELL"))
		printf("%s: %s\n", name, result < 0 ? sentence : ""), fflush(stdout);
	assert_given_back(before, name);
	return what != NULL;
}

static bool everything(void)
{
	return getenv("NETI_CHAOS") != NULL;
}

void chaos_each(chaos_life life, enum fault fault, long step, long at_least)
{
	struct fault_holdings before;
	struct neti_context *context;
	long n = 0;

	if (!faults_possible(fault))
		test_skip("allocations belong to the sanitizer");
	for (int warm = 0; warm < 3; warm++) { /* what libraries keep for good */
		context = clean_context();
		ck_assert_msg(life(context) == 0, "%s", neti_context_message(context));
		neti_context_unref(context);
	}
	before = faults_holdings();
	while (live_with(life, fault, n, &before))
		n += everything() ? 1 : step;
	ck_assert_int_gt(n, at_least);
}

