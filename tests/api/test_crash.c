/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_crash.c - writers killed at any moment, readers beside writers, fork
 *
 * A writer sets password and comment of an account together, to the same number, and tells through
 * a pipe when the library has acknowledged it. Whatever is read later must be one whole change, and
 * not an older one than the last that was acknowledged. The kills fall among several writers, each
 * with an account of its own, and readers that look at all of them and are killed, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mailauth/admin.h>

#include "support.h"

#define KILLS	    600
#define KILLS_FULL  10000
#define KILL_MS	    6  /* the longest time between two kills */
#define N_VICTIMS   3  /* writers that run at the same time */
#define N_WATCHERS  2  /* readers beside them */
#define CHECK_EVERY 50 /* kills between two checks of the whole store, and killed readers */
#define N_READERS   8
#define N_WRITERS   2
#define N_CHANGES   150

/* What is derived takes no time beside what is written. */
static const char cheap_mechs[] = "mechanisms = PLAIN CRAM-MD5\n";
/* Writers that never pause leave each other few moments, and a slow disk makes each turn long. */
static const char patient[] =
	"mechanisms = PLAIN CRAM-MD5\nstore_timeout = 120 s\n"
	"map_size = 1G\n"; /* a reader that waits for a processor keeps many pages in use */

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

/* The number in the comment and the generation of an account. */
static bool read_version(struct mailauth *ctx, const char *name, unsigned int *number,
			 int64_t *generation)
{
	struct mailauth_user *user;
	bool ok = mailauth_user_get(ctx, name, &user) == MAILAUTH_OK;

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
static bool is_whole(struct mailauth *ctx, const char *name, unsigned int *n_proven)
{
	for (int i = 0; i < 3; i++) {
		unsigned int number;
		int64_t before;
		int64_t after;
		enum mailauth_status status;

		if (!read_version(ctx, name, &number, &before))
			return false;
		status = verify(ctx, name, number);
		if (status == MAILAUTH_OK)
			(*n_proven)++;
		if (status != MAILAUTH_E_DENIED)
			return status == MAILAUTH_OK;
		if (!read_version(ctx, name, &number, &after))
			return false;
		if (after != before)
			return true;
	}
	return false;
}

/* A writer, and what is known of its account. */
struct victim {
	char name[16];
	pid_t pid;
	int ack;	     /* the pipe it tells through */
	unsigned int number; /* in the account when it was started */
	unsigned int acked;  /* the last that it told of */
};

/* Why it gave up; the test tells only that it did. */
static void to_stderr(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	(void)arg;
	(void)level;
	(void)fprintf(stderr, "# %s: %s\n", event, text);
}

static void write_until_killed(const char *config, const struct victim *victim, int ack)
{
	struct mailauth_options options = {
		.size = sizeof(options), .flags = MAILAUTH_OPEN_WRITE, .config = config};
	struct mailauth *ctx;

	options.log = to_stderr;
	options.log_level = MAILAUTH_LOG_WARN;
	if (mailauth_open(&options, &ctx) != MAILAUTH_OK)
		_exit(1);
	for (unsigned int number = victim->number + 1;; number++) {
		if (mailauth_user_update(ctx, victim->name, set_number, &number) != MAILAUTH_OK)
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

static void start_victim(const char *config, struct victim *victim)
{
	int pipe_fds[2];

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	victim->acked = victim->number;
	victim->ack = pipe_fds[0];
	victim->pid = fork();
	ck_assert_int_ge(victim->pid, 0);
	if (victim->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		write_until_killed(config, victim, pipe_fds[1]);
	}
	ck_assert_int_eq(close(pipe_fds[1]), 0);
}

/* What it has told; false: it will tell nothing more. */
static bool take_ack(struct victim *victim)
{
	unsigned int number;

	if (read(victim->ack, &number, sizeof(number)) != sizeof(number))
		return false;
	ck_assert_uint_eq(number, victim->acked + 1);
	victim->acked = number;
	return true;
}

static void kill_victim(struct victim *victim)
{
	int status;

	ck_assert_int_eq(kill(victim->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(victim->pid, &status, 0), victim->pid);
	ck_assert_msg(WIFSIGNALED(status), "the writer failed with %d", WEXITSTATUS(status));
	while (take_ack(victim))
		;
	ck_assert_int_eq(close(victim->ack), 0);
}

/*
 * The account of a writer that was killed: nothing acknowledged is lost, nothing is half. What it
 * had just written and not yet acknowledged appears when the next writer begins, so perhaps between
 * two looks.
 */
static void check_victim(struct mailauth *ctx, struct victim *victim)
{
	enum mailauth_status status = MAILAUTH_E_DENIED;

	for (int i = 0; i < 2 && status == MAILAUTH_E_DENIED; i++) {
		victim->number = number_of(ctx, victim->name);
		ck_assert_msg(victim->number == victim->acked ||
				      victim->number == victim->acked + 1,
			      "%s: acknowledged %u, found %u", victim->name, victim->acked,
			      victim->number);
		status = verify(ctx, victim->name, victim->number);
	}
	ck_assert_int_eq(status, MAILAUTH_OK);
	ck_assert_int_eq(verify(ctx, victim->name, victim->acked + 2), MAILAUTH_E_DENIED);
	ck_assert_int_eq(verify(ctx, "bystander", 0), MAILAUTH_OK);
}

static void check_store(struct mailauth *ctx)
{
	uint64_t n_good;
	uint64_t n_damaged;

	ck_assert_int_eq(mailauth_store_check(ctx, &n_good, &n_damaged), MAILAUTH_OK);
	ck_assert_uint_eq(n_good, N_VICTIMS + 1);
	ck_assert_uint_eq(n_damaged, 0);
}

/* Reads until it is killed, or until @done is closed; each account read must be whole. */
static int watch(const char *config, int done)
{
	struct mailauth *ctx = open_for(config, 0);
	struct pollfd end = {.fd = done};
	unsigned int n_proven = 0;
	char name[16];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	do {
		for (int i = 0; i < N_VICTIMS; i++) {
			(void)snprintf(name, sizeof(name), "victim%d", i);
			if (!is_whole(ctx, name, &n_proven))
				return 1;
		}
	} while (poll(&end, 1, 1) == 0);
	mailauth_free(&ctx);
	return 0;
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

static void end_watcher(pid_t watcher, bool by_kill)
{
	int status;

	if (by_kill)
		ck_assert_int_eq(kill(watcher, SIGKILL), 0);
	ck_assert_int_eq(waitpid(watcher, &status, 0), watcher);
	ck_assert_msg(by_kill ? WIFSIGNALED(status) : status == 0, "a reader ended with %x",
		      (unsigned int)status);
}

static void add_victims(const char *config, struct victim *victims)
{
	struct mailauth *ctx = open_for(config, MAILAUTH_OPEN_WRITE);

	add(ctx, "bystander");
	for (int i = 0; i < N_VICTIMS; i++) {
		victims[i] = (struct victim){.number = 0};
		(void)snprintf(victims[i].name, sizeof(victims[i].name), "victim%d", i);
		add(ctx, victims[i].name);
	}
	mailauth_free(&ctx);
	for (int i = 0; i < N_VICTIMS; i++)
		start_victim(config, &victims[i]);
}

/* Seven of eight are in their changes, else most would die while they start or wait. */
static struct victim *choose_victim(struct victim *victims)
{
	struct pollfd fds[N_VICTIMS];
	size_t first = (size_t)random() % N_VICTIMS;

	if (random() % 8 == 0)
		return &victims[first];
	for (size_t i = 0; i < N_VICTIMS; i++)
		fds[i] = (struct pollfd){.fd = victims[i].ack, .events = POLLIN};
	ck_assert_int_gt(poll(fds, N_VICTIMS, -1), 0);
	while (fds[first].revents == 0)
		first = (first + 1) % N_VICTIMS;
	ck_assert_msg(take_ack(&victims[first]), "a writer ended");
	return &victims[first];
}

/* Kills a writer after a moment, looks at what it left, and starts another in its place. */
static void replace_victim(const char *config, struct victim *victim, bool with_store)
{
	struct mailauth *ctx;

	pause_us(random() % (KILL_MS * 1000));
	kill_victim(victim);
	ctx = open_for(config, 0);
	check_victim(ctx, victim);
	if (with_store)
		check_store(ctx);
	mailauth_free(&ctx);
	start_victim(config, victim);
}

START_TEST(killed_writers_lose_nothing_acknowledged)
{
	const char *config = support_config(patient);
	size_t kills = support_rounds(KILLS, KILLS_FULL);
	struct victim victims[N_VICTIMS];
	pid_t watchers[N_WATCHERS];
	unsigned int sum = 0;
	int done[2];

	srandom(1);
	add_victims(config, victims);
	ck_assert_int_eq(pipe2(done, O_NONBLOCK), 0);
	for (int i = 0; i < N_WATCHERS; i++)
		watchers[i] = start(watch, config, done[0], done[1]);
	for (size_t i = 0; i < kills; i++) {
		pid_t *watcher = &watchers[random() % N_WATCHERS];
		bool is_round = i % CHECK_EVERY == 0;

		replace_victim(config, choose_victim(victims), is_round);
		if (!is_round)
			continue;
		end_watcher(*watcher, true);
		*watcher = start(watch, config, done[0], done[1]);
	}
	for (int i = 0; i < N_VICTIMS; i++) {
		kill_victim(&victims[i]);
		sum += victims[i].acked;
	}
	ck_assert_int_eq(close(done[1]), 0);
	for (int i = 0; i < N_WATCHERS; i++)
		end_watcher(watchers[i], false);
	/* The test means something only if the writers did write. */
	ck_assert_uint_gt(sum, (unsigned int)kills);
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

/* Reads until the writers are done (@done is closed): each account read must be whole. */
static int read_often(const char *config, int done)
{
	struct mailauth *ctx = open_for(config, 0);
	unsigned int n_proven = 0;
	char byte;

	do {
		if (!is_whole(ctx, "shared", &n_proven))
			return 1;
		if (verify(ctx, "steady", 0) != MAILAUTH_OK ||
		    verify(ctx, "steady", 1) != MAILAUTH_E_DENIED)
			return 2;
	} while (read(done, &byte, 1) < 0 && errno == EAGAIN);
	mailauth_free(&ctx);
	return n_proven > 0 ? 0 : 3;
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
