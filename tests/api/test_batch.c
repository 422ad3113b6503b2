/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_batch.c - many changes made together, and accounts that move to another name
 */
#include <pthread.h>
#include <stdio.h>

#include "users.h"

#define N_THREADS 4
#define N_EACH	  50

static struct mailauth_batch *new_batch(struct mailauth *ctx)
{
	struct mailauth_batch *batch;

	support_status("new", mailauth_batch_new(ctx, &batch), MAILAUTH_OK);
	return batch;
}

static void put_new(struct mailauth_batch *batch, struct mailauth *ctx, const char *name)
{
	struct mailauth_user *user = new_user(ctx, name);

	set_text(user, MAILAUTH_TEXT_MECHS, "CRAM-MD5");
	support_status(name, set_password(user, "secret"), MAILAUTH_OK);
	support_status(name, mailauth_batch_put(batch, user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

static void expect(struct mailauth *ctx, const char *name, enum mailauth_status want)
{
	struct mailauth_user *user;

	support_status(name, mailauth_user_get(ctx, name, &user), want);
	mailauth_user_free(&user);
}

START_TEST(makes_all_changes_at_once)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_batch *batch = new_batch(ctx);
	struct mailauth_user *user;

	support_add(ctx, "old", "secret");
	support_add(ctx, "gone", "secret");
	put_new(batch, ctx, "new1");
	put_new(batch, ctx, "new2");
	user = get_user(ctx, "old");
	set_text(user, MAILAUTH_TEXT_COMMENT, "changed");
	support_status("old", mailauth_batch_put(batch, user), MAILAUTH_OK);
	/* What happens to it later does not matter. */
	set_text(user, MAILAUTH_TEXT_COMMENT, "later");
	mailauth_user_free(&user);
	support_status("gone", mailauth_batch_del(batch, "gone"), MAILAUTH_OK);
	ck_assert_uint_eq(mailauth_batch_count(batch), 4);
	expect(ctx, "new1", MAILAUTH_E_NOTFOUND);
	support_status("commit", mailauth_batch_commit(batch, NULL), MAILAUTH_OK);
	ck_assert_uint_eq(mailauth_batch_count(batch), 0);
	mailauth_batch_free(&batch);
	ck_assert_ptr_null(batch);

	support_status("new1", login(ctx, "new1", "secret"), MAILAUTH_OK);
	support_status("new2", login(ctx, "new2", "secret"), MAILAUTH_OK);
	expect(ctx, "gone", MAILAUTH_E_NOTFOUND);
	user = get_user(ctx, "old");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT), "changed");
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION), 2);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

static void prepare_nothing(struct mailauth *ctx, struct mailauth_batch *batch)
{
	(void)ctx;
	(void)batch;
}

static void prepare_existing(struct mailauth *ctx, struct mailauth_batch *batch)
{
	put_new(batch, ctx, "victim");
	support_add(ctx, "victim", "other");
}

static void prepare_deleted(struct mailauth *ctx, struct mailauth_batch *batch)
{
	struct mailauth_user *user;

	support_add(ctx, "victim", "other");
	user = get_user(ctx, "victim");
	support_status("put", mailauth_batch_put(batch, user), MAILAUTH_OK);
	mailauth_user_free(&user);
	support_status("del", mailauth_user_del(ctx, "victim"), MAILAUTH_OK);
}

static void prepare_changed(struct mailauth *ctx, struct mailauth_batch *batch)
{
	struct mailauth_user *user;

	support_add(ctx, "victim", "other");
	user = get_user(ctx, "victim");
	support_status("put", mailauth_batch_put(batch, user), MAILAUTH_OK);
	mailauth_user_free(&user);
	support_status("update", mailauth_user_update(ctx, "victim", clear_secrets, NULL),
		       MAILAUTH_OK);
}

static void prepare_unknown(struct mailauth *ctx, struct mailauth_batch *batch)
{
	(void)ctx;
	support_status("del", mailauth_batch_del(batch, "victim"), MAILAUTH_OK);
}

static void prepare_new_twice(struct mailauth *ctx, struct mailauth_batch *batch)
{
	put_new(batch, ctx, "victim");
	put_new(batch, ctx, "victim");
}

static void put_stored(struct mailauth_batch *batch, struct mailauth *ctx, const char *name)
{
	struct mailauth_user *user = get_user(ctx, name);

	support_status(name, mailauth_batch_put(batch, user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

static void prepare_changed_twice(struct mailauth *ctx, struct mailauth_batch *batch)
{
	support_add(ctx, "victim", "other");
	put_stored(batch, ctx, "victim");
	put_stored(batch, ctx, "victim");
}

static void prepare_deleted_twice(struct mailauth *ctx, struct mailauth_batch *batch)
{
	support_add(ctx, "victim", "other");
	support_status("del", mailauth_batch_del(batch, "victim"), MAILAUTH_OK);
	support_status("del", mailauth_batch_del(batch, "victim"), MAILAUTH_OK);
}

static void prepare_changed_after_all(struct mailauth *ctx, struct mailauth_batch *batch)
{
	support_add(ctx, "victim", "other");
	support_status("del", mailauth_batch_del(batch, "victim"), MAILAUTH_OK);
	put_stored(batch, ctx, "victim");
}

/* Changes of one account that fit together are no conflict. */
static void prepare_replaced(struct mailauth *ctx, struct mailauth_batch *batch)
{
	support_add(ctx, "a", "other");
	support_status("del", mailauth_batch_del(batch, "a"), MAILAUTH_OK);
	put_new(batch, ctx, "a");
}

static void prepare_replaced_and_unknown(struct mailauth *ctx, struct mailauth_batch *batch)
{
	prepare_replaced(ctx, batch);
	prepare_unknown(ctx, batch);
}

START_TEST(one_conflict_undoes_all)
{
	static const struct {
		const char *name;
		void (*prepare)(struct mailauth *ctx, struct mailauth_batch *batch);
		enum mailauth_status want;
	} rows[] = {
		{"nothing", prepare_nothing, MAILAUTH_OK},
		{"existing", prepare_existing, MAILAUTH_E_EXISTS},
		{"deleted", prepare_deleted, MAILAUTH_E_NOTFOUND},
		{"changed", prepare_changed, MAILAUTH_E_TEMPFAIL},
		{"unknown", prepare_unknown, MAILAUTH_E_NOTFOUND},
		{"new, twice", prepare_new_twice, MAILAUTH_E_USAGE},
		{"changed, twice", prepare_changed_twice, MAILAUTH_E_USAGE},
		{"deleted, twice", prepare_deleted_twice, MAILAUTH_E_USAGE},
		{"changed after all", prepare_changed_after_all, MAILAUTH_E_USAGE},
		{"replaced", prepare_replaced, MAILAUTH_OK},
		{"replaced and unknown", prepare_replaced_and_unknown, MAILAUTH_E_NOTFOUND},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct support_log log = {.level = MAILAUTH_LOG_ERROR};
		struct mailauth *ctx;
		struct mailauth_batch *batch;
		struct mailauth_name conflict = {"x"};

		support_reset();
		ctx = support_open("", &log);
		batch = new_batch(ctx);
		put_new(batch, ctx, "first");
		rows[i].prepare(ctx, batch);
		put_new(batch, ctx, "last");
		support_status(rows[i].name, mailauth_batch_commit(batch, &conflict), rows[i].want);
		ck_assert_str_eq(conflict.text,
				 rows[i].want == MAILAUTH_OK ? "" : "victim@example.org");
		ck_assert_int_eq(strstr(log.text, "victim@example.org stands more than once") !=
					 NULL,
				 rows[i].want == MAILAUTH_E_USAGE);
		expect(ctx, "first",
		       rows[i].want == MAILAUTH_OK ? MAILAUTH_OK : MAILAUTH_E_NOTFOUND);
		expect(ctx, "last",
		       rows[i].want == MAILAUTH_OK ? MAILAUTH_OK : MAILAUTH_E_NOTFOUND);
		mailauth_batch_free(&batch);
		mailauth_free(&ctx);
	}
}
END_TEST

START_TEST(refuses_misuse)
{
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open("", &log);
	struct mailauth_batch *batch = (struct mailauth_batch *)ctx;
	struct mailauth *reader;

	support_status("no context", mailauth_batch_new(NULL, &batch), MAILAUTH_E_USAGE);
	ck_assert_ptr_null(batch);
	support_status("no batch", mailauth_batch_new(ctx, NULL), MAILAUTH_E_USAGE);
	support_status("put", mailauth_batch_put(NULL, NULL), MAILAUTH_E_USAGE);
	support_status("commit", mailauth_batch_commit(NULL, NULL), MAILAUTH_E_USAGE);
	batch = new_batch(ctx);
	support_status("bad name", mailauth_batch_del(batch, "a b"), MAILAUTH_E_USAGE);
	support_status("nothing", mailauth_batch_commit(batch, NULL), MAILAUTH_OK);
	mailauth_batch_free(&batch);
	mailauth_batch_free(&batch);
	mailauth_batch_free(NULL);
	if (support_is_shared()) {
		reader = open_as(0, &log);
		support_status("reader", mailauth_batch_new(reader, &batch), MAILAUTH_E_USAGE);
		ck_assert_ptr_nonnull(strstr(log.text, "MAILAUTH_OPEN_WRITE"));
		mailauth_free(&reader);
	}
	mailauth_free(&ctx);
}
END_TEST

struct job {
	struct mailauth *ctx;
	struct mailauth_batch *batch;
	int number;
};

static void *put_many(void *arg)
{
	const struct job *job = arg;
	char name[64];

	for (int i = 0; i < N_EACH; i++) {
		(void)snprintf(name, sizeof(name), "u%d-%d", job->number, i);
		put_new(job->batch, job->ctx, name);
	}
	return NULL;
}

START_TEST(several_threads_fill_one)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_batch *batch = new_batch(ctx);
	pthread_t threads[N_THREADS];
	struct job jobs[N_THREADS];
	struct mailauth_name cursor = {""};
	struct mailauth_user *user;
	int n = 0;

	for (int i = 0; i < N_THREADS; i++) {
		jobs[i] = (struct job){ctx, batch, i};
		ck_assert_int_eq(pthread_create(&threads[i], NULL, put_many, &jobs[i]), 0);
	}
	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	support_status("commit", mailauth_batch_commit(batch, NULL), MAILAUTH_OK);
	while (mailauth_user_next(ctx, &cursor, &user) == MAILAUTH_OK) {
		n++;
		mailauth_user_free(&user);
	}
	ck_assert_int_eq(n, N_THREADS * N_EACH);
	mailauth_batch_free(&batch);
	mailauth_free(&ctx);
}
END_TEST

static enum mailauth_status edit_name(struct mailauth_user *user, void *arg)
{
	const char **name = arg;

	return mailauth_user_rename(user, *name);
}

static enum mailauth_status rename_to(struct mailauth *ctx, const char *old, const char *name)
{
	return mailauth_user_update(ctx, old, edit_name, &name);
}

START_TEST(renames)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user;

	support_add(ctx, "alice", "secret");
	support_add(ctx, "bob", "secret");
	support_status("taken", rename_to(ctx, "alice", "bob"), MAILAUTH_E_EXISTS);
	support_status("bad", rename_to(ctx, "alice", "a b"), MAILAUTH_E_USAGE);
	support_status("itself", rename_to(ctx, "alice", "ALICE"), MAILAUTH_OK);
	check_secrets("itself", user = get_user(ctx, "alice"), ALL_SECRETS);
	mailauth_user_free(&user);
	support_status("realm", rename_to(ctx, "alice", "al@b.test"), MAILAUTH_OK);
	expect(ctx, "alice", MAILAUTH_E_NOTFOUND);
	support_status("login", login(ctx, "al@b.test", "secret"), MAILAUTH_OK);
	/* DIGEST-MD5's hashes have the old name in them; the login has made new ones. */
	check_secrets("moved", user = get_user(ctx, "al@b.test"),
		      "cram-md5 scram-sha-1 scram-sha-256 sasl-plain digest-md5");
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION), 4);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(renaming_derives_anew_from_a_kept_password)
{
	struct mailauth *ctx = support_open("recoverable = yes\n", NULL);
	struct mailauth_user *user;

	support_add(ctx, "alice", "secret");
	user = get_user(ctx, "alice");
	support_status("rename", mailauth_user_rename(user, "bob"), MAILAUTH_OK);
	ck_assert_str_eq(mailauth_user_name(user) + 3, strchr(mailauth_user_name(user), '@'));
	ck_assert(mailauth_user_can(user, "DIGEST-MD5", NULL));
	support_status("no name", mailauth_user_rename(user, NULL), MAILAUTH_E_USAGE);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_batch");
	TCase *tcase = tcase_create("batch");

	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, makes_all_changes_at_once);
	tcase_add_test(tcase, one_conflict_undoes_all);
	tcase_add_test(tcase, refuses_misuse);
	tcase_add_test(tcase, several_threads_fill_one);
	tcase_add_test(tcase, renames);
	tcase_add_test(tcase, renaming_derives_anew_from_a_kept_password);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
