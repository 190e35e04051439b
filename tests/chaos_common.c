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

const char *chaos_folder(void)
{
	return folder;
}

const char *chaos_engine = "auto";

int chaos_settings(struct neti_settings **ret, struct neti_context *context)
{
	char registry[96], state[96];
	const char *const pairs[][2] = {
		{ "registry", registry },
		{ "state_dir", state },
		{ "id", "hudson" },
		{ "network", "ec2" },
		{ "private_ip", "10.0.0.11" },
		{ "public_ip", "198.51.100.11" },
		{ "session_timeout", "4s" },
		{ "engine", chaos_engine },
		{ "open_ports", "[80, 53/udp]" },
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

int chaos_registry(struct neti_registry **ret, struct neti_context *context)
{
	struct neti_settings *settings;
	int result = chaos_settings(&settings, context);

	if (result < 0)
		return result;
	result = neti_registry_open(ret, settings);
	neti_settings_unref(settings);
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

/* The fleet is seen, and it is of that size. */
static bool sees(struct neti_agent *agent, size_t members)
{
	struct neti_members *list;
	size_t n;

	if (neti_agent_members(agent, &list) < 0)
		return false;
	n = neti_members_count(list);
	neti_members_unref(list);
	return n == members;
}

/* Whatever failed: a started agent comes to its end by itself. */
static void arrive(struct neti_agent *agent, const struct chaos_agent *plan,
	const struct seen *seen)
{
	struct pollfd fd = { .fd = neti_agent_fd(agent), .events = POLLIN };
	bool saw = false;
	int left = PATIENCE_MS;

	for (; left > 0; left -= 10) {
		saw |= sees(agent, plan->member ? 1 : 0);
		if (saw && (!plan->member || seen->joined) && (!plan->rules || seen->applied))
			return;
		faults_spare(true);
		poll(&fd, 1, 10);
		faults_spare(false);
		neti_agent_dispatch(agent);
	}
	ck_abort_msg("%s: never arrived; last told: %s", faults_disarm(), seen->last);
}

static int new_agent(struct neti_agent **ret, struct neti_context *context,
	const struct chaos_agent *plan, struct seen *seen)
{
	struct neti_settings *settings;
	int result = chaos_settings(&settings, context);

	if (result < 0)
		return result;
	result = neti_agent_new(ret, settings);
	neti_settings_unref(settings);
	if (result < 0)
		return result;
	neti_agent_set_member(*ret, plan->member);
	neti_agent_set_rules(*ret, plan->rules);
	neti_agent_set_callback(*ret, see, seen);
	return 0;
}

static void may_fail(bool may)
{
	static bool paused;

	if (paused == may)
		faults_pause(paused = !may);
}

int chaos_agent(struct neti_context *context, const struct chaos_agent *plan)
{
	struct seen seen = { 0 };
	struct neti_agent *agent;
	int result;

	may_fail(plan->part != CHAOS_STOP);
	result = new_agent(&agent, context, plan, &seen);
	if (result == 0) {
		result = neti_agent_start(agent);
		may_fail(plan->part == CHAOS_LIFE);
		if (result == 0)
			arrive(agent, plan, &seen);
		may_fail(plan->part != CHAOS_START);
		chaos_assert(neti_agent_stop(agent) == 0);
		neti_agent_unref(agent);
	}
	may_fail(true);
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
	ck_assert_msg(now.threads == before->threads, "%s: %d threads, %d before", what,
		now.threads, before->threads);
	ck_assert_msg(now.allocations == before->allocations, "%s: %ld allocations, %ld before",
		what, now.allocations, before->allocations);
}

/* True when the fault struck. */
static bool live_with(chaos_life life, enum fault fault, long n,
	const struct fault_holdings *before)
{
	struct neti_context *context = clean_context();
	const char *what;
	char name[192], sentence[256];
	int result;

	faults_arm(fault, n);
	result = life(context);
	what = faults_disarm();
	if (!what) {
		ck_assert_msg(result == 0, "nothing failed, but: %s",
			neti_context_message(context));
	} else if (result < 0) {
		ck_assert_msg(*neti_context_message(context), "%s: no sentence", what);
		ck_assert_int_ne(neti_context_reason(context), NETI_REASON_NONE);
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
