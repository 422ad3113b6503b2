/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_crash.c - writers killed at any moment, readers beside writers, fork
 *
 * A writer sets password and comment of an account together, to the same number, and tells through
 * a pipe when the library has acknowledged it. Whatever is read later must be one whole change, and
 * not an older one than the last that was acknowledged.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mailauth/admin.h>

#include "support.h"

#define KILLS	  1000
#define KILL_MS	  6 /* the longest life of a writer, counted from its first change */
#define N_READERS 8
#define N_WRITERS 2
#define N_CHANGES 150

/* What is derived takes no time beside what is written. */
static const char cheap_mechs[] = "mechanisms = PLAIN CRAM-MD5\n";

static const struct mailauth_request over_tls = {
	.size = sizeof(over_tls),
	.flags = MAILAUTH_REQUEST_TLS,
};

static struct mailauth *open_for(const char *config, unsigned int flags)
{
	struct mailauth_options options = {
		.size = sizeof(options), .flags = flags, .config = config};
	struct mailauth *ctx;

	ck_assert_int_eq(mailauth_open(&options, &ctx), MAILAUTH_OK);
	return ctx;
}

static enum mailauth_status set_number(struct mailauth_user *user, void *arg)
{
	const unsigned int *number = arg;
	char text[32];
	enum mailauth_status status;

	(void)snprintf(text, sizeof(text), "%u", *number);
	status = mailauth_user_set_text(user, MAILAUTH_TEXT_COMMENT, text);
	if (status != MAILAUTH_OK)
		return status;
	return mailauth_user_set_password(user, text, strlen(text));
}

static void add(struct mailauth *ctx, const char *name)
{
	struct mailauth_user *user;
	unsigned int zero = 0;

	ck_assert_int_eq(mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	ck_assert_int_eq(set_number(user, &zero), MAILAUTH_OK);
	ck_assert_int_eq(mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

/* The number in the account. */
static unsigned int number_of(struct mailauth *ctx, const char *name)
{
	struct mailauth_user *user;
	unsigned int number;

	ck_assert_int_eq(mailauth_user_get(ctx, name, &user), MAILAUTH_OK);
	number = (unsigned int)strtoul(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT), NULL, 10);
	mailauth_user_free(&user);
	return number;
}

static enum mailauth_status verify(struct mailauth *ctx, const char *name, unsigned int number)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%u", number);
	return mailauth_verify_plain(ctx, &over_tls, name, strlen(name), text, strlen(text), NULL);
}

static void write_until_killed(const char *config, unsigned int from, int ack)
{
	struct mailauth_options options = {
		.size = sizeof(options), .flags = MAILAUTH_OPEN_WRITE, .config = config};
	struct mailauth *ctx;

	if (mailauth_open(&options, &ctx) != MAILAUTH_OK)
		_exit(1);
	for (unsigned int number = from;; number++) {
		if (mailauth_user_update(ctx, "victim", set_number, &number) != MAILAUTH_OK)
			_exit(2);
		if (write(ack, &number, sizeof(number)) != sizeof(number))
			_exit(3);
	}
}

static void pause_us(long us)
{
	struct timespec pause = {.tv_nsec = us * 1000};

	while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
		;
}

/* Lets a writer live for a moment; returns the last number it had acknowledged. */
static unsigned int run_victim(const char *config, unsigned int from, long life_us)
{
	unsigned int acked = from - 1;
	unsigned int number;
	int pipe_fds[2];
	int status;
	pid_t child;

	ck_assert_int_eq(pipe(pipe_fds), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		write_until_killed(config, from, pipe_fds[1]);
	ck_assert_int_eq(close(pipe_fds[1]), 0);
	/* The clock starts with the first change, else most would die while they start. */
	if (life_us % 8 != 0 && read(pipe_fds[0], &number, sizeof(number)) == sizeof(number))
		acked = number;
	pause_us(life_us);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFSIGNALED(status), "the writer failed with %d", WEXITSTATUS(status));
	while (read(pipe_fds[0], &number, sizeof(number)) == sizeof(number))
		acked = number;
	ck_assert_int_eq(close(pipe_fds[0]), 0);
	return acked;
}

START_TEST(killed_writers_lose_nothing_acknowledged)
{
	const char *config = support_config(cheap_mechs);
	unsigned int number = 0;
	struct mailauth *ctx = open_for(config, MAILAUTH_OPEN_WRITE);

	add(ctx, "victim");
	add(ctx, "bystander");
	mailauth_free(&ctx);
	srandom(1);
	for (int i = 0; i < KILLS; i++) {
		unsigned int acked = run_victim(config, number + 1, random() % (KILL_MS * 1000));

		ctx = open_for(config, 0);
		number = number_of(ctx, "victim");
		ck_assert_msg(number == acked || number == acked + 1,
			      "run %d: acknowledged %u, found %u", i, acked, number);
		ck_assert_int_eq(verify(ctx, "victim", number), MAILAUTH_OK);
		ck_assert_int_eq(verify(ctx, "victim", number + 1), MAILAUTH_E_DENIED);
		ck_assert_int_eq(verify(ctx, "bystander", 0), MAILAUTH_OK);
		mailauth_free(&ctx);
	}
	/* The test means something only if the writers did write. */
	ck_assert_uint_gt(number, KILLS);
}
END_TEST

static int change_often(const char *config)
{
	struct mailauth *ctx = open_for(config, MAILAUTH_OPEN_WRITE);

	for (unsigned int i = 1; i <= N_CHANGES; i++)
		if (mailauth_user_update(ctx, "shared", set_number, &i) != MAILAUTH_OK)
			return 1;
	mailauth_free(&ctx);
	return 0;
}

/* The number in the comment and the generation of the shared account. */
static bool read_version(struct mailauth *ctx, unsigned int *number, int64_t *generation)
{
	struct mailauth_user *user;
	bool ok = mailauth_user_get(ctx, "shared", &user) == MAILAUTH_OK;

	if (ok) {
		*number = (unsigned int)strtoul(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT),
						NULL, 10);
		*generation = mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION);
	}
	mailauth_user_free(&user);
	return ok;
}

/*
 * The password is the number in the comment, both set by one change. A refusal is right only if a
 * change came between, which the generation tells. LMDB may show a change just before it is
 * acknowledged and then once more the one before, hence the second and third look. @n_proven counts
 * the accounts whose password was tried and fitted.
 */
static bool is_whole(struct mailauth *ctx, unsigned int *n_proven)
{
	for (int i = 0; i < 3; i++) {
		unsigned int number;
		int64_t before;
		int64_t after;
		enum mailauth_status status;

		if (!read_version(ctx, &number, &before))
			return false;
		status = verify(ctx, "shared", number);
		if (status == MAILAUTH_OK)
			(*n_proven)++;
		if (status != MAILAUTH_E_DENIED)
			return status == MAILAUTH_OK;
		if (!read_version(ctx, &number, &after))
			return false;
		if (after != before)
			return true;
	}
	return false;
}

/* Reads until the writers are done (@done is closed): each account read must be whole. */
static int read_often(const char *config, int done)
{
	struct mailauth *ctx = open_for(config, 0);
	unsigned int n_proven = 0;
	char byte;

	do {
		if (!is_whole(ctx, &n_proven))
			return 1;
		if (verify(ctx, "steady", 0) != MAILAUTH_OK ||
		    verify(ctx, "steady", 1) != MAILAUTH_E_DENIED)
			return 2;
	} while (read(done, &byte, 1) < 0 && errno == EAGAIN);
	mailauth_free(&ctx);
	return n_proven > 0 ? 0 : 3;
}

static pid_t start(int (*run)(const char *config, int arg), const char *config, int arg, int unused)
{
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)close(unused);
		_exit(run(config, arg));
	}
	return child;
}

static int write_side(const char *config, int arg)
{
	(void)arg;
	return change_often(config);
}

START_TEST(readers_beside_writers_see_whole_accounts)
{
	const char *config = support_config(cheap_mechs);
	struct mailauth *ctx = open_for(config, MAILAUTH_OPEN_WRITE);
	pid_t writers[N_WRITERS];
	pid_t readers[N_READERS];
	int done[2];
	int status;

	add(ctx, "shared");
	add(ctx, "steady");
	mailauth_free(&ctx);
	ck_assert_int_eq(pipe2(done, O_NONBLOCK), 0);
	for (int i = 0; i < N_READERS; i++)
		readers[i] = start(read_often, config, done[0], done[1]);
	for (int i = 0; i < N_WRITERS; i++)
		writers[i] = start(write_side, config, 0, done[1]);
	for (int i = 0; i < N_WRITERS; i++) {
		ck_assert_int_eq(waitpid(writers[i], &status, 0), writers[i]);
		ck_assert_msg(status == 0, "writer %d ended with %x", i, (unsigned int)status);
	}
	ck_assert_int_eq(close(done[1]), 0);
	for (int i = 0; i < N_READERS; i++) {
		ck_assert_int_eq(waitpid(readers[i], &status, 0), readers[i]);
		ck_assert_msg(status == 0, "reader %d ended with %x", i, (unsigned int)status);
	}
	/* Two writers, no change lost: each counted once. */
	ctx = open_for(config, 0);
	struct mailauth_user *user;

	ck_assert_int_eq(mailauth_user_get(ctx, "shared", &user), MAILAUTH_OK);
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION),
			 1 + N_WRITERS * N_CHANGES);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(context_works_in_parent_and_child)
{
	struct mailauth *ctx = open_for(support_config(cheap_mechs), MAILAUTH_OPEN_WRITE);
	unsigned int number = 7;
	int status;
	pid_t child;

	add(ctx, "victim");
	ck_assert_int_eq(verify(ctx, "victim", 0), MAILAUTH_OK);
	child = fork();
	if (child == 0) {
		bool ok = verify(ctx, "victim", 0) == MAILAUTH_OK &&
			  mailauth_user_update(ctx, "victim", set_number, &number) == MAILAUTH_OK &&
			  verify(ctx, "victim", 7) == MAILAUTH_OK;

		mailauth_free(&ctx);
		_exit(ok ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(verify(ctx, "victim", 7), MAILAUTH_OK);
	number = 8;
	ck_assert_int_eq(mailauth_user_update(ctx, "victim", set_number, &number), MAILAUTH_OK);
	ck_assert_int_eq(verify(ctx, "victim", 8), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api crash");
	TCase *tcase = tcase_create("crash");

	tcase_set_timeout(tcase, 280);
	tcase_add_test(tcase, killed_writers_lose_nothing_acknowledged);
	tcase_add_test(tcase, readers_beside_writers_see_whole_accounts);
	tcase_add_test(tcase, context_works_in_parent_and_child);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
