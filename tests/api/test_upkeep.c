/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_upkeep.c - the store as a whole: measure, check, copy, another key
 */
#include <sys/stat.h>
#include <unistd.h>

#include "users.h"

static void add_many(struct mailauth *ctx, int n)
{
	char name[32];

	for (int i = 0; i < n; i++) {
		struct mailauth_user *user;

		(void)snprintf(name, sizeof(name), "user%d", i);
		user = new_user(ctx, name);
		set_text(user, MAILAUTH_TEXT_MECHS, "CRAM-MD5");
		support_status(name, set_password(user, name), MAILAUTH_OK);
		support_status(name, mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
	}
}

static void check_many(struct mailauth *ctx, int n)
{
	char name[32];
	uint64_t good;
	uint64_t damaged;

	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "user%d", i);
		support_status(name, login(ctx, name, name), MAILAUTH_OK);
	}
	support_status("check", mailauth_store_check(ctx, &good, &damaged), MAILAUTH_OK);
	ck_assert_uint_eq(good, (unsigned int)n);
	ck_assert_uint_eq(damaged, 0);
}

START_TEST(measures)
{
	struct mailauth *ctx = support_open("map_size = 8M\n", NULL);
	struct mailauth_store_stat stat = {.size = sizeof(stat)};

	add_many(ctx, 20);
	check_many(ctx, 20);
	support_status("stat", mailauth_store_stat(ctx, &stat), MAILAUTH_OK);
	ck_assert_uint_eq(stat.n_accounts, 20);
	ck_assert_uint_gt(stat.bytes_used, 0);
	ck_assert_uint_eq(stat.n_dead, 0);
	if (support_is_shared()) {
		ck_assert_str_eq(stat.scheme, "lmdb");
		ck_assert_uint_eq(stat.bytes_max, 8u << 20);
		ck_assert_uint_ge(stat.bytes_file, stat.bytes_used);
		ck_assert_uint_ge(stat.n_readers, 1);
	}
	stat.size = 3;
	support_status("size", mailauth_store_stat(ctx, &stat), MAILAUTH_E_USAGE);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(says_what_is_configured)
{
	struct mailauth *ctx = support_open("capture = no\n", NULL);

	ck_assert_str_eq(mailauth_config_get(ctx, "default_realm"), "example.org");
	ck_assert_str_eq(mailauth_config_get(ctx, "capture"), "no");
	ck_assert_str_eq(mailauth_config_get(ctx, "store_timeout"), "5");
	ck_assert_str_eq(mailauth_config_get(ctx, "mechanisms"), "");
	ck_assert_ptr_null(mailauth_config_get(ctx, "nonsense"));
	ck_assert_ptr_null(mailauth_config_get(NULL, "store"));
	mailauth_free(&ctx);
}
END_TEST

START_TEST(copies_to_another_file)
{
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open("", &log);
	struct mailauth *copy;
	char url[512];
	uint64_t n;

	if (!support_is_shared()) {
		support_status("memory", mailauth_store_copy(ctx, "memory:", (gid_t)-1, &n),
			       MAILAUTH_OK);
		mailauth_free(&ctx);
		return;
	}
	add_many(ctx, 30);
	(void)snprintf(url, sizeof(url), "lmdb:%s", support_path("copy.mdb"));
	support_status("copy", mailauth_store_copy(ctx, url, (gid_t)-1, &n), MAILAUTH_OK);
	ck_assert_uint_eq(n, 30);
	support_status("again", mailauth_store_copy(ctx, url, (gid_t)-1, &n), MAILAUTH_E_EXISTS);
	support_status("itself",
		       mailauth_store_copy(ctx, mailauth_config_get(ctx, "store"), (gid_t)-1, &n),
		       MAILAUTH_E_EXISTS);
	support_status("no folder", mailauth_store_copy(ctx, "lmdb:/nowhere/x", (gid_t)-1, &n),
		       MAILAUTH_E_CONFIG);
	ck_assert_uint_eq(n, 0);
	support_status("no such store", mailauth_store_copy(ctx, "x:y", (gid_t)-1, &n),
		       MAILAUTH_E_UNSUPPORTED);
	mailauth_free(&ctx);

	support_status(
		"open",
		mailauth_open(&(struct mailauth_options){.size = sizeof(struct mailauth_options),
							 .config = support_path("mailauth.conf"),
							 .store = url},
			      &copy),
		MAILAUTH_OK);
	check_many(copy, 30);
	mailauth_free(&copy);
}
END_TEST

static struct support_log rekey_log = {.level = MAILAUTH_LOG_WARN};

static uint64_t rekey(enum mailauth_rekey step, enum mailauth_status want)
{
	struct mailauth_options options = {
		.size = sizeof(options),
		.config = support_path("mailauth.conf"),
		.log = support_log,
		.log_arg = &rekey_log,
		.log_level = MAILAUTH_LOG_WARN,
	};
	uint64_t n = 99;

	support_log_clear(&rekey_log);

	support_status("rekey", mailauth_store_rekey(&options, step, &n), want);
	return n;
}

static int key_lines(const char *word)
{
	FILE *file = fopen(support_path("store.key"), "r");
	char line[256];
	int n = 0;

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		n += line[0] != '#' && strstr(line, word) != NULL;
	(void)fclose(file);
	return n;
}

START_TEST(changes_the_key)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth *before;
	struct mailauth *prepared;
	struct stat st;

	if (!support_is_shared()) {
		mailauth_free(&ctx);
		return;
	}
	add_many(ctx, 10);
	mailauth_free(&ctx);
	before = open_as(0, NULL);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_PREPARE, MAILAUTH_OK), 0);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_PREPARE, MAILAUTH_OK), 0);
	ck_assert_int_eq(key_lines(" next"), 1);
	prepared = open_as(MAILAUTH_OPEN_WRITE, NULL);
	/* It seals with the old key still, which a server that knows no other can open. */
	support_add(prepared, "late", "late");
	support_status("late", login(before, "late", "late"), MAILAUTH_OK);
	support_status("late", mailauth_user_del(prepared, "late"), MAILAUTH_OK);

	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_SEAL, MAILAUTH_OK), 10);
	ck_assert_int_eq(key_lines(" next"), 0);
	ck_assert_int_eq(key_lines(""), 2);
	check_many(prepared, 10);
	/* "Try later", not "wrong password". */
	support_status("before", login(before, "user1", "user1"), MAILAUTH_E_CORRUPT);
	mailauth_free(&before);
	mailauth_free(&prepared);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_PRUNE, MAILAUTH_OK), 1);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_PRUNE, MAILAUTH_OK), 0);
	ck_assert_int_eq(key_lines(""), 1);
	ck_assert_int_eq(stat(support_path("store.key"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ctx = open_as(0, NULL);
	check_many(ctx, 10);
	mailauth_free(&ctx);
	/* Without preparation a new key is made at once. */
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_SEAL, MAILAUTH_OK), 10);
	ctx = open_as(0, NULL);
	check_many(ctx, 10);
	mailauth_free(&ctx);
}
END_TEST

static enum mailauth_status set_comment(struct mailauth_user *user, void *arg)
{
	(void)arg;
	return mailauth_user_set_text(user, MAILAUTH_TEXT_COMMENT, "changed");
}

/* A server that was restarted after --prepare, and writes. */
START_TEST(who_was_prepared_seals_with_the_new_key)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth *server;

	if (support_is_shared())
		add_many(ctx, 3);
	mailauth_free(&ctx);
	if (!support_is_shared())
		return;
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_PREPARE, MAILAUTH_OK), 0);
	server = open_as(MAILAUTH_OPEN_WRITE, NULL);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_SEAL, MAILAUTH_OK), 3);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_PRUNE, MAILAUTH_OK), 1);
	support_status("update", mailauth_user_update(server, "user1", set_comment, NULL),
		       MAILAUTH_OK);
	mailauth_free(&server);
	ctx = open_as(0, NULL);
	check_many(ctx, 3);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(goes_on_where_it_was_interrupted)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth *old;

	if (!support_is_shared()) {
		mailauth_free(&ctx);
		return;
	}
	add_many(ctx, 5);
	old = ctx;
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_SEAL, MAILAUTH_OK), 5);
	/* As an interrupted run leaves it: one account is sealed with the key before. */
	support_add(old, "late", "late");
	mailauth_free(&old);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_PRUNE, MAILAUTH_OK), 0);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_SEAL, MAILAUTH_OK), 1);
	/* Whoever wanted a new key has to know that there is none. */
	ck_assert_ptr_nonnull(strstr(rekey_log.text, "run it again"));
	ck_assert_int_eq(key_lines(""), 2);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_PRUNE, MAILAUTH_OK), 1);
	ctx = open_as(0, NULL);
	support_status("late", login(ctx, "late", "late"), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(the_key_file_has_an_end)
{
	struct mailauth *ctx = support_open("", NULL);

	if (support_is_shared())
		add_many(ctx, 1);
	mailauth_free(&ctx);
	if (!support_is_shared())
		return;
	for (int i = 1; i < 16; i++)
		ck_assert_uint_eq(rekey(MAILAUTH_REKEY_SEAL, MAILAUTH_OK), 1);
	(void)rekey(MAILAUTH_REKEY_SEAL, MAILAUTH_E_LIMIT);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_PRUNE, MAILAUTH_OK), 15);
	ck_assert_uint_eq(rekey(MAILAUTH_REKEY_SEAL, MAILAUTH_OK), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_upkeep");
	TCase *tcase = tcase_create("upkeep");

	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, measures);
	tcase_add_test(tcase, says_what_is_configured);
	tcase_add_test(tcase, copies_to_another_file);
	tcase_add_test(tcase, changes_the_key);
	tcase_add_test(tcase, who_was_prepared_seals_with_the_new_key);
	tcase_add_test(tcase, goes_on_where_it_was_interrupted);
	tcase_add_test(tcase, the_key_file_has_an_end);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
