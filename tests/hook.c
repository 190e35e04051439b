/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * on_register without an agent: with a time-out short enough to wait for.
 */
#define RUN_MS 2000 /* a busy machine is given time */
#define TERM_MS 300
#define RETRY_MS 1000
#include "../cli/hook.c"

#include <poll.h>
#include <stdarg.h>

#include "fleet/member.h"
#include "test.h"

static struct netictl netictl;
static struct hook *hook;
static char said[4096];

void say(const struct netictl *unused, const char *format, ...)
{
	size_t length = strlen(said);
	va_list arguments;

	(void)unused;
	va_start(arguments, format);
	vsnprintf(said + length, sizeof(said) - length, format, arguments);
	va_end(arguments);
	strcat(said, "\n");
}

static void join(const char *overlay)
{
	struct member fields = { .id = "hudson", .network = "ec2", .version = "0.1.0" }, *member;

	ck_assert_int_eq(address_parse(overlay, &fields.overlay), 0);
	ck_assert_int_eq(address_parse("10.0.0.11", &fields.private_address), 0);
	ck_assert_int_eq(member_new(&member, &fields), 0);
	hook_joined(hook, (const struct neti_member *)member);
	member_unref(member);
}

static void turn_for(int ms)
{
	int64_t end = clock_now() + ms;

	while (clock_now() < end) {
		hook_advance(hook);
		poll(NULL, 0, 5);
	}
}

/* At most ten seconds. */
#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		for (int left = 1000; left > 0 && !(condition); left--)                            \
			turn_for(10);                                                              \
		ck_assert(condition);                                                              \
	} while (0)

static void begin(const char *command)
{
	said[0] = '\0';
	hook = hook_new(&netictl, command);
	ck_assert_ptr_nonnull(hook);
}

START_TEST(once_for_each_lease)
{
	begin("sh -c 'echo \"$NETI_ID $NETI_OVERLAY $NETI_NETWORK $NETI_PRIVATE <$NETI_PUBLIC>\"'");
	join("192.168.1.1");
	UNTIL(*said && !hook->pid);
	join("192.168.1.1");
	turn_for(100);
	ck_assert_str_eq(said, "on_register: hudson 192.168.1.1 ec2 10.0.0.11 <>\n");
	join("192.168.1.2");
	UNTIL(strstr(said, "hudson 192.168.1.2"));
	hook_free(hook);
}
END_TEST

START_TEST(no_shell_unless_asked)
{
	begin("echo '$NETI_ID' \"a b\" ; true");
	join("192.168.1.1");
	UNTIL(*said && !hook->pid);
	ck_assert_str_eq(said, "on_register: $NETI_ID a b ; true\n");
	hook_free(hook);
}
END_TEST

START_TEST(sockets_of_the_supervisor_stay_here)
{
	setenv("NOTIFY_SOCKET", "/run/nowhere", 1);
	setenv("NETI_OVERLAY", "1.2.3.4", 1);
	begin("sh -c 'echo <$NOTIFY_SOCKET$NETI_OVERLAY>'");
	hook_set_command(hook, "sh -c 'echo \"<$NOTIFY_SOCKET$NETI_OVERLAY>\"'");
	join("192.168.1.1");
	UNTIL(*said && !hook->pid);
	ck_assert_str_eq(said, "on_register: <192.168.1.1>\n");
	hook_free(hook);
}
END_TEST

/* The one that does not hear TERM is ended all the same, with what it started. */
START_TEST(time_is_limited)
{
	begin("sh -c 'trap \"\" TERM; echo $$; while :; do sleep 60; done'");
	join("192.168.1.1");
	UNTIL(*said);
	ck_assert_int_eq(kill(-hook->pid, 0), 0);
	UNTIL(hook->failures == 1);
	ck_assert_int_eq(kill(atoi(said + strlen("on_register: ")), 0), -1);
	hook_free(hook);
}
END_TEST

START_TEST(failure_is_tried_again)
{
	begin("false");
	join("192.168.1.1");
	UNTIL(hook->failures == 1);
	UNTIL(hook->failures == 2);
	ck_assert_int_gt(hook_wait(hook), RETRY_MS);
	hook_free(hook);
	begin("/nowhere/tag");
	join("192.168.1.1");
	UNTIL(hook->failures == 1);
	hook_free(hook);
}
END_TEST

/* What goes on in the background keeps neither the pipe nor the loop. */
START_TEST(background_is_left_alone)
{
	begin("sh -c 'sleep 5 & echo done'");
	join("192.168.1.1");
	UNTIL(*said && !hook->pid);
	ck_assert_str_eq(said, "on_register: done\n");
	ck_assert_int_eq(hook->pid, 0);
	ck_assert_int_eq(hook_descriptor(hook), -1);
	hook_free(hook);
}
END_TEST

START_TEST(nothing_without_a_command)
{
	begin(NULL);
	join("192.168.1.1");
	hook_advance(hook);
	ck_assert_int_eq(hook_wait(hook), -1);
	hook_free(hook);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("hook");

	test_case(suite, NULL, "run");
	test_add(once_for_each_lease, no_shell_unless_asked, nothing_without_a_command);
	test_case(suite, NULL, "inherit");
	test_add(sockets_of_the_supervisor_stay_here, background_is_left_alone);
	test_case(suite, NULL, "failure");
	test_add(time_is_limited, failure_is_tried_again);
	return suite;
}
