/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_capture.c - an account that has a crypt(3) string alone serves every mechanism after its
 * first login by password, and nothing else makes it do so
 */
#include "users.h"

#define ALL_AND_CRYPT "crypt " ALL_SECRETS

static void add_crypt(struct mailauth *ctx, const char *name)
{
	struct mailauth_user *user = new_user(ctx, name);

	support_status(name, mailauth_user_set_crypt(user, SHA512), MAILAUTH_OK);
	set_number(user, MAILAUTH_NUMBER_LAST_CHANGE, today() - 3);
	support_status(name, mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

static void check(struct mailauth *ctx, const char *what, const char *secrets, int64_t generation)
{
	struct mailauth_user *user = get_user(ctx, "alice");

	check_secrets(what, user, secrets);
	ck_assert_msg(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION) == generation,
		      "%s: generation %lld", what,
		      (long long)mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION));
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE), today() - 3);
	mailauth_user_free(&user);
}

START_TEST(the_first_login_captures)
{
	struct mailauth *ctx = support_open("", NULL);

	add_crypt(ctx, "alice");
	support_status("wrong", login(ctx, "alice", "passwort"), MAILAUTH_E_DENIED);
	check(ctx, "wrong", "crypt", 1);
	support_status("right", login(ctx, "alice", "password"), MAILAUTH_OK);
	check(ctx, "right", ALL_AND_CRYPT, 2);
	support_status("again", login(ctx, "alice", "password"), MAILAUTH_OK);
	support_status("wrong", login(ctx, "alice", "passwort"), MAILAUTH_E_DENIED);
	check(ctx, "again", ALL_AND_CRYPT, 2);
	mailauth_free(&ctx);
}
END_TEST

static const char *const dialogue_mechs[] = {"PLAIN", "LOGIN"};

START_TEST(a_session_captures)
{
	struct mailauth *ctx = support_open("", NULL);
	struct support_client client = {
		.mech = dialogue_mechs[_i], .request = &over_tls, .user = "alice"};
	struct support_client later = {
		.mech = "SCRAM-SHA-256", .request = &over_tls, .user = "alice"};

	add_crypt(ctx, "alice");
	client.password = "wrong";
	support_status("wrong", support_client_begin(ctx, &client), MAILAUTH_CONTINUE);
	support_status("wrong", support_client_finish(&client), MAILAUTH_E_DENIED);
	mailauth_session_free(&client.session);
	check(ctx, "wrong", "crypt", 1);
	client.password = "password";
	support_status("right", support_client_begin(ctx, &client), MAILAUTH_CONTINUE);
	support_status("right", support_client_finish(&client), MAILAUTH_OK);
	mailauth_session_free(&client.session);
	check(ctx, "right", ALL_AND_CRYPT, 2);
	later.password = "password";
	support_status("scram", support_client_begin(ctx, &later), MAILAUTH_CONTINUE);
	support_status("scram", support_client_finish(&later), MAILAUTH_OK);
	mailauth_session_free(&later.session);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(the_accounts_list_is_the_limit)
{
	static const struct {
		const char *mechs;
		const char *want;
	} rows[] = {
		{"PLAIN LOGIN", "crypt"},
		{"CRAM-MD5", "crypt cram-md5"},
		{"PLAIN SCRAM-SHA-1", "crypt scram-sha-1"},
		{"PLAIN CRAM-MD5", "crypt cram-md5 sasl-plain"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth *ctx;
		struct mailauth_user *user;

		support_reset();
		ctx = support_open("", NULL);
		user = new_user(ctx, "alice");
		set_text(user, MAILAUTH_TEXT_MECHS, rows[i].mechs);
		support_status("crypt", mailauth_user_set_crypt(user, SHA512), MAILAUTH_OK);
		support_status("add", mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
		support_status(rows[i].mechs, login(ctx, "alice", "password"), MAILAUTH_OK);
		check_secrets(rows[i].mechs, user = get_user(ctx, "alice"), rows[i].want);
		mailauth_user_free(&user);
		mailauth_free(&ctx);
	}
}
END_TEST

START_TEST(readers_and_no_do_not_capture)
{
	struct mailauth *ctx = support_open("capture = no\n", NULL);

	add_crypt(ctx, "alice");
	support_status("no", login(ctx, "alice", "password"), MAILAUTH_OK);
	support_status("no", mailauth_capture(ctx, "alice", "password", 8), MAILAUTH_OK);
	check(ctx, "capture = no", "crypt", 1);
	mailauth_free(&ctx);
	if (!support_is_shared())
		return;
	support_reset();
	ctx = support_open("", NULL);
	add_crypt(ctx, "alice");
	mailauth_free(&ctx);
	ctx = open_as(0, NULL);
	support_status("reader", login(ctx, "alice", "password"), MAILAUTH_OK);
	support_status("reader", mailauth_capture(ctx, "alice", "password", 8), MAILAUTH_E_USAGE);
	check(ctx, "reader", "crypt", 1);
	mailauth_free(&ctx);
}
END_TEST

/* Whoever may not log in has proved nothing. */
START_TEST(refused_logins_do_not_capture)
{
	static const struct {
		enum mailauth_number which;
		int64_t value;
		bool proof_only; /* then: does it capture? */
	} rows[] = {
		{MAILAUTH_NUMBER_LOCKED, 1, false},
		{MAILAUTH_NUMBER_EXPIRE, 1, true},
	};
	const struct mailauth_request proof_only = {
		.size = sizeof(proof_only),
		.flags = MAILAUTH_REQUEST_TLS | MAILAUTH_REQUEST_PROOF_ONLY,
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth *ctx;
		struct mailauth_user *user;

		support_reset();
		ctx = support_open("", NULL);
		user = new_user(ctx, "alice");
		support_status("crypt", mailauth_user_set_crypt(user, SHA512), MAILAUTH_OK);
		set_number(user, MAILAUTH_NUMBER_LAST_CHANGE, today() - 3);
		set_number(user, rows[i].which, rows[i].value);
		support_status("add", mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
		support_status("refused", login(ctx, "alice", "password"), MAILAUTH_E_DENIED);
		check(ctx, "refused", "crypt", 1);
		support_status(
			"proof only",
			mailauth_verify_plain(ctx, &proof_only, "alice", 5, "passwort", 8, NULL),
			MAILAUTH_E_DENIED);
		support_status(
			"proof only",
			mailauth_verify_plain(ctx, &proof_only, "alice", 5, "password", 8, NULL),
			rows[i].proof_only ? MAILAUTH_OK : MAILAUTH_E_DENIED);
		check(ctx, "proof only", rows[i].proof_only ? ALL_AND_CRYPT : "crypt",
		      rows[i].proof_only ? 2 : 1);
		mailauth_free(&ctx);
	}
}
END_TEST

/* Comes between the proof and the capture, as another program may. */
struct meddler {
	struct mailauth *ctx;
	void (*act)(struct mailauth *ctx);
	bool is_done;
};

static void meddle(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	struct meddler *meddler = arg;

	(void)level;
	if (strcmp(event, "login") != 0 || strstr(text, "result=ok") == NULL || meddler->is_done)
		return;
	meddler->is_done = true;
	meddler->act(meddler->ctx);
}

/* The next owner of the name; his account is as new as the one before was. */
static void replace_alice(struct mailauth *ctx)
{
	struct mailauth_user *user;

	support_status("del", mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	user = new_user(ctx, "alice");
	set_text(user, MAILAUTH_TEXT_MECHS, "CRAM-MD5");
	support_status("password", set_password(user, "other"), MAILAUTH_OK);
	set_text(user, MAILAUTH_TEXT_MECHS, "");
	support_status("add", mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

static void disarm_alice(struct mailauth *ctx)
{
	support_status("clear", mailauth_user_update(ctx, "alice", clear_secrets, NULL),
		       MAILAUTH_OK);
}

START_TEST(a_login_that_was_overtaken_captures_nothing)
{
	static const struct {
		void (*act)(struct mailauth *ctx);
		const char *want;
	} rows[] = {{replace_alice, "cram-md5"}, {disarm_alice, ""}};

	for (size_t i = 0; support_is_shared() && i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct meddler meddler = {.act = rows[i].act};
		struct mailauth *ctx;
		struct mailauth_user *user;

		support_reset();
		ctx = support_open("", NULL);
		meddler.ctx = open_as(MAILAUTH_OPEN_WRITE, NULL);
		add_crypt(ctx, "alice");
		mailauth_set_logger(ctx, meddle, &meddler, MAILAUTH_LOG_INFO);
		support_status("overtaken", login(ctx, "alice", "password"), MAILAUTH_OK);
		ck_assert(meddler.is_done);
		check_secrets("overtaken", user = get_user(ctx, "alice"), rows[i].want);
		mailauth_user_free(&user);
		support_status("old", login(ctx, "alice", "password"), MAILAUTH_E_DENIED);
		mailauth_free(&meddler.ctx);
		mailauth_free(&ctx);
	}
}
END_TEST

/* Crypt(3) takes any bytes; nobody can do anything about these at each login. */
START_TEST(what_cannot_be_captured_is_no_news)
{
	struct support_log log = {.level = MAILAUTH_LOG_WARN};
	struct mailauth *ctx = support_open("", &log);
	struct mailauth_user *user = new_user(ctx, "alice");

	/* crypt("sch\xf6n") */
	support_status("crypt", mailauth_user_set_crypt(user, "$1$saltsalt$O8R1ZngscYRglTyQlVfks1"),
		       MAILAUTH_OK);
	support_status("add", mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
	support_log_clear(&log);
	support_status("login", login(ctx, "alice", "sch\xf6n"), MAILAUTH_OK);
	ck_assert_str_eq(log.text, "");
	mailauth_free(&ctx);
}
END_TEST

START_TEST(takes_what_another_proved)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user;

	add_crypt(ctx, "alice");
	support_status("nobody", mailauth_capture(ctx, "nobody", "password", 8),
		       MAILAUTH_E_NOTFOUND);
	support_status("another password", mailauth_capture(ctx, "alice", "passwort", 8),
		       MAILAUTH_E_DENIED);
	check(ctx, "another password", "crypt", 1);
	support_status("right", mailauth_capture(ctx, "alice", "password", 8), MAILAUTH_OK);
	check(ctx, "right", ALL_AND_CRYPT, 2);
	support_status("again", mailauth_capture(ctx, "alice", "password", 8), MAILAUTH_OK);
	check(ctx, "again", ALL_AND_CRYPT, 2);
	support_status("another password", mailauth_capture(ctx, "alice", "passwort", 8),
		       MAILAUTH_E_DENIED);
	check(ctx, "another password", ALL_AND_CRYPT, 2);
	support_status("no secrets", mailauth_user_update(ctx, "alice", clear_secrets, NULL),
		       MAILAUTH_OK);
	support_status("no secrets", mailauth_capture(ctx, "alice", "neu", 3), MAILAUTH_OK);
	check_secrets("no secrets", user = get_user(ctx, "alice"), ALL_SECRETS);
	mailauth_user_free(&user);
	support_status("login", login(ctx, "alice", "neu"), MAILAUTH_OK);
	support_status("empty", mailauth_capture(ctx, "alice", "", 0), MAILAUTH_E_USAGE);
	support_status("NULL", mailauth_capture(NULL, "alice", "x", 1), MAILAUTH_E_USAGE);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_capture");
	TCase *tcase = tcase_create("capture");

	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, the_first_login_captures);
	tcase_add_loop_test(tcase, a_session_captures, 0, 2);
	tcase_add_test(tcase, the_accounts_list_is_the_limit);
	tcase_add_test(tcase, readers_and_no_do_not_capture);
	tcase_add_test(tcase, refused_logins_do_not_capture);
	tcase_add_test(tcase, a_login_that_was_overtaken_captures_nothing);
	tcase_add_test(tcase, what_cannot_be_captured_is_no_news);
	tcase_add_test(tcase, takes_what_another_proved);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
