/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks on files: for one alone, and nobody who could once read the file can keep him from it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/status.h"
#include "base/file.h"
#include "test.h"

#define ROUNDS 40
#define RIVALS 8

static char folder[64], path[128];
static struct error error;

static void setup(void)
{
	strcpy(folder, "/tmp/neti-test-lock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/lock", folder);
	alarm(100); /* whatever waits, ends */
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static mode_t mode_of(const char *name)
{
	struct stat stat_of;
	char at[200];

	snprintf(at, sizeof(at), "%s/%s", folder, name);
	ck_assert_int_eq(stat(at, &stat_of), 0);
	return stat_of.st_mode & 07777;
}

static void make(const char *name, mode_t mode, const char *text)
{
	char at[200];
	int fd;

	snprintf(at, sizeof(at), "%s/%s", folder, name);
	fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

/* What any user may do with a file that he may read. */
static int reader_of(const char *at)
{
	struct flock whole = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int fd = open(at, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &whole), 0);
	return fd;
}

static void is_taken(const char *by)
{
	ck_assert_int_eq(status_lock(folder, &error), -EBUSY);
	ck_assert_msg(strstr(error.text, by) && strstr(error.text, path), "%s", error.text);
	ck_assert_int_eq(file_is_locked(folder, "lock"), 1);
}

static void is_free(void)
{
	int lock = status_lock(folder, &error);

	ck_assert_msg(lock >= 0, "%s", error.text);
	ck_assert_int_eq(file_is_locked(folder, "lock"), 1);
	ck_assert_int_eq(mode_of("lock"), 0600);
	is_taken("process ");
	close(lock);
	ck_assert_int_eq(file_is_locked(folder, "lock"), 0);
}

START_TEST(private_and_for_one)
{
	is_free();
	is_free();
	make("lock", 0644, "1\n"); /* of an earlier release, nobody near */
	is_free();
}
END_TEST

/* _i: whether the rights of others were taken away meanwhile; the reader keeps what he has. */
START_TEST(reader_keeps_nobody_out)
{
	struct stat before, after;
	int reader;

	make("lock", 0644, "1\n");
	reader = reader_of(path);
	ck_assert_int_eq(fstat(reader, &before), 0);
	if (_i)
		ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(file_is_locked(folder, "lock"), 0);
	is_free();
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_int_ne(before.st_ino, after.st_ino);
	close(reader);
	is_free();
}
END_TEST

/* One that could be opened by others and is free: the lock must not be where they can reach it. */
START_TEST(late_reader_finds_another_file)
{
	struct flock whole = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int early, lock;

	make("lock", 0644, "");
	early = open(path, O_RDONLY | O_CLOEXEC);
	lock = status_lock(folder, &error);
	ck_assert_int_ge(lock, 0);
	ck_assert_int_eq(fcntl(early, F_OFD_SETLK, &whole), 0);
	close(lock);
	is_free();
	close(early);
}
END_TEST

/* Nobody leaves an agent of an earlier release, which holds the file that all can read. */
START_TEST(older_agent_stays)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char text[32];
	int old;

	snprintf(text, sizeof(text), "%d\n", getpid());
	make("lock", 0644, text);
	old = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fcntl(old, F_OFD_SETLK, &whole), 0);
	snprintf(text, sizeof(text), "process %d ", getpid());
	is_taken(text);
	close(old);
	is_free();
}
END_TEST

/* The pid in the file is that of a process that lives, and has nothing to do with it. */
START_TEST(no_stale_pid_is_named)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char text[32];
	int holder;

	snprintf(text, sizeof(text), "%d\n", getppid());
	for (int i = 0; i < 3; i++) {
		make("lock", 0600, i == 0 ? text : i == 1 ? "" : "99999999999999\n");
		holder = open(path, O_RDWR | O_CLOEXEC);
		ck_assert_int_eq(fcntl(holder, F_OFD_SETLK, &whole), 0);
		is_taken("another process ");
		close(holder);
	}
}
END_TEST

/* Somebody exchanges the file at this moment: nobody goes on with the one that is about to go. */
START_TEST(exchange_is_waited_for)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char fresh[140];
	int holder;

	make("lock", 0600, "");
	make("lock.new", 0600, "");
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	holder = open(fresh, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fcntl(holder, F_OFD_SETLK, &whole), 0);
	ck_assert_int_eq(status_lock(folder, &error), -EBUSY);
	close(holder);
	is_free(); /* what one that was killed has left behind is in nobody's way */
}
END_TEST

/* Of an agent that was run as another user, or of one who was quicker in a folder for all. */
START_TEST(anothers_file_is_exchanged)
{
	make("lock", 0644, "");
	make("lock.new", 0644, "");
	ck_assert_int_eq(status_lock(folder, &error), -ESTALE);
	ck_assert_msg(strstr(error.text, "remove /tmp") != NULL, "%s", error.text);
	make("lock.new", 0600, "");
	make("lock", 0600, "");
	if (geteuid() == 0 &&
		chown(path, 65534, 65534) == 0) /* only root has another user to give it */
		is_free();
}
END_TEST

START_TEST(no_file_is_no_lock)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(status_lock(folder, &error), -ENXIO);
	ck_assert_msg(strstr(error.text, "a pipe") && strstr(error.text, path), "%s", error.text);
	ck_assert_int_eq(file_is_locked(folder, "lock"), 0);
	ck_assert_int_eq(unlink(path), 0);
	make("other", 0600, "");
	ck_assert_int_eq(symlink("other", path), 0);
	ck_assert_int_eq(status_lock(folder, &error), -ELOOP);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(status_lock(folder, &error), -EISDIR);
	ck_assert_int_eq(rmdir(path), 0);
	is_free();
}
END_TEST

START_TEST(what_is_there_becomes_private)
{
	static const char *const names[] = { "fleet", "ruleset", "unconfirmed" };
	int lock;

	ck_assert_int_eq(chmod(folder, 0777), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		make(names[i], 0644, "");
	make("status", 0644, "{}");
	make("registry.db", 0640, ""); /* not ours */
	lock = status_lock(folder, &error);
	ck_assert_int_ge(lock, 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		ck_assert_int_eq(mode_of(names[i]), 0600);
	ck_assert_int_eq(mode_of("status"), 0644);
	ck_assert_int_eq(mode_of("registry.db"), 0640);
	ck_assert_int_eq(mode_of("."), 0755);
	close(lock);
}
END_TEST

/* --- many at once -------------------------------------------------------------------------- */

struct round {
	atomic_int go, tried, won, over;
};

static void rival(struct round *round)
{
	struct error failure;
	pid_t pid;
	int lock;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!atomic_load(&round->go))
		;
	lock = file_lock(folder, "lock", &pid, &failure);
	if (lock >= 0)
		atomic_fetch_add(&round->won, 1);
	else if (lock != -EBUSY)
		atomic_fetch_add(&round->won, 100);
	atomic_fetch_add(&round->tried, 1);
	while (!atomic_load(&round->over))
		usleep(1000);
	_exit(0);
}

/* All meet on a file that is to be exchanged, while a reader comes and goes: one has it. */
START_TEST(never_two_and_never_none)
{
	struct round *round = mmap(NULL, sizeof(*round), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (int n = 0; n < ROUNDS; n++) {
		int reader;

		memset(round, 0, sizeof(*round));
		unlink(path);
		make("lock", n % 2 ? 0644 : 0600, "");
		reader = reader_of(path);
		for (int i = 0; i < RIVALS; i++)
			if (fork() == 0)
				rival(round);
		atomic_store(&round->go, 1);
		if (n % 4 >= 2)
			close(reader);
		while (atomic_load(&round->tried) < RIVALS)
			usleep(1000);
		ck_assert_int_eq(atomic_load(&round->won), 1);
		ck_assert_int_eq(file_is_locked(folder, "lock"), 1);
		atomic_store(&round->over, 1);
		while (wait(NULL) > 0)
			;
		if (n % 4 < 2)
			close(reader);
		ck_assert_int_eq(mode_of("lock"), 0600);
	}
	munmap(round, sizeof(*round));
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("lock");
	const struct test_frame frame = { 120, setup, teardown };

	test_case(suite, &frame, "private");
	test_add(private_and_for_one, what_is_there_becomes_private);
	test_case(suite, &frame, "readers");
	test_add_loop(reader_keeps_nobody_out, 0, 2);
	test_add(late_reader_finds_another_file);
	test_case(suite, &frame, "agents");
	test_add(older_agent_stays, no_stale_pid_is_named);
	test_case(suite, &frame, "exchange");
	test_add(exchange_is_waited_for, anothers_file_is_exchanged, no_file_is_no_lock);
	test_case(suite, &frame, "race");
	test_add(never_two_and_never_none);
	return suite;
}
