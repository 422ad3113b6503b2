/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_admin.c - add, change, delete and list accounts in a store
 *
 * What is stored is seen by others at once and lasts, what failed changed nothing, and what happens
 * when two programs change one account. Damaged records are in lib/test_user.c, because making one
 * needs the inside of the library.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "support.h"
#include "users.h"

START_TEST(adds_gets_and_deletes)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user = (struct mailauth_user *)ctx;
	int64_t before = (int64_t)time(NULL) - 1;

	support_status("get", mailauth_user_get(ctx, "alice", &user), MAILAUTH_E_NOTFOUND);
	ck_assert_ptr_null(user);
	support_status("delete", mailauth_user_del(ctx, "alice"), MAILAUTH_E_NOTFOUND);
	support_status("update", mailauth_user_update(ctx, "alice", clear_secrets, NULL),
		       MAILAUTH_E_NOTFOUND);
	support_add(ctx, "alice", "secret");
	user = new_user(ctx, "alice");
	support_status("other", set_password(user, "other"), MAILAUTH_OK);
	support_status("again", mailauth_user_add(user), MAILAUTH_E_EXISTS);
	mailauth_user_free(&user);
	support_status("old password", login(ctx, "alice", "secret"), MAILAUTH_OK);
	support_status("refused password", login(ctx, "alice", "other"), MAILAUTH_E_DENIED);
	user = get_user(ctx, "alice");
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION), 1);
	ck_assert_int_ge(mailauth_user_number(user, MAILAUTH_NUMBER_CREATED), before);
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_CREATED),
			 mailauth_user_number(user, MAILAUTH_NUMBER_MODIFIED));
	mailauth_user_free(&user);
	support_status("delete", mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	support_status("delete", mailauth_user_del(ctx, "alice"), MAILAUTH_E_NOTFOUND);
	support_status("login", login(ctx, "alice", "secret"), MAILAUTH_E_DENIED);
	mailauth_free(&ctx);
}
END_TEST

/* An account read from the store is no new one. */
START_TEST(adding_what_was_read_is_refused)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user;

	support_add(ctx, "alice", "secret");
	user = get_user(ctx, "alice");
	support_status("add", mailauth_user_add(user), MAILAUTH_E_EXISTS);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(realms_are_kept_apart)
{
	struct mailauth *ctx = support_open("", NULL);

	support_add(ctx, "alice@a.test", "of a");
	support_add(ctx, "alice@b.test", "of b");
	support_status("a", login(ctx, "alice@a.test", "of a"), MAILAUTH_OK);
	support_status("a with b's", login(ctx, "alice@a.test", "of b"), MAILAUTH_E_DENIED);
	support_status("delete", mailauth_user_del(ctx, "alice@a.test"), MAILAUTH_OK);
	support_status("b", login(ctx, "alice@b.test", "of b"), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

static enum mailauth_status comment_with_arg(struct mailauth_user *user, void *arg)
{
	return mailauth_user_set_text(user, MAILAUTH_TEXT_COMMENT, arg);
}

START_TEST(generation_goes_up_by_one)
{
	char comment[] = "x";
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user;

	support_add(ctx, "alice", "secret");
	for (int want = 2; want < 6; want++) {
		support_status("update",
			       mailauth_user_update(ctx, "alice", comment_with_arg, comment),
			       MAILAUTH_OK);
		user = get_user(ctx, "alice");
		ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION), want);
		mailauth_user_free(&user);
	}
	mailauth_free(&ctx);
}
END_TEST

/* What was not stored is no change. */
START_TEST(refused_add_counts_no_generation)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user = new_user(ctx, "alice");

	support_add(ctx, "alice", "secret");
	support_status("add", mailauth_user_add(user), MAILAUTH_E_EXISTS);
	support_status("delete", mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	support_status("add", mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
	user = get_user(ctx, "alice");
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION), 1);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

static enum mailauth_status set_all(struct mailauth_user *user, void *arg)
{
	(void)arg;
	set_text(user, MAILAUTH_TEXT_COMMENT, "c");
	set_text(user, MAILAUTH_TEXT_HOME, "/h");
	set_text(user, MAILAUTH_TEXT_SHELL, "/s");
	set_text(user, MAILAUTH_TEXT_GROUPS, "g");
	set_number(user, MAILAUTH_NUMBER_UID, 1);
	set_number(user, MAILAUTH_NUMBER_WARN, 7);
	return MAILAUTH_OK;
}

START_TEST(update_keeps_what_it_does_not_change)
{
	char comment[] = "new";
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user;

	support_add(ctx, "alice", "secret");
	support_status("set", mailauth_user_update(ctx, "alice", set_all, NULL), MAILAUTH_OK);
	support_status("comment", mailauth_user_update(ctx, "alice", comment_with_arg, comment),
		       MAILAUTH_OK);
	user = get_user(ctx, "alice");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT), "new");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_HOME), "/h");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_SHELL), "/s");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_GROUPS), "g");
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_UID), 1);
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_WARN), 7);
	mailauth_user_free(&user);
	support_status("login", login(ctx, "alice", "secret"), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

/* Another program that changes the account while an edit is under way. */
struct rival {
	struct mailauth *ctx;
	int n_calls;
	int n_changes; /* how often the rival comes in between */
	bool deletes;
};

static enum mailauth_status set_uid(struct mailauth_user *user, void *arg)
{
	const struct rival *rival = arg;

	return mailauth_user_set_number(user, MAILAUTH_NUMBER_UID, rival->n_calls);
}

static enum mailauth_status edit_beside_rival(struct mailauth_user *user, void *arg)
{
	struct rival *rival = arg;

	rival->n_calls++;
	if (rival->n_calls <= rival->n_changes)
		support_status("rival",
			       rival->deletes
				       ? mailauth_user_del(rival->ctx, "alice")
				       : mailauth_user_update(rival->ctx, "alice", set_uid, rival),
			       MAILAUTH_OK);
	return mailauth_user_set_text(user, MAILAUTH_TEXT_COMMENT, "mine");
}

START_TEST(update_is_done_again_after_another_change)
{
	struct mailauth *ctx = support_open("", NULL);
	struct rival rival = {.ctx = ctx, .n_changes = 3};
	struct mailauth_user *user;

	if (support_is_shared())
		rival.ctx = open_as(MAILAUTH_OPEN_WRITE, NULL);
	support_add(ctx, "alice", "secret");
	support_status("update", mailauth_user_update(ctx, "alice", edit_beside_rival, &rival),
		       MAILAUTH_OK);
	ck_assert_int_eq(rival.n_calls, 4);
	user = get_user(ctx, "alice");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT), "mine");
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_UID), 3);
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION), 5);
	mailauth_user_free(&user);
	if (rival.ctx != ctx)
		mailauth_free(&rival.ctx);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(update_gives_up_at_last)
{
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open("", &log);
	struct rival rival = {.ctx = ctx, .n_changes = 1000};
	struct mailauth_user *user;

	support_add(ctx, "alice", "secret");
	support_status("update", mailauth_user_update(ctx, "alice", edit_beside_rival, &rival),
		       MAILAUTH_E_TEMPFAIL);
	ck_assert_uint_eq(log.n, 1);
	user = get_user(ctx, "alice");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT), "");
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(update_does_not_bring_a_deleted_account_back)
{
	struct mailauth *ctx = support_open("", NULL);
	struct rival rival = {.ctx = ctx, .n_changes = 1, .deletes = true};
	struct mailauth_user *user;

	support_add(ctx, "alice", "secret");
	support_status("update", mailauth_user_update(ctx, "alice", edit_beside_rival, &rival),
		       MAILAUTH_E_NOTFOUND);
	support_status("get", mailauth_user_get(ctx, "alice", &user), MAILAUTH_E_NOTFOUND);
	mailauth_free(&ctx);
}
END_TEST

static enum mailauth_status fail_after_change(struct mailauth_user *user, void *arg)
{
	const enum mailauth_status *status = arg;

	set_text(user, MAILAUTH_TEXT_COMMENT, "changed");
	support_status("password", set_password(user, "changed"), MAILAUTH_OK);
	return *status;
}

START_TEST(failed_edit_leaves_the_store_as_it_was)
{
	static const enum mailauth_status statuses[] = {MAILAUTH_E_USAGE, MAILAUTH_E_DENIED,
							MAILAUTH_E_NOMEM, MAILAUTH_CONTINUE};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user;

	support_add(ctx, "alice", "secret");
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		enum mailauth_status status = statuses[i];

		support_status("update",
			       mailauth_user_update(ctx, "alice", fail_after_change, &status),
			       status);
		user = get_user(ctx, "alice");
		ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT), "");
		ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION), 1);
		mailauth_user_free(&user);
	}
	support_status("login", login(ctx, "alice", "secret"), MAILAUTH_OK);
	support_status("login", login(ctx, "alice", "changed"), MAILAUTH_E_DENIED);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(walks_in_order_of_realm_and_name)
{
	static const char *const names[] = {"zoe@a.test", "bob@b.test", "alice@b.test",
					    "b@b.test",	  "al@b.test",	"alice@a.test",
					    "x@b",	  "alice"};
	static const char *const want[] = {"alice@a.test", "zoe@a.test",       "x@b",
					   "al@b.test",	   "alice@b.test",     "b@b.test",
					   "bob@b.test",   "alice@example.org"};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_name cursor = {""};
	struct mailauth_user *user;

	support_status("empty store", mailauth_user_next(ctx, &cursor, &user), MAILAUTH_E_NOTFOUND);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		support_add(ctx, names[i], "secret");
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		support_status(want[i], mailauth_user_next(ctx, &cursor, &user), MAILAUTH_OK);
		ck_assert_str_eq(mailauth_user_name(user), want[i]);
		ck_assert_str_eq(cursor.text, want[i]);
		check_secrets(want[i], user, ALL_SECRETS);
		mailauth_user_free(&user);
	}
	user = (struct mailauth_user *)ctx;
	support_status("end", mailauth_user_next(ctx, &cursor, &user), MAILAUTH_E_NOTFOUND);
	ck_assert_ptr_null(user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(walk_goes_on_from_any_name)
{
	static const struct {
		const char *cursor;
		const char *want; /* NULL: the end */
	} rows[] = {
		{"alice@example.org", "carol@example.org"},
		{"bob@example.org", "carol@example.org"}, /* deleted meanwhile, say */
		{"zoe@a.test", "alice@example.org"},
		{"carol@example.org", NULL},
		{"alice@z.test", NULL},
	};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_name bad = {"a b"};

	support_add(ctx, "alice", "secret");
	support_add(ctx, "carol", "secret");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_name cursor;
		struct mailauth_user *user;

		(void)snprintf(cursor.text, sizeof(cursor.text), "%s", rows[i].cursor);
		support_status(rows[i].cursor, mailauth_user_next(ctx, &cursor, &user),
			       rows[i].want != NULL ? MAILAUTH_OK : MAILAUTH_E_NOTFOUND);
		if (rows[i].want != NULL)
			ck_assert_str_eq(mailauth_user_name(user), rows[i].want);
		mailauth_user_free(&user);
	}
	support_status("bad cursor", mailauth_user_next(ctx, &bad, &(struct mailauth_user *){NULL}),
		       MAILAUTH_E_USAGE);
	mailauth_free(&ctx);
}
END_TEST

/* A second context sees what the first stored, at once and after both were closed. */
START_TEST(changes_are_seen_by_others_and_last)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth *other;

	if (support_is_shared()) {
		other = open_as(0, NULL);
		support_status("before", login(other, "alice", "secret"), MAILAUTH_E_DENIED);
		support_add(ctx, "alice", "secret");
		support_status("at once", login(other, "alice", "secret"), MAILAUTH_OK);
		mailauth_free(&ctx);
		support_status("writer gone", login(other, "alice", "secret"), MAILAUTH_OK);
		mailauth_free(&other);
		ctx = open_as(0, NULL);
		support_status("later", login(ctx, "alice", "secret"), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(context_opened_for_reading_does_not_write)
{
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *writer = support_open("", NULL);
	struct mailauth *ctx = open_as(0, &log);
	struct mailauth_user *user = new_user(ctx, "alice");

	if (support_is_shared())
		support_add(writer, "bob", "secret");
	support_status("add", mailauth_user_add(user), MAILAUTH_E_USAGE);
	mailauth_user_free(&user);
	ck_assert_uint_eq(log.n, 1);
	ck_assert_ptr_nonnull(strstr(log.text, "MAILAUTH_OPEN_WRITE"));
	support_status("update", mailauth_user_update(ctx, "bob", clear_secrets, NULL),
		       MAILAUTH_E_USAGE);
	support_status("delete", mailauth_user_del(ctx, "bob"), MAILAUTH_E_USAGE);
	if (support_is_shared())
		support_status("bob", login(writer, "bob", "secret"), MAILAUTH_OK);
	mailauth_free(&ctx);
	mailauth_free(&writer);
}
END_TEST

START_TEST(refuses_missing_arguments)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user = NULL;
	struct mailauth_name name = {""};

	support_status("parse", mailauth_name_parse(NULL, "a", &name), MAILAUTH_E_USAGE);
	support_status("parse", mailauth_name_parse(ctx, NULL, &name), MAILAUTH_E_USAGE);
	support_status("parse", mailauth_name_parse(ctx, "a", NULL), MAILAUTH_E_USAGE);
	support_status("new", mailauth_user_new(NULL, "a", &user), MAILAUTH_E_USAGE);
	support_status("new", mailauth_user_new(ctx, NULL, &user), MAILAUTH_E_USAGE);
	support_status("new", mailauth_user_new(ctx, "a", NULL), MAILAUTH_E_USAGE);
	support_status("get", mailauth_user_get(NULL, "a", &user), MAILAUTH_E_USAGE);
	support_status("get", mailauth_user_get(ctx, NULL, &user), MAILAUTH_E_USAGE);
	support_status("get", mailauth_user_get(ctx, "a", NULL), MAILAUTH_E_USAGE);
	support_status("get", mailauth_user_get(ctx, "a b", &user), MAILAUTH_E_USAGE);
	support_status("next", mailauth_user_next(NULL, &name, &user), MAILAUTH_E_USAGE);
	support_status("next", mailauth_user_next(ctx, NULL, &user), MAILAUTH_E_USAGE);
	support_status("next", mailauth_user_next(ctx, &name, NULL), MAILAUTH_E_USAGE);
	support_status("add", mailauth_user_add(NULL), MAILAUTH_E_USAGE);
	support_status("update", mailauth_user_update(NULL, "a", clear_secrets, NULL),
		       MAILAUTH_E_USAGE);
	support_status("update", mailauth_user_update(ctx, NULL, clear_secrets, NULL),
		       MAILAUTH_E_USAGE);
	support_status("update", mailauth_user_update(ctx, "a", NULL, NULL), MAILAUTH_E_USAGE);
	support_status("del", mailauth_user_del(NULL, "a"), MAILAUTH_E_USAGE);
	support_status("del", mailauth_user_del(ctx, NULL), MAILAUTH_E_USAGE);
	support_status("del", mailauth_user_del(ctx, "a b"), MAILAUTH_E_USAGE);
	support_status("password", mailauth_user_set_password(NULL, "a", 1), MAILAUTH_E_USAGE);
	support_status("crypt", mailauth_user_set_crypt(NULL, SHA512), MAILAUTH_E_USAGE);
	mailauth_user_free(&user);
	mailauth_user_free(NULL);
	mailauth_free(NULL);
	mailauth_free(&ctx);
	mailauth_free(&ctx);
}
END_TEST

static void check_mode(const char *name, unsigned int want)
{
	struct stat st;

	ck_assert_int_eq(stat(support_path(name), &st), 0);
	ck_assert_msg((st.st_mode & 07777) == want, "%s: got mode %o, want %o", name,
		      st.st_mode & 07777, want);
}

START_TEST(store_init_is_safe_to_repeat)
{
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth_options options = {.size = sizeof(options),
					   .log = support_log,
					   .log_arg = &log,
					   .log_level = MAILAUTH_LOG_DEBUG};
	struct mailauth_options small = {.size = 1};
	struct mailauth *ctx = support_open("", NULL);

	options.config = support_path("mailauth.conf");
	support_add(ctx, "alice", "secret");
	for (int i = 0; i < 2; i++)
		support_status("again", mailauth_store_init(&options, (gid_t)-1), MAILAUTH_OK);
	ck_assert_uint_eq(log.n, 0);
	support_status("login", login(ctx, "alice", "secret"), MAILAUTH_OK);
	mailauth_free(&ctx);
	check_mode("store.key", 0640);
	if (support_is_shared()) {
		check_mode("accounts.mdb", 0640);
		check_mode("accounts.mdb-lock", 0660);
		ctx = open_as(0, NULL);
		support_status("later", login(ctx, "alice", "secret"), MAILAUTH_OK);
		mailauth_free(&ctx);
	}
	support_status("wrong size", mailauth_store_init(&small, (gid_t)-1), MAILAUTH_E_USAGE);
}
END_TEST

START_TEST(store_init_makes_no_new_key_for_an_old_store)
{
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth_options options = {.size = sizeof(options),
					   .log = support_log,
					   .log_arg = &log,
					   .log_level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open("", NULL);
	const char *key = support_path("store.key");
	char aside[256];

	(void)snprintf(aside, sizeof(aside), "%s", support_path("aside.key"));
	options.config = support_path("mailauth.conf");
	support_add(ctx, "alice", "secret");
	if (!support_is_shared()) {
		mailauth_free(&ctx);
		return;
	}
	mailauth_free(&ctx);
	ck_assert_int_eq(rename(key, aside), 0);
	support_status("init", mailauth_store_init(&options, (gid_t)-1), MAILAUTH_E_CONFIG);
	ck_assert_str_eq(log.event, "key");
	ck_assert_ptr_nonnull(strstr(log.text, "restore the key"));
	ck_assert_int_ne(access(key, F_OK), 0);
	support_status("open", mailauth_open(&options, &ctx), MAILAUTH_E_CONFIG);
	ck_assert_ptr_null(ctx);
	ck_assert_int_eq(rename(aside, key), 0);
	ctx = open_as(0, NULL);
	support_status("login", login(ctx, "alice", "secret"), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

/* A key that is not the store's opens nothing and denies nobody wrongly. */
START_TEST(other_key_makes_every_record_damaged)
{
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user;

	support_add(ctx, "alice", "secret");
	mailauth_free(&ctx);
	if (!support_is_shared())
		return;
	(void)unlink(support_path("store.key"));
	(void)support_file("store.key",
			   "1 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f\n",
			   67);
	ctx = open_as(MAILAUTH_OPEN_WRITE, &log);
	support_status("login", login(ctx, "alice", "secret"), MAILAUTH_E_CORRUPT);
	ck_assert_ptr_nonnull(strstr(log.text, "alice@example.org"));
	support_status("get", mailauth_user_get(ctx, "alice", &user), MAILAUTH_E_CORRUPT);
	ck_assert_ptr_null(user);
	support_status("update", mailauth_user_update(ctx, "alice", clear_secrets, NULL),
		       MAILAUTH_E_CORRUPT);
	support_status("unknown", login(ctx, "nobody", "secret"), MAILAUTH_E_DENIED);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api admin");
	TCase *tcase = tcase_create("admin");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, adds_gets_and_deletes);
	tcase_add_test(tcase, adding_what_was_read_is_refused);
	tcase_add_test(tcase, realms_are_kept_apart);
	tcase_add_test(tcase, generation_goes_up_by_one);
	tcase_add_test(tcase, refused_add_counts_no_generation);
	tcase_add_test(tcase, update_keeps_what_it_does_not_change);
	tcase_add_test(tcase, update_is_done_again_after_another_change);
	tcase_add_test(tcase, update_gives_up_at_last);
	tcase_add_test(tcase, update_does_not_bring_a_deleted_account_back);
	tcase_add_test(tcase, failed_edit_leaves_the_store_as_it_was);
	tcase_add_test(tcase, walks_in_order_of_realm_and_name);
	tcase_add_test(tcase, walk_goes_on_from_any_name);
	tcase_add_test(tcase, changes_are_seen_by_others_and_last);
	tcase_add_test(tcase, context_opened_for_reading_does_not_write);
	tcase_add_test(tcase, refuses_missing_arguments);
	tcase_add_test(tcase, store_init_is_safe_to_repeat);
	tcase_add_test(tcase, store_init_makes_no_new_key_for_an_old_store);
	tcase_add_test(tcase, other_key_makes_every_record_damaged);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
