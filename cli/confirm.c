/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper of unconfirmed rules: one process, session and lock file of its own. It makes the
 * change itself, so that there is no moment at which rules stand that nobody would undo.
 *
 * state_dir/unconfirmed holds its pid, is locked as long as it lives, and tells afterwards how
 * it ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "confirm.h"
#include "duration.h"

#define LOCK_NAME "unconfirmed"
#define CONFIRMED "confirmed\n"
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
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];
	int lock;

	snprintf(path, sizeof(path), "%s/" LOCK_NAME, state_dir);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (lock < 0) {
		fprintf(stderr, "netictl: cannot open %s: %s\n", path, strerror(errno));
		return -1;
	}
	if (fcntl(lock, F_OFD_SETLK, &whole) < 0) {
		fprintf(stderr, "netictl: rules wait to be confirmed already: netictl confirm keeps them\n");
		close(lock);
		return -1;
	}
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

static void undo(struct keeper *keeper)
{
	int result = keeper->before ? neti_engine_apply(keeper->engine, keeper->before, true) :
				      neti_engine_flush(keeper->engine);

	syslog(result < 0 ? LOG_ERR : LOG_WARNING, result < 0 ?
		"unconfirmed rules could not be undone: %s" : "rules were not confirmed and are undone%s",
		result < 0 ? neti_context_message(keeper->netictl->context) : "");
	write_lock(keeper->lock, result < 0 ? "failed\n" : "undone\n");
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

static int put_up(struct keeper *keeper)
{
	struct netictl *netictl = keeper->netictl;

	if (neti_engine_open(&keeper->engine, netictl->context) < 0)
		return say_failure(netictl);
	if (remember(keeper) < 0) {
		fprintf(stderr, "netictl: the rules that stand now could not be put back: %s\n",
			neti_context_message(netictl->context));
		return EXIT_FAILED;
	}
	if (neti_engine_apply(keeper->engine, keeper->ruleset, netictl->line.accept) < 0)
		return say_failure(netictl);
	return EXIT_DONE;
}

static void run(struct keeper *keeper)
{
	char pid[16], status;
	sigset_t signals;

	setsid();
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	snprintf(pid, sizeof(pid), "%d\n", getpid());
	write_lock(keeper->lock, pid);
	status = (char)put_up(keeper);
	detach();
	if (write(keeper->report, &status, 1) != 1 && status != EXIT_DONE)
		_exit(EXIT_FAILED);
	close(keeper->report);
	if (status != EXIT_DONE) {
		write_lock(keeper->lock, "failed\n");
		_exit(status);
	}
	sigdelset(&signals, SIGHUP); /* the terminal may go */
	if (is_confirmed(keeper->time_ms, &signals))
		keep(keeper);
	else
		undo(keeper);
	_exit(EXIT_DONE);
}

static int wait_for_report(int fd)
{
	char status = EXIT_FAILED;

	while (read(fd, &status, 1) < 0 && errno == EINTR)
		continue;
	return status;
}

int confirm_apply(struct netictl *netictl, const struct neti_ruleset *ruleset)
{
	struct keeper keeper = { .netictl = netictl, .ruleset = ruleset };
	int fds[2], status;
	pid_t child;

	if (duration_parse(netictl->line.confirm, &keeper.time_ms) < 0 || keeper.time_ms == 0 ||
		keeper.time_ms > TIME_MAX_MS)
		return say_usage("--confirm \"%s\" is not a time up to a day, such as 60s or 5m",
			netictl->line.confirm);
	keeper.lock = take_lock(neti_settings_state_dir(netictl->settings));
	if (keeper.lock < 0)
		return EXIT_FAILED;
	if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		fprintf(stderr, "netictl: cannot start a process: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	keeper.report = fds[1];
	if (child == 0)
		run(&keeper);
	close(fds[1]);
	close(keeper.lock);
	status = wait_for_report(fds[0]);
	close(fds[0]);
	if (status == EXIT_DONE)
		say(netictl, "the rules are up and will be undone in %s: netictl confirm keeps them",
			netictl->line.confirm);
	return status;
}

static bool ended_confirmed(const char *path)
{
	char text[sizeof(CONFIRMED)] = "";
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	return strcmp(text, CONFIRMED) == 0;
}

static pid_t read_pid(const char *path)
{
	FILE *file = fopen(path, "re");
	int pid = 0;

	if (file && fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid;
}

bool confirm_end(const char *state_dir)
{
	char path[PATH_MAX];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/" LOCK_NAME, state_dir);
	pid = lock_is_held(state_dir, LOCK_NAME) ? read_pid(path) : 0;
	if (pid <= 0 || kill(pid, SIGUSR1) < 0)
		return false;
	for (int i = 0; i < 200 && lock_is_held(state_dir, LOCK_NAME); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	return true;
}

int command_confirm(struct netictl *netictl)
{
	const char *state_dir = neti_settings_state_dir(netictl->settings);
	char path[PATH_MAX];

	if (!confirm_end(state_dir)) {
		fprintf(stderr, "netictl: no rules wait to be confirmed (state_dir %s)\n", state_dir);
		return EXIT_FAILED;
	}
	snprintf(path, sizeof(path), "%s/" LOCK_NAME, state_dir);
	if (!ended_confirmed(path)) {
		fprintf(stderr, "netictl: too late: the rules were undone\n");
		return EXIT_FAILED;
	}
	say(netictl, "confirmed: the rules stay");
	return EXIT_DONE;
}
