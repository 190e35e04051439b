/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper of unconfirmed rules: a process with a session and a lock file of its own. It makes
 * the change itself, so that there is no moment at which rules stand that nobody would undo. A
 * second process waits for it: whichever of the two is killed, the other one undoes.
 *
 * state_dir/unconfirmed holds the keeper's pid, is locked as long as one of them lives, and tells
 * afterwards how it ended.
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
#define AGAIN_S 1 /* between two attempts to undo */
#define TIME_MAX_MS (24ull * 3600 * 1000)

struct keeper {
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

/* What stood before: nothing, or the last good ruleset. -1: something that nobody knows. */
static int remember(struct keeper *keeper)
{
	struct netictl *netictl = keeper->netictl;
	char *diff;
	int result = neti_engine_verify(keeper->engine, NULL, &diff);

	if (result < 0)
		return -1;
	free(diff);
	if (result == 0)
		return 0;
	return neti_ruleset_load(&keeper->before, netictl->context,
		       neti_settings_state_dir(netictl->settings)) < 0 ? -1 : 0;
}

static int put_back(struct keeper *keeper)
{
	char *diff;
	int result = keeper->before ? neti_engine_apply(keeper->engine, keeper->before, true) :
				      neti_engine_flush(keeper->engine);

	if (result >= 0)
		return 0;
	syslog(LOG_ERR, "unconfirmed rules are still there: %s",
		neti_context_message(keeper->netictl->context));
	/* What somebody else's rule holds in place stays, and nothing more can be done. */
	result = neti_engine_verify(keeper->engine, keeper->before, &diff);
	if (result >= 0)
		free(diff);
	return result == 0 ? 0 : -1;
}

/* Somebody may hold the lock for longer than one attempt waits. */
static void undo(struct keeper *keeper)
{
	while (put_back(keeper) < 0)
		sleep(AGAIN_S);
	syslog(LOG_WARNING, "rules were not confirmed and are undone");
	write_lock(keeper->lock, "undone\n");
}

static void keep(struct keeper *keeper)
{
	if (neti_ruleset_save(keeper->ruleset, neti_settings_state_dir(keeper->netictl->settings)) < 0)
		syslog(LOG_WARNING, "%s", neti_context_message(keeper->netictl->context));
	write_lock(keeper->lock, CONFIRMED);
}

/* Any end but a confirmation undoes, also being told to go. */
static bool is_confirmed(uint64_t time_ms, const sigset_t *signals)
{
	/* Time that the machine sleeps counts. */
	int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC), fd = signalfd(-1, signals, SFD_CLOEXEC);
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

static int look(struct keeper *keeper)
{
	struct netictl *netictl = keeper->netictl;

	if (neti_engine_open(&keeper->engine, netictl->settings) < 0)
		return say_failure(netictl);
	if (remember(keeper) < 0)
		return say_error("the rules that stand now could not be put back: %s",
			neti_context_message(netictl->context));
	return EXIT_DONE;
}

/* A change that fails may have been made in part. */
static int put_up(struct keeper *keeper)
{
	struct netictl *netictl = keeper->netictl;
	int status;

	if (neti_engine_apply(keeper->engine, keeper->ruleset, netictl->line.accept) >= 0)
		return EXIT_DONE;
	status = say_failure(netictl);
	if (neti_context_trouble(netictl->context) != NETI_TROUBLE_HELD)
		undo(keeper);
	return status;
}

/* Ends the process when it is not EXIT_DONE. */
static void report(struct keeper *keeper, char status)
{
	if (write(keeper->report, &status, 1) != 1 && status != EXIT_DONE)
		_exit(EXIT_FAILED);
	close(keeper->report);
	if (status == EXIT_DONE)
		return;
	write_lock(keeper->lock, "failed\n");
	_exit(status);
}

static void run(struct keeper *keeper, sigset_t *signals)
{
	char pid[16], status;

	snprintf(pid, sizeof(pid), "%d\n", getpid());
	write_lock(keeper->lock, pid);
	status = (char)put_up(keeper);
	detach();
	report(keeper, status);
	sigdelset(signals, SIGHUP); /* the terminal may go */
	if (is_confirmed(keeper->time_ms, signals))
		keep(keeper);
	else
		undo(keeper);
	_exit(EXIT_DONE);
}

/* The signals stay blocked here: they are the keeper's, which the end of this one reaches too. */
static void watch_over(struct keeper *keeper, pid_t pid)
{
	int status = 0;

	close(keeper->report);
	detach();
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status)) {
		write_lock(keeper->lock, ""); /* its pid may be somebody else's soon */
		undo(keeper);
	}
	_exit(EXIT_DONE);
}

static void start(struct keeper *keeper)
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
	status = (char)look(keeper);
	if (status != EXIT_DONE)
		report(keeper, status);
	parent = getpid();
	pid = fork();
	if (pid < 0)
		report(keeper, (char)say_error("cannot start a process: %s", strerror(errno)));
	if (pid > 0)
		watch_over(keeper, pid);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);
	run(keeper, &signals);
}

static int wait_for_report(int fd)
{
	char status = EXIT_FAILED;
	ssize_t n;

	do
		n = read(fd, &status, 1);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		say_error("the process that changes the rules was killed: they are undone");
	return status;
}

int confirm_time(const struct netictl *netictl, uint64_t *ret_ms)
{
	if (duration_parse(netictl->line.confirm, ret_ms) == 0 && *ret_ms > 0 && *ret_ms <= TIME_MAX_MS)
		return EXIT_DONE;
	return say_usage("--confirm \"%s\" is not a time up to a day, such as 60s or 5m",
		netictl->line.confirm);
}

int confirm_apply(struct netictl *netictl, const struct neti_ruleset *ruleset, uint64_t time_ms)
{
	struct keeper keeper = { .netictl = netictl, .ruleset = ruleset, .time_ms = time_ms };
	const char *time = netictl->line.confirm;
	int fds[2], status;
	pid_t child;

	keeper.lock = take_lock(neti_settings_state_dir(netictl->settings));
	if (keeper.lock < 0)
		return EXIT_FAILED;
	if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0)
		return say_error("cannot start a process: %s", strerror(errno));
	keeper.report = fds[1];
	if (child == 0)
		start(&keeper);
	close(fds[1]);
	close(keeper.lock);
	status = wait_for_report(fds[0]);
	close(fds[0]);
	if (status == EXIT_DONE)
		say(netictl, "the rules are up and will be undone in %s%s: netictl confirm keeps them",
			time, time[strspn(time, "0123456789")] ? "" : "s");
	return status;
}

/* What the keeper wrote; the caller frees. NULL: nothing. */
static char *read_lock(const char *state_dir)
{
	struct error error;
	char *text;
	size_t length;

	return file_read(state_dir, LOCK_NAME, &text, &length, &error) < 0 ? NULL : text;
}

static bool ended_confirmed(const char *state_dir)
{
	char *text = read_lock(state_dir);
	bool confirmed = text && strcmp(text, CONFIRMED) == 0;

	free(text);
	return confirmed;
}

static pid_t read_pid(const char *state_dir)
{
	char *text = read_lock(state_dir);
	int pid = text ? atoi(text) : 0;

	free(text);
	return pid;
}

static bool is_pending(const char *state_dir)
{
	return file_is_locked(state_dir, LOCK_NAME) == 1;
}

bool confirm_end(const char *state_dir)
{
	pid_t pid = is_pending(state_dir) ? read_pid(state_dir) : 0;
	bool told;

	told = pid > 0 && kill(pid, SIGUSR1) == 0;
	for (int i = 0; i < 200 && is_pending(state_dir); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	return told;
}

int command_confirm(struct netictl *netictl)
{
	const char *state_dir = neti_settings_state_dir(netictl->settings);

	if (!confirm_end(state_dir))
		return say_error("no rules wait to be confirmed (state_dir %s)", state_dir);
	if (!ended_confirmed(state_dir))
		return say_error("too late: the rules were undone");
	say(netictl, "confirmed: the rules stay");
	return EXIT_DONE;
}
