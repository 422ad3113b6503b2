/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_threads.c - one context, many threads
 *
 * Threads log in while a writer changes the password to and fro. A counter that is even only while
 * the password stands tells a reader whether its verdict was given in between two changes: then it
 * must be exactly right. Otherwise it must at least be a verdict.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>
#include <mailauth/verifier.h>

#include "support.h"
#include "users.h"

#define THREADS	 8
#define CHANGES	 400
#define SECONDS	 2  /* then fewer changes have to do; under valgrind all is slow */
#define PATIENCE 60 /* more seconds until a reader was sure of one */
#define LOOKS	 20 /* of the writer between two changes, which give the readers time */

static const char *const passwords[] = {"the first password", "the second password"};

struct shared {
	_Atomic unsigned long n_certain; /* verdicts between two changes */
	struct mailauth *ctx;
	atomic_uint epoch; /* even: passwords[epoch / 2 % 2] is the right one */
	atomic_bool is_over;
};

struct reader {
	struct shared *shared;
	unsigned int seed;
	char failure[128];
};

static void check(struct reader *reader, unsigned int before, unsigned int after,
		  unsigned int which, enum mailauth_status got)
{
	enum mailauth_status want = which == before / 2 % 2 ? MAILAUTH_OK : MAILAUTH_E_DENIED;

	if (got != MAILAUTH_OK && got != MAILAUTH_E_DENIED) {
		(void)snprintf(reader->failure, sizeof(reader->failure), "got %s, want a verdict",
			       mailauth_status_name(got));
		return;
	}
	if (before != after || before % 2 != 0)
		return;
	atomic_fetch_add(&reader->shared->n_certain, 1);
	if (got != want)
		(void)snprintf(reader->failure, sizeof(reader->failure),
			       "password %u in epoch %u: got %s, want %s", which, before,
			       mailauth_status_name(got), mailauth_status_name(want));
}

static void *read_on(void *arg)
{
	struct reader *reader = arg;
	struct shared *shared = reader->shared;

	for (unsigned int i = reader->seed; !atomic_load(&shared->is_over); i++) {
		unsigned int before = atomic_load(&shared->epoch);
		enum mailauth_status got = login(shared->ctx, "alice", passwords[i % 2]);

		check(reader, before, atomic_load(&shared->epoch), i % 2, got);
		got = login(shared->ctx, i % 3 == 0 ? "nobody" : "locked", passwords[0]);
		if (got != MAILAUTH_E_DENIED)
			(void)snprintf(reader->failure, sizeof(reader->failure), "stranger: got %s",
				       mailauth_status_name(got));
	}
	return NULL;
}

static enum mailauth_status change(struct mailauth_user *user, void *arg)
{
	const char *password = arg;

	return mailauth_user_set_password(user, password, strlen(password));
}

static int64_t seconds(void)
{
	struct timespec now;

	ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return now.tv_sec;
}

static void write_on(struct shared *shared)
{
	int64_t end = seconds() + SECONDS;

	for (unsigned int i = 1; i <= CHANGES && seconds() < end; i++) {
		char password[32];

		(void)snprintf(password, sizeof(password), "%s", passwords[i % 2]);
		atomic_fetch_add(&shared->epoch, 1);
		support_status("change",
			       mailauth_user_update(shared->ctx, "alice", change, password),
			       MAILAUTH_OK);
		atomic_fetch_add(&shared->epoch, 1);
		for (int j = 0; j < LOOKS; j++) {
			support_status("new password",
				       login(shared->ctx, "alice", passwords[i % 2]), MAILAUTH_OK);
			support_status("old password",
				       login(shared->ctx, "alice", passwords[(i + 1) % 2]),
				       MAILAUTH_E_DENIED);
		}
	}
	/* On a busy machine no reader may have come between two changes. */
	end = seconds() + PATIENCE;
	while (atomic_load(&shared->n_certain) == 0 && seconds() < end)
		(void)sched_yield();
}

START_TEST(verdicts_are_right_while_passwords_change)
{
	struct shared shared = {.ctx = support_open("", NULL)};
	struct reader readers[THREADS];
	pthread_t threads[THREADS];
	struct mailauth_user *locked = new_user(shared.ctx, "locked");

	support_add(shared.ctx, "alice", passwords[0]);
	support_status("password", set_password(locked, passwords[0]), MAILAUTH_OK);
	set_number(locked, MAILAUTH_NUMBER_LOCKED, 1);
	support_status("locked", mailauth_user_add(locked), MAILAUTH_OK);
	mailauth_user_free(&locked);
	for (unsigned int i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){.shared = &shared, .seed = i};
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
	}
	write_on(&shared);
	atomic_store(&shared.is_over, true);
	for (unsigned int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		ck_assert_msg(readers[i].failure[0] == '\0', "thread %u: %s", i,
			      readers[i].failure);
	}
	ck_assert_uint_gt(atomic_load(&shared.n_certain), 0);
	mailauth_free(&shared.ctx);
}
END_TEST

/* Each thread owns an account; none loses a change. */
struct owner {
	struct mailauth *ctx;
	char name[16];
	enum mailauth_status status;
};

static enum mailauth_status count(struct mailauth_user *user, void *arg)
{
	(void)arg;
	return mailauth_user_set_number(user, MAILAUTH_NUMBER_UID,
					mailauth_user_number(user, MAILAUTH_NUMBER_UID) + 1);
}

static void *write_own(void *arg)
{
	struct owner *owner = arg;

	for (int i = 0; owner->status == MAILAUTH_OK && i < 10; i++)
		owner->status = mailauth_user_update(owner->ctx, owner->name, count, NULL);
	for (int i = 0; owner->status == MAILAUTH_OK && i < 5; i++)
		owner->status = mailauth_user_update(owner->ctx, "common", count, NULL);
	return NULL;
}

START_TEST(no_change_is_lost_among_writers)
{
	struct mailauth *ctx = support_open("", NULL);
	struct owner owners[THREADS];
	pthread_t threads[THREADS];
	struct mailauth_user *user;

	support_add(ctx, "common", "secret");
	for (unsigned int i = 0; i < THREADS; i++) {
		owners[i] = (struct owner){.ctx = ctx};
		(void)snprintf(owners[i].name, sizeof(owners[i].name), "owner%u", i);
		support_add(ctx, owners[i].name, "secret");
	}
	for (unsigned int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_own, &owners[i]), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		support_status(owners[i].name, owners[i].status, MAILAUTH_OK);
		user = get_user(ctx, owners[i].name);
		ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_UID), 9);
		mailauth_user_free(&user);
	}
	user = get_user(ctx, "common");
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_UID), 5 * THREADS - 1);
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION), 5 * THREADS + 1);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api threads");
	TCase *tcase = tcase_create("threads");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, verdicts_are_right_while_passwords_change);
	tcase_add_test(tcase, no_change_is_lost_among_writers);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
