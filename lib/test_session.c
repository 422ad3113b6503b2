/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_session.c - sessions when the store fails, the clock in the challenge, what is stored
 *
 * A store that is away is "try again later", never "wrong password", and admits nobody. One account
 * serves every mechanism, and what is sealed in its record is looked at for the password.
 */
#include <mailauth/mailauth.h>

#include <mailauth/admin.h>
#include <stdio.h>

#include "lib.h"
#include "support.h"
#include "util/mem.h"

static const struct mailauth_request over_tls = {
	.size = sizeof(over_tls),
	.flags = MAILAUTH_REQUEST_TLS,
};

static enum mailauth_status answer;

static enum mailauth_status fail_get(struct ma_store *store, struct ma_span key,
				     struct ma_buf *record)
{
	(void)store;
	(void)key;
	(void)record;
	return answer;
}

static const struct {
	enum mailauth_status from_store;
	const char *reason;
} failures[] = {
	{MAILAUTH_E_TEMPFAIL, " reason=store-away "},
	{MAILAUTH_E_CORRUPT, " reason=damaged-record "},
	{MAILAUTH_E_NOMEM, " reason=failed "},
	{MAILAUTH_E_INTERNAL, " reason=failed "},
};

static void check_failure(size_t i, const char *what, enum mailauth_status got,
			  const struct support_log *log)
{
	support_status(what, got, failures[i].from_store);
	ck_assert_msg(log->n == 1 || failures[i].from_store == MAILAUTH_E_CORRUPT,
		      "%s: got %u lines: %s", what, log->n, log->text);
	ck_assert_msg(strstr(log->text, failures[i].reason) != NULL, "%s: got %s, want %s", what,
		      log->text, failures[i].reason);
	ck_assert_msg(strstr(log->text, "result=ok") == NULL, "%s: got %s", what, log->text);
}

static enum mailauth_status play(struct mailauth *ctx, const char *mech)
{
	struct support_client client = {
		.mech = mech, .request = &over_tls, .user = "alice", .password = "secret"};
	const void *reply;
	size_t reply_len;
	enum mailauth_status status = support_client_begin(ctx, &client);

	if (status == MAILAUTH_CONTINUE)
		status = support_client_finish(&client);
	ck_assert_ptr_null(client.reply);
	ck_assert_uint_eq(client.reply_len, 0);
	ck_assert_ptr_null(mailauth_session_user(client.session));
	/* It is over, even once the store is back. */
	ck_assert_int_eq(mailauth_session_step(client.session, client.last, client.last_len, &reply,
					       &reply_len),
			 MAILAUTH_E_PROTOCOL);
	ck_assert_ptr_null(mailauth_session_user(client.session));
	mailauth_session_free(&client.session);
	return status;
}

static const char *const mechs[] = {"PLAIN",	  "LOGIN",	 "CRAM-MD5",
				    "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};

START_TEST(store_failure_admits_nobody)
{
	static const char cram[] = "alice 00000000000000000000000000000000";
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);
	struct ma_store_ops ops = *ctx->store->ops;
	struct mailauth_name name;

	support_add(ctx, "alice", "secret");
	ops.get = fail_get;
	ctx->store->ops = &ops;
	for (size_t i = 0; i < MA_ARRAY_SIZE(failures); i++) {
		answer = failures[i].from_store;
		for (size_t j = 0; j < MA_ARRAY_SIZE(mechs); j++) {
			support_log_clear(&log);
			check_failure(i, mechs[j], play(ctx, mechs[j]), &log);
		}
		support_log_clear(&log);
		memset(&name, 'x', sizeof(name));
		check_failure(i, "verify_plain",
			      mailauth_verify_plain(ctx, &over_tls, "alice", 5, "secret", 6, &name),
			      &log);
		ck_assert_str_eq(name.text, "");
		support_log_clear(&log);
		memset(&name, 'x', sizeof(name));
		check_failure(
			i, "verify_cram",
			mailauth_verify_cram(ctx, NULL, "<1@b>", 5, cram, sizeof(cram) - 1, &name),
			&log);
		ck_assert_str_eq(name.text, "");
	}
	mailauth_free(&ctx);
}
END_TEST

/* A dialogue of several messages ends with another look at the account. */
START_TEST(store_that_goes_away_in_the_middle_admits_nobody)
{
	struct mailauth *ctx = support_open("", NULL);
	struct ma_store_ops ops = *ctx->store->ops;
	struct support_client client = {.mech = "SCRAM-SHA-256",
					.request = &over_tls,
					.user = "alice",
					.password = "secret"};

	support_add(ctx, "alice", "secret");
	support_status("first", support_client_begin(ctx, &client), MAILAUTH_CONTINUE);
	ops.get = fail_get;
	ctx->store->ops = &ops;
	answer = MAILAUTH_E_TEMPFAIL;
	support_status("last", support_client_finish(&client), MAILAUTH_E_TEMPFAIL);
	ck_assert_ptr_null(mailauth_session_user(client.session));
	mailauth_session_free(&client.session);
	mailauth_free(&ctx);
}
END_TEST

static int64_t canned_clock(void)
{
	return 896697170952;
}

START_TEST(challenge_tells_the_time)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_session *session;
	char text[128];
	const void *reply;
	size_t len;

	ctx->now_s = canned_clock;
	ck_assert_int_eq(mailauth_session_new(ctx, "CRAM-MD5", NULL, &session), MAILAUTH_OK);
	ck_assert_int_eq(mailauth_session_step(session, NULL, 0, &reply, &len), MAILAUTH_CONTINUE);
	(void)snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)reply);
	ck_assert_msg(strstr(text, ".896697170952@example.org>") != NULL, "got %s", text);
	mailauth_session_free(&session);
	mailauth_free(&ctx);
}
END_TEST

/* ---- what is stored ---- */

/* No word of it is part of a name or a setting. */
#define PASSWORD "correct horse battery staple"

static bool holds(struct ma_span bytes, const char *text)
{
	return memmem(bytes.p, bytes.len, text, strlen(text)) != NULL;
}

/* Does the account's record, in the clear or with the seal opened, hold the password? */
static bool has_password(struct mailauth *ctx, const char *name_text)
{
	struct ma_worker *worker;
	struct ma_name name;
	bool has;

	ck_assert_ptr_null(ma_name_parse(ma_span_text(name_text), ctx->default_realm, &name));
	ck_assert_int_eq(ma_worker_take(ctx, &worker), MAILAUTH_OK);
	ck_assert_int_eq(ma_worker_read(ctx, worker, &name), MAILAUTH_OK);
	ck_assert_uint_ge(worker->account.credentials[0].n_secrets, 5);
	ck_assert_uint_gt(worker->plain_len, 200);
	ck_assert(!holds(ma_span(worker->record, worker->record_len), PASSWORD));
	has = holds(ma_span(worker->plain, worker->plain_len), PASSWORD);
	ma_worker_give_back(ctx, &worker);
	return has;
}

static void add_recoverable(struct mailauth *ctx, const char *name)
{
	struct mailauth_user *user;

	support_status(name, mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	support_status(name, mailauth_user_set_number(user, MAILAUTH_NUMBER_RECOVERABLE, 1),
		       MAILAUTH_OK);
	support_status(name, mailauth_user_set_password(user, PASSWORD, strlen(PASSWORD)),
		       MAILAUTH_OK);
	support_status(name, mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

/* All dialogues begin before the first of them ends. */
START_TEST(account_without_its_password_serves_every_mechanism_at_once)
{
	static struct support_client clients[MA_ARRAY_SIZE(mechs)];
	struct mailauth *ctx = support_open("", NULL);

	support_add(ctx, "alice", PASSWORD);
	ck_assert_msg(!has_password(ctx, "alice"), "the record holds the password");
	for (size_t i = 0; i < MA_ARRAY_SIZE(mechs); i++) {
		clients[i] = (struct support_client){.mech = mechs[i],
						     .request = &over_tls,
						     .user = "alice",
						     .password = PASSWORD};
		support_status(mechs[i], support_client_begin(ctx, &clients[i]), MAILAUTH_CONTINUE);
	}
	for (size_t i = 0; i < MA_ARRAY_SIZE(mechs); i++)
		support_status(mechs[i], support_client_finish(&clients[i]), MAILAUTH_OK);
	for (size_t i = 0; i < MA_ARRAY_SIZE(mechs); i++) {
		ck_assert_str_eq(mailauth_session_user(clients[i].session), "alice@example.org");
		mailauth_session_free(&clients[i].session);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(apop_needs_an_account_that_keeps_its_password)
{
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);

	support_add(ctx, "alice", PASSWORD);
	support_status("not kept", support_login(ctx, "APOP", NULL, "alice", PASSWORD),
		       MAILAUTH_E_DENIED);
	ck_assert_uint_eq(log.n, 1);
	ck_assert_msg(strstr(log.text, "result=denied reason=no-secret mech=APOP ") != NULL,
		      "got %s", log.text);
	add_recoverable(ctx, "bob");
	ck_assert_msg(has_password(ctx, "bob"), "the password is not found where it is");
	support_status("kept", support_login(ctx, "APOP", NULL, "bob", PASSWORD), MAILAUTH_OK);
	support_status("wrong", support_login(ctx, "APOP", NULL, "bob", "wrong"),
		       MAILAUTH_E_DENIED);
	for (size_t i = 0; i < MA_ARRAY_SIZE(mechs); i++)
		support_status(mechs[i], support_login(ctx, mechs[i], &over_tls, "bob", PASSWORD),
			       MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

/* ---- memory ---- */

static unsigned int n_left;

static bool fail_nth(void)
{
	return n_left-- == 0;
}

/* Each allocation of a whole session fails once: no name, no leak, no crash. */
START_TEST(session_survives_lack_of_memory)
{
	static const struct mailauth_binding binding = {
		.type = "tls-exporter", .p = "0123456789", .len = 10};
	static const struct mailauth_request request = {
		.size = sizeof(request),
		.flags = MAILAUTH_REQUEST_TLS,
		.service = "imap",
		.peer = "192.0.2.1",
		.group = "",
		.realm = "example.org",
		.host = "mx.example.org",
		.bindings = &binding,
		.n_bindings = 1,
	};
	static const char message[] = "p=tls-exporter,,n=alice,r=abc";
	struct mailauth *ctx = support_open("", NULL);
	enum mailauth_status status = MAILAUTH_E_NOMEM;
	unsigned int n;

	support_add(ctx, "alice", "secret");
	for (n = 0; status == MAILAUTH_E_NOMEM; n++) {
		struct mailauth_session *session = (struct mailauth_session *)ctx;
		const void *reply;
		size_t reply_len;

		n_left = n;
		ma_mem_set_fail(fail_nth);
		status = mailauth_session_new(ctx, "SCRAM-SHA-256-PLUS", &request, &session);
		ck_assert((session != NULL) == (status == MAILAUTH_OK));
		if (status == MAILAUTH_OK)
			status = mailauth_session_step(session, message, strlen(message), &reply,
						       &reply_len);
		ma_mem_set_fail(NULL);
		mailauth_session_free(&session);
		ck_assert_uint_lt(n, 100);
	}
	support_status("with all memory", status, MAILAUTH_CONTINUE);
	ck_assert_uint_eq(n, 3); /* the session with its texts, and the reply */
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *tcase = tcase_create("session");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, store_failure_admits_nobody);
	tcase_add_test(tcase, store_that_goes_away_in_the_middle_admits_nobody);
	tcase_add_test(tcase, challenge_tells_the_time);
	tcase_add_test(tcase, account_without_its_password_serves_every_mechanism_at_once);
	tcase_add_test(tcase, apop_needs_an_account_that_keeps_its_password);
	tcase_add_test(tcase, session_survives_lack_of_memory);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
