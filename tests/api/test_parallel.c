/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_parallel.c - one context, eight threads, every mechanism, and a writer
 *
 * The writer changes a password, locks and unlocks an account, adds and deletes one, and meanwhile
 * seals all records with a new key and prunes the old one. A counter that is even only while
 * nothing is written tells a reader whether its login fell in between two changes: then the verdict
 * has to be the right one. Otherwise it has to be a verdict. Nothing here forks, so that
 * scripts/test runs it under ThreadSanitizer.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "support.h"
#include "users.h"

#define THREADS	   8
#define CHANGES	   8   /* before the key is changed, and again after each step of that */
#define LOGINS	   60  /* that are to be made while all that goes on, at least */
#define PATIENCE_S 120 /* and for how long to wait for them */

static const struct mailauth_binding binding = {"tls-exporter", "0123456789abcdef", 16};
static const struct mailauth_request request = {
	.size = sizeof(request),
	.flags = MAILAUTH_REQUEST_TLS,
	.realm = "example.org",
	.bindings = &binding,
	.n_bindings = 1,
};

static const char *const passwords[] = {"the first password", "the second password"};

/* What the writer does to each; @odd: in the epochs with an odd half. */
enum role { STABLE, CHANGES_PASSWORD, IS_LOCKED_AT_TIMES, COMES_AND_GOES, N_ROLES };
static const char *const names[N_ROLES] = {"stable", "changing", "locking", "coming"};

struct shared {
	struct mailauth *ctx;
	atomic_uint epoch; /* even: nothing is being written */
	atomic_bool is_over;
	_Atomic unsigned long n_certain[2]; /* verdicts between two changes: no, yes */
};

struct reader {
	struct shared *shared;
	unsigned int seed;
	char failure[256];
};

/* Of a login with passwords[which] while the epoch's half is @half. */
static bool is_right(enum role role, unsigned int which, unsigned int half)
{
	switch (role) {
	case CHANGES_PASSWORD:
		return which == half % 2;
	case IS_LOCKED_AT_TIMES:
	case COMES_AND_GOES:
		return which == 0 && half % 2 == 0;
	default:
		return which == 0;
	}
}

static void judge(struct reader *reader, const char *mech, enum role role, unsigned int which,
		  const unsigned int epochs[2], enum mailauth_status got)
{
	bool is_certain = role == STABLE || (epochs[0] == epochs[1] && epochs[0] % 2 == 0);
	bool want = is_right(role, which, epochs[0] / 2);

	if (got == MAILAUTH_OK || got == MAILAUTH_E_DENIED) {
		if (!is_certain)
			return;
		atomic_fetch_add(&reader->shared->n_certain[want], 1);
		if ((got == MAILAUTH_OK) == want)
			return;
	}
	(void)snprintf(reader->failure, sizeof(reader->failure),
		       "%s with %s, password %u, epochs %u and %u: got %s", names[role], mech,
		       which, epochs[0], epochs[1], mailauth_status_name(got));
}

static void *read_on(void *arg)
{
	struct reader *reader = arg;
	struct shared *shared = reader->shared;
	size_t n_mechs = mailauth_mech_count();

	for (unsigned int i = reader->seed; !atomic_load(&shared->is_over); i++) {
		const char *mech = mailauth_mech_name(i % n_mechs);
		enum role role = (enum role)(i / n_mechs % N_ROLES);
		unsigned int which = i / 3 % 2;
		unsigned int epochs[2];
		enum mailauth_status got;

		epochs[0] = atomic_load(&shared->epoch);
		got = support_login(shared->ctx, mech, &request, names[role], passwords[which]);
		epochs[1] = atomic_load(&shared->epoch);
		judge(reader, mech, role, which, epochs, got);
	}
	return NULL;
}

/* ---- the writer ---- */

static enum mailauth_status change_password(struct mailauth_user *user, void *arg)
{
	const char *password = arg;

	return mailauth_user_set_password(user, password, strlen(password));
}

static enum mailauth_status change_lock(struct mailauth_user *user, void *arg)
{
	const bool *is_locked = arg;

	return mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, *is_locked ? 1 : 0);
}

static void change_all(struct shared *shared)
{
	unsigned int half = atomic_fetch_add(&shared->epoch, 1) / 2 + 1;
	char password[32];
	bool is_odd = half % 2 != 0;

	(void)snprintf(password, sizeof(password), "%s", passwords[half % 2]);
	support_status("password",
		       mailauth_user_update(shared->ctx, names[CHANGES_PASSWORD], change_password,
					    password),
		       MAILAUTH_OK);
	support_status(
		"lock",
		mailauth_user_update(shared->ctx, names[IS_LOCKED_AT_TIMES], change_lock, &is_odd),
		MAILAUTH_OK);
	if (is_odd)
		support_status("del", mailauth_user_del(shared->ctx, names[COMES_AND_GOES]),
			       MAILAUTH_OK);
	else
		support_add(shared->ctx, names[COMES_AND_GOES], passwords[0]);
	atomic_fetch_add(&shared->epoch, 1);
	support_status(
		"between two changes",
		support_login(shared->ctx, "CRAM-MD5", &request, names[STABLE], passwords[0]),
		MAILAUTH_OK);
}

static int64_t seconds(void)
{
	struct timespec now;

	ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return now.tv_sec;
}

/* Until the readers had so many certain verdicts more, of both kinds. */
static void wait_for_readers(struct shared *shared)
{
	unsigned long before[2] = {atomic_load(&shared->n_certain[0]),
				   atomic_load(&shared->n_certain[1])};
	int64_t end = seconds() + PATIENCE_S;

	for (int i = 0; i < 2; i++)
		while (atomic_load(&shared->n_certain[i]) < before[i] + LOGINS && seconds() < end)
			(void)sched_yield();
}

static void write_on(struct shared *shared)
{
	const struct mailauth_options options = {.size = sizeof(options),
						 .config = support_path("mailauth.conf")};
	static const enum mailauth_rekey steps[] = {MAILAUTH_REKEY_SEAL, MAILAUTH_REKEY_PRUNE};

	for (size_t i = 0; i <= sizeof(steps) / sizeof(steps[0]); i++) {
		for (int k = 0; k < CHANGES; k++)
			change_all(shared);
		wait_for_readers(shared);
		if (i < sizeof(steps) / sizeof(steps[0]))
			support_status("rekey", mailauth_store_rekey(&options, steps[i], NULL),
				       MAILAUTH_OK);
	}
}

/* With the next key prepared, as for servers that run on while all is sealed anew. */
static struct mailauth *open_prepared(void)
{
	char config[512];
	struct mailauth_options options = {.size = sizeof(options), .flags = MAILAUTH_OPEN_WRITE};
	struct mailauth *ctx;

	(void)snprintf(config, sizeof(config),
		       "%srecoverable = yes\nmechanisms = PLAIN LOGIN CRAM-MD5 DIGEST-MD5 "
		       "SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512\n",
		       cheap_crypt);
	options.config = support_config(config);
	support_status("prepare", mailauth_store_rekey(&options, MAILAUTH_REKEY_PREPARE, NULL),
		       MAILAUTH_OK);
	support_status("open", mailauth_open(&options, &ctx), MAILAUTH_OK);
	for (size_t i = 0; i < N_ROLES; i++)
		support_add(ctx, names[i], passwords[0]);
	return ctx;
}

static void run_once(void)
{
	struct shared shared = {.ctx = open_prepared()};
	struct reader readers[THREADS];
	pthread_t threads[THREADS];

	for (unsigned int i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){.shared = &shared, .seed = i * 7};
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
	}
	write_on(&shared);
	atomic_store(&shared.is_over, true);
	for (unsigned int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		ck_assert_msg(readers[i].failure[0] == '\0', "thread %u: %s", i,
			      readers[i].failure);
	ck_assert_uint_gt(atomic_load(&shared.n_certain[0]), 0);
	ck_assert_uint_gt(atomic_load(&shared.n_certain[1]), 0);
	printf("# %lu certain refusals, %lu certain logins, %u changes\n",
	       atomic_load(&shared.n_certain[0]), atomic_load(&shared.n_certain[1]),
	       atomic_load(&shared.epoch) / 2 * 3);
	mailauth_free(&shared.ctx);
}

START_TEST(every_mechanism_is_right_while_accounts_and_keys_change)
{
	size_t rounds = support_rounds(1, 100);

	for (size_t i = 0; i < rounds; i++) {
		support_reset();
		run_once();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api parallel");
	TCase *tcase = tcase_create("parallel");

	tcase_set_timeout(tcase, 240);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, every_mechanism_is_right_while_accounts_and_keys_change);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
