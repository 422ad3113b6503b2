/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_session.c - sessions when the store fails, and the clock in the challenge
 *
 * A store that is away is "try again later", never "wrong password", and admits nobody.
 */
#include <mailauth/mailauth.h>

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

static enum mailauth_status play(struct mailauth *ctx, const char *mech, const char *in, size_t len)
{
	struct mailauth_session *session;
	const void *reply;
	size_t reply_len;
	enum mailauth_status status;

	ck_assert_int_eq(mailauth_session_new(ctx, mech, &over_tls, &session), MAILAUTH_OK);
	ck_assert_int_eq(mailauth_session_step(session, NULL, 0, &reply, &reply_len),
			 MAILAUTH_CONTINUE);
	status = mailauth_session_step(session, in, len, &reply, &reply_len);
	ck_assert_ptr_null(reply);
	ck_assert_uint_eq(reply_len, 0);
	ck_assert_ptr_null(mailauth_session_user(session));
	/* It is over, even once the store is back. */
	ck_assert_int_eq(mailauth_session_step(session, in, len, &reply, &reply_len),
			 MAILAUTH_E_PROTOCOL);
	ck_assert_ptr_null(mailauth_session_user(session));
	mailauth_session_free(&session);
	return status;
}

START_TEST(store_failure_admits_nobody)
{
	static const char plain[] = "\0alice\0secret";
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
		support_log_clear(&log);
		check_failure(i, "PLAIN", play(ctx, "PLAIN", plain, sizeof(plain) - 1), &log);
		support_log_clear(&log);
		check_failure(i, "CRAM-MD5", play(ctx, "CRAM-MD5", cram, sizeof(cram) - 1), &log);
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

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *tcase = tcase_create("session");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, store_failure_admits_nobody);
	tcase_add_test(tcase, challenge_tells_the_time);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
