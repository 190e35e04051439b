/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rollback: a process with a session and a lock file of its own. It makes the change itself,
 * so that there is no moment at which unconfirmed rules stand that nobody would roll back. A
 * second process waits for it: whichever of the two is killed, the other one rolls back.
 *
 * state_dir/unconfirmed holds the rollback's pid, is locked as long as one of them lives, and
 * tells afterwards how it ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/file.h"
#include "confirm.h"
#include "output.h"

#define LOCK_NAME "unconfirmed"
#define CONFIRMED "confirmed\n"
#define AGAIN_S 1 /* between two attempts to roll back */
#define TIME_MAX_MS (24ull * 3600 * 1000)

struct rollback {
	struct netictl *netictl;
	const struct neti_ruleset *ruleset;
	struct neti_ruleset *before; /* NULL: there was nothing of Neti */
	struct neti_engine *engine;
	uint64_t time_ms;
	int lock;
	int report; /* pipe to the command that waits for "the rules are up" */
};

static void write_lock(int lock, const char *text)
{
	if (ftruncate(lock, 0) == 0 && pwrite(lock, text, strlen(text), 0) < 0)
		syslog(LOG_WARNING, "cannot write the file of unconfirmed rules: %m");
}

static int take_lock(const char *state_dir)
{
	struct error error;
	pid_t pid;
	int lock = file_lock(state_dir, LOCK_NAME, &pid, &error);

	if (lock == -EBUSY)
		say_error("rules wait to be confirmed already: netictl confirm keeps them");
	else if (lock < 0)
		say_error("%s", error.text);
	else
		write_lock(lock, ""); /* the pid of one who is gone is nobody to send a signal to */
	return lock;
}

static int put_back(struct rollback *rollback)
{
	char *diff;
	int result = rollback->before ?
			     neti_engine_apply(rollback->engine, rollback->before, true) :
			     neti_engine_flush(rollback->engine);

	if (result >= 0)
		return 0;
	syslog(LOG_ERR, "unconfirmed rules are still there: %s",
		neti_context_message(rollback->netictl->context));
	/* What somebody else's rule holds in place stays, and nothing more can be done. */
	result = neti_engine_verify(rollback->engine, rollback->before, &diff);
	if (result >= 0)
		free(diff);
	return result == 0 ? 0 : -1;
}

/* Somebody may hold the lock for longer than one attempt waits. */
static void roll_back(struct rollback *rollback)
{
	while (put_back(rollback) < 0)
		sleep(AGAIN_S);
	syslog(LOG_WARNING, "rules were not confirmed and are rolled back");
	write_lock(rollback->lock, "rolled back\n");
}

static void keep(struct rollback *rollback)
{
	if (neti_ruleset_save(rollback->ruleset,
		    neti_settings_state_dir(rollback->netictl->settings)) < 0)
		syslog(LOG_WARNING, "%s", neti_context_message(rollback->netictl->context));
	write_lock(rollback->lock, CONFIRMED);
}

/* Any end but a confirmation rolls back, also being told to go. */
static bool is_confirmed(uint64_t time_ms, const sigset_t *signals)
{
	/* Time that the machine sleeps counts. */
	int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC),
	    fd = signalfd(-1, signals, SFD_CLOEXEC);
	struct itimerspec at = { .it_value = { .tv_sec = (time_t)(time_ms / 1000),
					 .tv_nsec = (long)(time_ms % 1000) * 1000000 } };
	struct pollfd fds[] = { { .fd = timer, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	struct signalfd_siginfo info = { 0 };

	if (timer < 0 || fd < 0 || timerfd_settime(timer, 0, &at, NULL) < 0)
		return false;
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		continue;
	if ((fds[1].revents & POLLIN) && read(fd, &info, sizeof(info)) != sizeof(info))
		return false;
	return info.ssi_signo == SIGUSR1;
}

/* Away from the terminal: what it still has to say goes to syslog. */
static void detach(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	openlog("netictl", LOG_PID, LOG_DAEMON);
}

/* What stood before: nothing, or the last good ruleset. Something else could not be put back. */
static int remember(struct rollback *rollback)
{
	struct netictl *netictl = rollback->netictl;
	char *diff;
	int result = neti_engine_open(&rollback->engine, netictl->settings);

	if (result < 0)
		return say_failure(netictl);
	result = neti_engine_verify(rollback->engine, NULL, &diff);
	if (result >= 0)
		free(diff);
	if (result > 0)
		result = neti_ruleset_load(&rollback->before, netictl->context,
			neti_settings_state_dir(netictl->settings));
	if (result < 0)
		return say_error("a rollback could not restore the rules that are in place now: %s",
			neti_context_message(netictl->context));
	return EXIT_DONE;
}

/* A change that fails may have been made in part. */
static int put_up(struct rollback *rollback)
{
	struct netictl *netictl = rollback->netictl;
	int status;

	if (neti_engine_apply(rollback->engine, rollback->ruleset, netictl->line.accept) >= 0)
		return EXIT_DONE;
	status = say_failure(netictl);
	if (neti_context_reason(netictl->context) != NETI_REASON_HELD)
		roll_back(rollback);
	return status;
}

/* Ends the process when it is not EXIT_DONE. */
static void report_status(struct rollback *rollback, char status)
{
	if (write(rollback->report, &status, 1) != 1 && status != EXIT_DONE)
		_exit(EXIT_FAILED);
	close(rollback->report);
	if (status == EXIT_DONE)
		return;
	write_lock(rollback->lock, "failed\n");
	_exit(status);
}

static void apply_and_wait(struct rollback *rollback, sigset_t *signals)
{
	char pid[16], status;

	snprintf(pid, sizeof(pid), "%d\n", getpid());
	write_lock(rollback->lock, pid);
	status = (char)put_up(rollback);
	detach();
	report_status(rollback, status);
	sigdelset(signals, SIGHUP); /* the terminal may go */
	if (is_confirmed(rollback->time_ms, signals))
		keep(rollback);
	else
		roll_back(rollback);
	_exit(EXIT_DONE);
}

/* The signals stay blocked here: they are the rollback's, which the end of this one reaches too. */
static void watch_over(struct rollback *rollback, pid_t pid)
{
	int status = 0;

	close(rollback->report);
	detach();
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status)) {
		write_lock(rollback->lock, ""); /* its pid may be somebody else's soon */
		roll_back(rollback);
	}
	_exit(EXIT_DONE);
}

static void run_rollback(struct rollback *rollback)
{
	pid_t parent, pid;
	sigset_t signals;
	char status;

	setsid();
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* ignored, nobody could be waited for */
	status = (char)remember(rollback);
	if (status != EXIT_DONE)
		report_status(rollback, status);
	parent = getpid();
	pid = fork();
	if (pid < 0)
		report_status(rollback,
			(char)say_error("cannot start a process: %s", strerror(errno)));
	if (pid > 0)
		watch_over(rollback, pid);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);
	apply_and_wait(rollback, &signals);
}

static int wait_for_report(int fd)
{
	char status = EXIT_FAILED;
	ssize_t n;

	do
		n = read(fd, &status, 1);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		say_error("the process that changes the rules was killed: they are rolled back");
	return status;
}

int confirm_time(const struct netictl *netictl, uint64_t *ret_ms)
{
	if (duration_parse(netictl->line.confirm, ret_ms) == 0 && *ret_ms > 0 &&
		*ret_ms <= TIME_MAX_MS)
		return EXIT_DONE;
	return say_usage("--confirm \"%s\" is not a duration up to a day, such as 60s or 5m",
		netictl->line.confirm);
}

int confirm_apply(struct netictl *netictl, const struct neti_ruleset *ruleset, uint64_t time_ms)
{
	struct rollback rollback = { .netictl = netictl, .ruleset = ruleset, .time_ms = time_ms };
	const char *time = netictl->line.confirm;
	int fds[2], status;
	pid_t child;

	rollback.lock = take_lock(neti_settings_state_dir(netictl->settings));
	if (rollback.lock < 0)
		return EXIT_FAILED;
	if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0)
		return say_error("cannot start a process: %s", strerror(errno));
	rollback.report = fds[1];
	if (child == 0)
		run_rollback(&rollback);
	close(fds[1]);
	close(rollback.lock);
	status = wait_for_report(fds[0]);
	close(fds[0]);
	if (status == EXIT_DONE)
		say(netictl,
			"the rules are up and will be rolled back in %s%s: netictl confirm keeps them",
			time, time[strspn(time, "0123456789")] ? "" : "s");
	return status;
}

static bool is_pending(const char *state_dir)
{
	return file_is_locked(state_dir, LOCK_NAME) == 1;
}

/* What the rollback wrote; "" when it wrote nothing. */
static void read_lock(const char *state_dir, char ret[16])
{
	struct error error;
	size_t length;
	char *text;

	ret[0] = '\0';
	if (file_read(state_dir, LOCK_NAME, &text, &length, &error) < 0)
		return;
	snprintf(ret, 16, "%s", text);
	free(text);
}

bool confirm_end(const char *state_dir)
{
	bool told = false;
	char text[16];
	pid_t pid;

	if (is_pending(state_dir)) {
		read_lock(state_dir, text);
		pid = atoi(text);
		told = pid > 0 && kill(pid, SIGUSR1) == 0;
	}
	for (int i = 0; i < 200 && is_pending(state_dir); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	return told;
}

int command_confirm(struct netictl *netictl)
{
	const char *state_dir = neti_settings_state_dir(netictl->settings);
	char text[16];

	if (!confirm_end(state_dir))
		return say_error("no rules wait to be confirmed (state_dir %s)", state_dir);
	read_lock(state_dir, text);
	if (strcmp(text, CONFIRMED) != 0)
		return say_error("too late: the rules were rolled back");
	say(netictl, "confirmed: the rules stay");
	return EXIT_DONE;
}
