/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server whose answers are none: every field of every answer that an agent, the first agent of a
 * fleet and a reader get, one at a time and several at once. Nobody may die of it, and when the
 * server is one again, all is well again.
 *
 * Debian's client of ZooKeeper itself does not bear everything. What is not tried here, because no
 * code of ours runs before it ends the process (3.8.0):
 * - An answer that nobody asked for, and one that bears the number of an event or of an answer to
 *   credentials (-1, -4): assert(), or a path or name that was never set.
 * - Answers to more operations than were asked for, one that is cut off among them, or one that
 *   says it failed and goes on as if not: assert().
 * - Anything cut off before the first thing of variable length (the header, a list before its
 *   count, an event before its path), an event whose path is null, and data that are said to be
 *   longer than the answer: it reads and frees what it never set.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_zookeeper.h"
#include "neti/neti.h"
#include "registry/registry.h"
#include "test.h"

#define WIDTH 24	/* trials at once */
#define QUIET_MS 80	/* without a request: all was asked for */
#define TOLD_MS 30	/* from the bad answer to the good server */
#define ALIVE_MS 100	/* from there on, where nobody waits for more */
#define LASTS_MS 3000	/* who asks on and on never comes to the last of the bad answers */
#define HEALED_MS 60000 /* on a busy machine too */
#define HEALS_EACH 30	/* one in so many is waited for, in a short run */
#define SHARE 8		/* of the values of a field, one in so many in a short run, and the first */
#define RANDOM_SHORT 60
#define RANDOM_DEEP 5000
#define FAILS_MS 7000	   /* so long every answer is the same error, */
#define RESTS_MS 3000	   /* and at the end of it pauses are long: */
#define REQUESTS_MOST 1000 /* all shards once, what is made over and over; changes without end */
#define READS_MOST 1500	   /* a reader is told, and asks for everything anew three times a second */

enum who { AGENT, FIRST, READER, WHO };

static const char *const names[WHO] = { "an agent", "a fleet's first agent", "a reader" };

/* One of each kind that the client's codes are translated to, those that say that the connection is
 * lost while it is not, and watches that go off for ever. */
static const struct failure {
	int error;
	unsigned kinds;
} failures[] = {
	{ -1, FAKE_ALL },
	{ -1, FAKE_GET },
	{ -1, FAKE_CHILDREN },
	{ -1, FAKE_MULTI },
	{ -4, FAKE_ALL },
	{ -4, FAKE_GET },
	{ -4, FAKE_CHILDREN },
	{ -4, FAKE_MULTI },
	{ -7, FAKE_ALL },
	{ -8, FAKE_ALL },
	{ -9, FAKE_ALL },
	{ -100, FAKE_ALL },
	{ -101, FAKE_ALL },
	{ -101, FAKE_GET },
	{ -101, FAKE_CHILDREN },
	{ -101, FAKE_MULTI },
	{ -102, FAKE_ALL },
	{ -103, FAKE_ALL },
	{ -103, FAKE_MULTI },
	{ -110, FAKE_ALL },
	{ -110, FAKE_MULTI },
	{ -111, FAKE_ALL },
	{ -112, FAKE_ALL },
	{ -112, FAKE_GET },
	{ -112, FAKE_CHILDREN },
	{ -112, FAKE_MULTI },
	{ -116, FAKE_ALL },
	{ -118, FAKE_ALL },
	{ 0, FAKE_ALL },
};

struct trial {
	struct fake *fake; /* NULL: none */
	pid_t pid;
	enum who who;
	struct mutation mutations[FAKE_MUTATIONS];
	size_t n;
	int extra;  /* -1: none */
	bool waits; /* until it is well again */
	bool drops; /* the good server begins with new connections */
	const struct failure *failure;
	bool failing;
	unsigned requests; /* when it was to be at rest */
	int64_t begun_at, active_at, told_at, healed_at;
};

static struct trial trials[WIDTH];
static char folder[64];
static unsigned n_trials, n_failed, seed;
static const struct script *baseline[WHO];
static unsigned n_answers[WHO];

static bool deep(void)
{
	return getenv("NETI_TEST_DEEP") != NULL;
}

/* --- in a process of its own -------------------------------------------------------------------- */

static bool sees_late(struct neti_agent *agent)
{
	struct neti_members *members;
	bool found;

	if (neti_agent_members(agent, &members) < 0)
		return false;
	found = neti_members_find(members, "late") != NULL;
	neti_members_unref(members);
	return found;
}

static void on_event(void *data, const struct neti_event *event)
{
	if (neti_event_get_type(event) == NETI_EVENT_JOINED)
		*(bool *)data = true;
}

static void be_agent(unsigned port)
{
	struct neti_context *context;
	struct neti_settings *settings;
	struct neti_agent *agent;
	char uri[64], state[128];
	bool joined = false;

	snprintf(uri, sizeof(uri), "zookeeper://127.0.0.1:%u/neti", port);
	snprintf(state, sizeof(state), "%s/%d", folder, (int)getpid());
	if (neti_context_new(&context) < 0 || neti_settings_new(&settings, context) < 0 ||
		neti_settings_set(settings, "registry", uri) < 0 ||
		neti_settings_set(settings, "state_dir", state) < 0 ||
		neti_settings_set(settings, "session_timeout", "4s") < 0 ||
		neti_settings_set(settings, "id", "hudson") < 0 ||
		neti_settings_set(settings, "network", "ec2") < 0 ||
		neti_settings_set(settings, "private_ip", "10.0.0.11") < 0 ||
		neti_agent_new(&agent, settings) < 0)
		_exit(10);
	neti_agent_set_rules(agent, false);
	neti_agent_set_callback(agent, on_event, &joined);
	if (neti_agent_start(agent) < 0)
		_exit(11);
	for (;;) {
		struct pollfd fd = { .fd = neti_agent_fd(agent), .events = POLLIN };

		poll(&fd, 1, 20);
		neti_agent_dispatch(agent);
		if (joined && sees_late(agent))
			_exit(0);
	}
}

static bool has_late(const struct member_list *list)
{
	for (size_t i = 0; i < list->length; i++)
		if (strcmp(list->items[i]->id, "late") == 0)
			return true;
	return false;
}

/* How long a reader waits for an answer: longer each time, for the machine may be a busy one. */
static int patience_ms = 300;

/* Everything that can be asked; true when all of it was answered. */
static bool read_all(struct registry *registry)
{
	static const char *const keys[] = { "sierra", "192.168.1.3", "10.0.0.2" };
	struct member_list members = { 0 }, leases = { 0 };
	struct fleet_settings settings;
	struct address overlay;
	struct member *found;
	struct error error;
	char *id;
	bool well = registry_fleet(registry, &settings, patience_ms, &error) >= 0;

	well &= well && registry_fleet_set(registry, &settings, patience_ms, &error) == 0;
	well &= registry_members(registry, &members, true, patience_ms, &error) == 0;
	well &= registry_leases(registry, &leases, patience_ms, &error) == 0;
	well &= has_late(&members) && has_late(&leases);
	for (size_t i = 0; i < 3; i++) {
		found = NULL;
		well &= registry_lookup(registry, keys[i], NULL, &found, patience_ms, &error) == 0;
		member_unref(found);
	}
	well &= registry_lease_take(registry, "reader", &overlay, patience_ms, &error) >= 0;
	if (registry_lease_holder(registry, &overlay, &id, patience_ms, &error) == 0)
		free(id);
	well &= registry_lease_release(registry, "reader", patience_ms, &error) == 0;
	member_list_clear(&members);
	member_list_clear(&leases);
	return well;
}

static void be_reader(unsigned port)
{
	char uri[64];
	struct registry_config config = { .uri = uri, .session_timeout_ms = 4000 };
	struct registry *registry;
	struct error error;

	snprintf(uri, sizeof(uri), "zookeeper://127.0.0.1:%u/neti", port);
	if (registry_open(&registry, &config, NULL, &error) < 0)
		_exit(10);
	while (!read_all(registry)) {
		poll(NULL, 0, 3 * QUIET_MS);
		patience_ms += patience_ms < 1500 ? 100 : 0;
	}
	registry_close(registry);
	_exit(0);
}

static pid_t start_process(const struct trial *trial)
{
	pid_t parent = getpid(), pid = fork();
	unsigned port = fake_port(trial->fake);

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(12);
	close_range(3, ~0u, 0); /* the other servers' connections */
	if (trial->who == READER)
		be_reader(port);
	be_agent(port);
	_exit(13);
}

/* --- trials ------------------------------------------------------------------------------------- */

static void print_trial(const struct trial *trial)
{
	const struct script *script = fake_script(trial->fake);

	printf("%s", names[trial->who]);
	if (trial->extra >= 0)
		printf(", unasked: %s", fake_extra((size_t)trial->extra));
	if (trial->failure)
		printf(", error %d to requests %x, %u of them", trial->failure->error,
			trial->failure->kinds, fake_requests(trial->fake) - trial->requests);
	for (size_t i = 0; i < trial->n; i++) {
		const struct mutation *mutation = &trial->mutations[i];

		if (mutation->answer < script->answers)
			printf(", answer %u (%s), field %u (%s), value %u", mutation->answer,
				script->told[mutation->answer].name, mutation->field,
				field_name(script->told[mutation->answer].fields[mutation->field]),
				mutation->value);
	}
	printf("\n");
}

static void end_trial(struct trial *trial, const char *failure, int number)
{
	if (failure && n_failed++ < 20) {
		printf("%s %d: ", failure, number);
		print_trial(trial);
	}
	trial->fake = fake_free(trial->fake);
}

static void kill_process(struct trial *trial)
{
	kill(trial->pid, SIGKILL);
	waitpid(trial->pid, NULL, 0);
}

static void heal(struct trial *trial)
{
	trial->healed_at = clock_now();
	fake_heal(trial->fake);
	if (trial->drops)
		fake_drop(trial->fake);
}

/* An agent is well first. told_at: the beginning of the errors. */
static void advance_failing(struct trial *trial)
{
	unsigned most = trial->who == READER ? READS_MOST : REQUESTS_MOST;
	int64_t now = clock_now();

	if (!trial->told_at &&
		(trial->who != AGENT ||
			(fake_requests(trial->fake) && now - trial->active_at > 4 * QUIET_MS))) {
		trial->told_at = now;
		fake_fail(trial->fake, trial->failure->error, trial->failure->kinds);
	} else if (trial->told_at && !trial->failing &&
		   now - trial->told_at > FAILS_MS - RESTS_MS) {
		trial->failing = true;
		trial->requests = fake_requests(trial->fake);
	} else if (trial->failing && !trial->healed_at && now - trial->told_at > FAILS_MS) {
		if (fake_requests(trial->fake) - trial->requests > most && n_failed++ < 20) {
			printf("asks at the speed of the answers: ");
			print_trial(trial);
		}
		if (getenv("NETI_TEST_VERBOSE"))
			print_trial(trial);
		heal(trial);
	}
}

static void advance(struct trial *trial)
{
	int64_t now = clock_now();
	bool all = trial->n ? fake_mutated(trial->fake) || now - trial->begun_at > LASTS_MS :
			      trial->extra < 0;

	if (trial->failure) {
		advance_failing(trial);
	} else if (!trial->told_at && trial->n && all) {
		trial->told_at = now;
	} else if (!trial->told_at && fake_script(trial->fake)->answers &&
		   now - trial->active_at > (trial->n ? 4 : 1) * QUIET_MS) {
		if (trial->extra >= 0)
			fake_send_extra(trial->fake, (size_t)trial->extra);
		trial->told_at = now;
	} else if (trial->told_at && !trial->healed_at && now - trial->told_at > TOLD_MS) {
		heal(trial);
	}
}

static void see_end(struct trial *trial)
{
	int status;

	if (waitpid(trial->pid, &status, WNOHANG) == trial->pid) {
		if (WIFSIGNALED(status))
			end_trial(trial, "died by signal", WTERMSIG(status));
		else
			end_trial(trial, WEXITSTATUS(status) ? "ended with" : NULL,
				WEXITSTATUS(status));
		return;
	}
	if (clock_now() - (trial->healed_at ? trial->healed_at : trial->active_at) <
		(trial->waits || !trial->healed_at ? HEALED_MS : ALIVE_MS))
		return;
	kill_process(trial);
	end_trial(trial, trial->waits ? "is not well again after seconds:" : NULL,
		HEALED_MS / 1000);
}

static void serve(void)
{
	struct pollfd fds[WIDTH * FAKE_FDS];

	for (size_t i = 0; i < WIDTH * FAKE_FDS; i++)
		fds[i] = (struct pollfd){ .fd = -1 };
	for (size_t i = 0; i < WIDTH; i++)
		if (trials[i].fake)
			fake_fds(trials[i].fake, &fds[i * FAKE_FDS]);
	poll(fds, WIDTH * FAKE_FDS, 10);
	for (size_t i = 0; i < WIDTH; i++) {
		if (!trials[i].fake)
			continue;
		for (size_t k = 0; k < FAKE_FDS; k++)
			if (fds[i * FAKE_FDS + k].revents)
				trials[i].active_at = clock_now();
		fake_serve(trials[i].fake, &fds[i * FAKE_FDS], FAKE_FDS);
		advance(&trials[i]);
		see_end(&trials[i]);
	}
}

static struct trial *free_trial(void)
{
	for (;; serve())
		for (size_t i = 0; i < WIDTH; i++)
			if (!trials[i].fake)
				return &trials[i];
}

static struct trial *start_trial(enum who who, const struct mutation *mutations, size_t n,
	int extra)
{
	struct trial *trial = free_trial();

	*trial = (struct trial){ .who = who, .n = n, .extra = extra };
	if (n)
		memcpy(trial->mutations, mutations, n * sizeof(*mutations));
	trial->fake = fake_new("/neti", who != FIRST);
	fake_mutate(trial->fake, mutations, n);
	trial->waits = deep() || n_trials % HEALS_EACH == 0 || n == 0;
	trial->drops = n_trials++ % 2;
	trial->begun_at = trial->active_at = clock_now();
	trial->pid = start_process(trial);
	ck_assert_int_gt(trial->pid, 0);
	return trial;
}

static void finish_trials(void)
{
	for (size_t i = 0; i < WIDTH; i++)
		while (trials[i].fake)
			serve();
	printf("%u trials, %u failed\n", n_trials, n_failed);
	ck_assert_uint_eq(n_failed, 0);
	ck_assert_uint_gt(n_trials, 0);
}

/* What a good server answers: the fields there are. */
static void learn_baseline(enum who who)
{
	struct trial *trial = start_trial(who, NULL, 0, -1);
	static struct script scripts[WHO];

	for (trial->drops = false; trial->fake;) {
		if (!trial->healed_at) {
			scripts[who] = *fake_script(trial->fake);
			n_answers[who] = scripts[who].answers;
		}
		serve();
	}
	baseline[who] = &scripts[who];
	ck_assert_uint_eq(n_failed, 0);
	ck_assert_uint_gt(n_answers[who], 5);
}

static void setup(void)
{
	const char *text = getenv("NETI_TEST_SEED");

	strcpy(folder, "/tmp/neti-test-answers-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = text ? (unsigned)strtoul(text, NULL, 0) : (unsigned)time(NULL);
	printf("NETI_TEST_SEED=%u\n", seed);
	srandom(seed);
	for (enum who who = 0; who < WHO; who++)
		learn_baseline(who);
	n_trials = 0;
}

static void teardown(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* An answer that does not come, or a connection that is of another kind, is made good by another
 * connection alone. */
static bool needs_connection(enum field kind, unsigned answer)
{
	return kind == FIELD_FRAME || kind == FIELD_XID || answer == 0;
}

static void try_field(enum who who, unsigned answer, unsigned field)
{
	enum field kind = baseline[who]->told[answer].fields[field];

	for (unsigned value = 0; value < field_values(kind); value++) {
		struct mutation mutation = { answer, field, value };
		struct trial *trial;

		if (value && !deep() && (value + field + answer + seed) % SHARE != 0)
			continue;
		trial = start_trial(who, &mutation, 1, -1);
		trial->drops |= needs_connection(kind, answer);
	}
}

/* The first agent reads one shard after the other. */
static bool is_another(enum who who, unsigned answer)
{
	const struct script *script = baseline[who];

	return answer < 2 || deep() || script->told[answer].n != script->told[answer - 1].n ||
	       strcmp(script->told[answer].name, script->told[answer - 1].name) != 0;
}

/* In a short run every other one, odd or even as it is drawn. */
START_TEST(every_field)
{
	enum who who = (enum who)_i;
	unsigned drawn = (unsigned)random() % 2;

	for (unsigned answer = 0; answer < n_answers[who]; answer++)
		for (unsigned field = is_another(who, answer) ? 0 : FAKE_FIELDS;
			field < baseline[who]->told[answer].n; field++)
			if (deep() || field % 2 == drawn)
				try_field(who, answer, field);
	finish_trials();
}
END_TEST

START_TEST(several_fields)
{
	unsigned n = deep() ? RANDOM_DEEP : RANDOM_SHORT;

	for (unsigned i = 0; i < n; i++) {
		struct mutation mutations[FAKE_MUTATIONS];
		enum who who = (enum who)(random() % WHO);

		for (size_t k = 0; k < FAKE_MUTATIONS; k++) {
			unsigned answer = (unsigned)random() % n_answers[who];
			unsigned fields = (unsigned)baseline[who]->told[answer].n;

			mutations[k] = (struct mutation){ answer, (unsigned)random() % fields,
				(unsigned)random() };
		}
		start_trial(who, mutations, FAKE_MUTATIONS, -1)->drops = true;
	}
	finish_trials();
}
END_TEST

START_TEST(an_error_for_ever)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
		for (enum who who = 0; who < WHO; who++)
			start_trial(who, NULL, 0, -1)->failure = &failures[i];
	finish_trials();
}
END_TEST

START_TEST(what_nobody_asked_for)
{
	for (size_t i = 0; fake_extra(i); i++)
		for (enum who who = 0; who < READER; who++)
			start_trial(who, NULL, 0, (int)i)->drops = false;
	finish_trials();
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("answers");
	const struct test_frame frame = { deep() ? 3600 : 300, setup, teardown };

	test_case(suite, &frame, "fields");
	test_add_loop(every_field, 0, WHO);
	test_add(several_fields);
	test_case(suite, &frame, "extras");
	test_add(what_nobody_asked_for);
	test_case(suite, &frame, "for-ever");
	test_add(an_error_for_ever);
	return suite;
}
